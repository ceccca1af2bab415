"""Sample recipients: made up, the same for the same seed, and meant to look it.

Names say that they are examples (林示例, 陈虚构), numbers have 0000 where an exchange would be,
plates begin with a 0, mail goes to example.com. What they are told stays in the sandbox.
"""

from collections.abc import Iterator
from random import Random
from typing import Any, NamedTuple

from preferences.changes import Choice, GiveConsent, SetOrder, SetQuietHours, SwitchCategory

FILING = "filing"
"""The role of whoever files for an enterprise, as the catalog's notices ask for it."""

CONSENTED = "fire-safety"
"""The category that is sent to those only who agreed."""


class Region(NamedTuple):
    """A city: its code, how its plates begin, its area code, its time, and two of its roads."""

    code: str
    city: str
    plate: str
    area: str
    zone: str
    roads: tuple[str, str]


_CHINA, _WEST = "Asia/Shanghai", "Asia/Urumqi"
REGIONS = (
    Region("350100", "福州市", "闽A", "0591", _CHINA, ("五四路", "湖东路")),
    Region("350200", "厦门市", "闽D", "0592", _CHINA, ("湖滨南路", "厦禾路")),
    Region("350500", "泉州市", "闽C", "0595", _CHINA, ("温陵北路", "泉秀街")),
    Region("110000", "北京市", "京N", "010", _CHINA, ("朝阳路", "建国门外大街")),
    Region("310000", "上海市", "沪B", "021", _CHINA, ("延安中路", "淮海中路")),
    Region("440100", "广州市", "粤A", "020", _CHINA, ("天河路", "东风中路")),
    Region("420100", "武汉市", "鄂A", "027", _CHINA, ("解放大道", "武珞路")),
    Region("510100", "成都市", "川A", "028", _CHINA, ("人民南路", "蜀都大道")),
    Region("610100", "西安市", "陕A", "029", _CHINA, ("长安北路", "雁塔路")),
    Region("650100", "乌鲁木齐市", "新A", "0991", _WEST, ("友好北路", "北京南路")),
)

# cmcc, cucc, ctcc and cbn, about as their customers are spread
_PREFIXES = (
    *("138", "139", "150", "159", "187", "188", "198", "134"),
    *("130", "131", "155", "186", "176"),
    *("133", "153", "177", "189", "199"),
    "192",
)
_SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡林郭何高罗"
_GIVEN = ("示例", "虚构", "样本", "试用", "演示", "模拟", "范例", "假定")
_TRADES = ("化工", "试剂", "医药", "涂料", "电镀", "橡胶")
_SWITCHES = ("survey/*", "public-notice/*", "driving-test/push", "questions/sms", "vehicle/push")


class Sampled(NamedTuple):
    """One recipient: how upstream registers them, and what they choose."""

    registration: dict[str, Any]
    choices: tuple[Choice, ...]
    region: Region
    plate: str
    consents: bool

    @property
    def ref(self) -> str:
        return str(self.registration["ref"])


class People:
    """So many sample recipients, 3 % of them enterprises with a person who files for each."""

    def __init__(self, size: int, seed: int) -> None:
        enterprises = max(size * 3 // 100, 1)
        self.persons = [_person(Random(f"{seed} person {i}"), i) for i in range(size - enterprises)]
        self.enterprises = [
            _enterprise(Random(f"{seed} enterprise {i}"), i, self.persons[i % len(self.persons)])
            for i in range(enterprises)
        ]
        self.willing = [person for person in self.persons if person.consents]

    def __iter__(self) -> Iterator[Sampled]:
        yield from self.persons
        yield from self.enterprises

    def __len__(self) -> int:
        return len(self.persons) + len(self.enterprises)


def _person(dice: Random, i: int) -> Sampled:
    region = dice.choices(REGIONS, (30, 12, 12, 8, 8, 8, 6, 6, 5, 5))[0]
    ref = f"sample-p{i:05}"
    landline = dice.random() < 0.02
    phone = f"{region.area} 5550{i % 10_000:04}" if landline else _mobile(dice, i)
    registration: dict[str, Any] = {
        "ref": ref,
        "kind": "person",
        "name": _SURNAMES[i % len(_SURNAMES)] + _GIVEN[i // len(_SURNAMES) % len(_GIVEN)],
        "phones": [phone],
        "region": region.code,
        "zone": region.zone,
    }
    if dice.random() < 0.85:
        registration["emails"] = [f"{ref}@example.com"]
    if not landline and dice.random() < 0.85:
        registration["push"] = [f"sample-token-{ref}"]
    if dice.random() < 0.03:
        registration["language"] = "en"
    consents = dice.random() < 0.25
    choices = tuple(_choices(dice, consents))
    return Sampled(registration, choices, region, _plate(dice, region, i), consents)


def _mobile(dice: Random, i: int) -> str:
    prefix = dice.choice(_PREFIXES)
    return f"{prefix}0000{i % 10_000:04}"


def _plate(dice: Random, region: Region, i: int) -> str:
    new_energy = dice.choice("DF") if dice.random() < 0.2 else ""
    return f"{region.plate}{new_energy}0{i % 10_000:04}"


def _choices(dice: Random, consents: bool) -> Iterator[Choice]:
    if consents:
        yield GiveConsent(CONSENTED, "示例：网上平台勾选同意")
    if dice.random() < 0.05:
        category, _, channel = dice.choice(_SWITCHES).partition("/")
        yield SwitchCategory(category, channel, on=False)
    if dice.random() < 0.05:
        yield SetOrder(("push", "sms"))
    if dice.random() < 0.08:
        yield SetQuietHours(22 * 60 + 30, 7 * 60)


def _enterprise(dice: Random, i: int, files: Sampled) -> Sampled:
    region = files.region
    city = region.city.removesuffix("市")
    registration: dict[str, Any] = {
        "ref": f"sample-e{i:05}",
        "kind": "enterprise",
        "name": f"{city}虚构{dice.choice(_TRADES)}示例有限公司",
        "phones": [f"{region.area} 5551{i % 10_000:04}"],
        "emails": [f"sample-e{i:05}@example.com"],
        "persons": [{"role": FILING, "ref": files.ref}],
        "region": region.code,
        "zone": region.zone,
    }
    return Sampled(registration, (), region, "", consents=False)
