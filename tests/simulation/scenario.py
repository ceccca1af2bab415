"""What happens in the world of one seed: who there is, what upstream says, what people choose."""

import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from preferences.recipient import Preferences
from tests.simulation.replies import SECRET, Writing, writings
from tests.simulation.scheduler import Rates

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000

MIDNIGHT_MS = 1_764_000_000_000 // DAY_MS * DAY_MS - 8 * HOUR_MS
"""Of a day in China."""

NAMES = ("张三丰", "李四光", "王五四", "赵六合", "钱七星")
FIRMS = ("e1",)


class Said(NamedTuple):
    """One record upstream publishes: when, and as which bytes. ``first``: the first of its id."""

    at_ms: int
    key: str
    raw: bytes
    first: bool


class Asked(NamedTuple):
    """One accepted event that asks for notifications or settles a case."""

    source: str
    id: str
    type: str
    subject: str
    at_ms: int
    case: str


class Choice(NamedTuple):
    """A citizen's new preferences."""

    at_ms: int
    ref: str
    chosen: Preferences


class Scenario(NamedTuple):
    start_ms: int
    said: list[Said]
    asked: list[Asked]
    choices: list[Choice]
    persons: dict[str, tuple[str, ...]]
    """The contact persons of each enterprise."""
    secrets: list[str]
    end_ms: int
    writings: list[Writing]


class _Writer:
    def __init__(self, rng: random.Random, start_ms: int) -> None:
        self.rng = rng
        self.start_ms = start_ms
        self.said: list[Said] = []
        self.asked: list[Asked] = []
        self.serial = 0
        self.registered: dict[str, int] = {}

    def event(
        self, at_ms: int, kind: str, subject: str, data: dict[str, Any], *, happened: int = 0,
    ) -> None:  # fmt: skip
        """Publish an event, and perhaps again: the same, with another time, with other bytes."""
        rng = self.rng
        self.serial += 1
        time_ms = happened or at_ms - rng.randrange(5_000)
        name = f"ev-{self.serial}"
        source = rng.choice(("/traffic", "/permits"))
        body = {
            "specversion": "1.0", "id": name, "source": source, "type": kind,
            "time": _iso(time_ms), "subject": subject, "data": data,
        }  # fmt: skip
        self._say(at_ms, subject, body, True)
        if kind.startswith("sim."):
            case = f"no={data['no']}"
            self.asked.append(
                Asked(source, name, kind[4:-3], subject, time_ms // 1000 * 1000, case)
            )
        if rng.random() < 0.35:  # upstream tries again, soon or after long
            later = at_ms + rng.choice((1, 50, 3_000, 40_000, 20 * MINUTE_MS, 7 * HOUR_MS))
            again = dict(body)
            draw = rng.random()
            if draw < 0.5:
                again["time"] = _iso(time_ms + rng.randrange(1, 600) * 1000)
            elif draw < 0.65 and "plate" in data:
                again["data"] = {**data, "plate": "闽B99999"}
            self._say(later, subject, again, False)

    def _say(self, at_ms: int, key: str, body: dict[str, Any], first: bool) -> None:
        raw = json.dumps(body, ensure_ascii=False).encode()
        self.said.append(Said(at_ms, key, raw, first))


def generate(seed: int) -> Scenario:
    """The scenario of a seed; no two are alike, every kind is common."""
    rng = random.Random(seed * 7 + 1)
    start_ms = MIDNIGHT_MS + rng.randrange(6 * 60, 22 * 60) * MINUTE_MS
    if rng.random() < 0.3:  # just before the night, or before it ends
        start_ms = MIDNIGHT_MS + rng.choice((21, 21, 8, 9)) * HOUR_MS - rng.randrange(2_600, 7_000)
    crowd = rng.random() < 0.15
    writer = _Writer(rng, start_ms)
    persons = {"e1": ("r2", "r3")}
    secrets = [*NAMES, "闽A12345", "闽B99999"]
    refs = [f"r{i}" for i in range(4)]
    phones: dict[str, str] = {}
    late = rng.choice(refs) if rng.random() < 0.4 else ""
    for i, ref in enumerate((*refs, "e1")):
        prefix = "139" if crowd else rng.choice(("139", "139", "130"))
        phone = f"{prefix}{rng.randrange(10**7, 9 * 10**7)}"
        secrets += [phone, f"{ref}@example.cn"]
        phones[ref] = phone
        data: dict[str, Any] = {
            "ref": ref, "kind": "person", "name": NAMES[i],
            "phones": [phone], "emails": [f"{ref}@example.cn"], "push": [f"token-{ref}"],
        }  # fmt: skip
        if ref == "e1":
            data |= {"kind": "enterprise", "persons": [
                {"role": "filing", "ref": p} for p in persons["e1"]]}  # fmt: skip
        at_ms = start_ms + rng.randrange(2_000)
        if ref == late or (ref == "e1" and rng.random() < 0.4):
            at_ms += rng.choice((20_000, 10 * MINUTE_MS, 3 * HOUR_MS))
        writer.registered[ref] = at_ms
        writer.event(at_ms, "hub.recipient.registered.v1", ref, data)
    for make in (_fines, _progress, _filing, _renewal, _warning, _tips, _login, _shared):
        make(writer, refs)
    if crowd:
        _crowd(writer, refs)
    choices = [_choice(rng, writer) for _ in range(rng.randrange(5))]
    writer.said.sort(key=lambda said: said.at_ms)
    end_ms = max(said.at_ms for said in writer.said)
    rng = random.Random(seed * 7 + 5)
    written: list[Writing] = []
    if seed % 5 in (1, 3):  # in the others nobody answers
        told = [(said.at_ms, said.key) for said in writer.said]
        written = writings(rng, told, phones, start_ms)
        secrets.append(SECRET)
    return Scenario(start_ms, writer.said, writer.asked, choices, persons, secrets, end_ms, written)


def rates(seed: int, scenario: Scenario) -> Rates:
    """How rough the seed's world is; one in eight has no faults but those of the carrier."""
    rng = random.Random(seed * 7 + 2)
    if seed % 8 == 0:
        return Rates(switch=rng.choice((0.05, 0.3, 0.8)))
    if seed % 8 == 1:  # a storm: everything at once while the events come in
        return Rates(
            0.8, 0.02, 0.02, 0.03, crashes=30, pauses=20, moves=30,
            until_ms=scenario.start_ms + rng.choice((5_000, MINUTE_MS, HOUR_MS)),
        )  # fmt: skip
    return Rates(
        switch=rng.choice((0.05, 0.3, 0.8)),
        crash=rng.choice((0.0, 0.002, 0.01, 0.03)),
        pause=rng.choice((0.0, 0.002, 0.01, 0.03)),
        move=rng.choice((0.0, 0.002, 0.01)),
        crashes=rng.randrange(1, 12),
        pauses=rng.randrange(1, 16),
        moves=20,
        until_ms=scenario.start_ms + rng.choice((MINUTE_MS, HOUR_MS, 2 * DAY_MS, 4 * DAY_MS)),
    )


def _when(writer: _Writer) -> int:
    """Mostly in bursts, for races need company."""
    spread = writer.rng.choice((1_000, 1_000, 30_000, HOUR_MS, 12 * HOUR_MS))
    return writer.start_ms + 2_500 + writer.rng.randrange(spread)


def _number(writer: _Writer) -> str:
    return str(10_000 + writer.serial)


def _fines(writer: _Writer, refs: list[str]) -> None:
    for _ in range(writer.rng.randrange(1, 4)):
        at_ms, ref = _when(writer), writer.rng.choice(refs)
        data = {"no": _number(writer), "plate": "闽A12345"}
        writer.event(at_ms, "sim.fine.v1", ref, data)
        if writer.rng.random() < 0.6:  # paid, sometimes before anybody heard of the fine
            # 31 and 40 s: about when an unanswered call is given up
            gap = writer.rng.choice((-500, 1, 20, 300, 5_000, 31_000, 40_000, 8 * HOUR_MS))
            gap += writer.rng.randrange(700) if gap > 20_000 else 0
            payer = writer.rng.choice((ref, "payer-1", "payer-2"))  # whose partition it may not be
            writer.event(
                at_ms + gap, "sim.fine-paid.v1", payer, {"no": data["no"]},
                happened=max(at_ms + gap, at_ms) + 1_000,
            )  # fmt: skip


def _shared(writer: _Writer, refs: list[str]) -> None:
    """One case of everybody's, which is settled while some are being told and others wait."""
    if writer.rng.random() < 0.5:
        return
    at_ms, number = _when(writer), _number(writer)
    for ref in refs:
        writer.event(at_ms, "sim.fine.v1", ref, {"no": number})
    gap = writer.rng.choice((20, 300, 1_000, 3_000, 3_000, 8 * HOUR_MS))
    writer.event(
        at_ms + gap, "sim.fine-paid.v1", writer.rng.choice(("payer-1", "payer-2")), {"no": number},
        happened=at_ms + gap + 1_000,
    )  # fmt: skip


def _crowd(writer: _Writer, refs: list[str]) -> None:
    """So many at once that lanes have to wait."""
    at_ms = writer.start_ms + 3_000
    for i in range(14):
        writer.event(at_ms + i * 5, "sim.fine.v1", refs[i % 4], {"no": _number(writer)})


def _progress(writer: _Writer, refs: list[str]) -> None:
    ref = writer.rng.choice(refs)
    at_ms = _when(writer)
    for _ in range(writer.rng.randrange(1, 5)):  # several cases: the cap has something to hold
        number = _number(writer)
        at_ms += writer.rng.choice((0, 100, 2_000))
        writer.event(at_ms, "sim.received.v1", ref, {"no": number})
        if writer.rng.random() < 0.5:
            gap = writer.rng.choice((-300, 5, 1_500, 30_000, 4 * HOUR_MS))
            writer.event(
                at_ms + gap, "sim.approved.v1", ref, {"no": number}, happened=at_ms + 2_000
            )
        elif writer.rng.random() < 0.3:
            gap = writer.rng.choice((5, 1_500, 30_000))
            writer.event(
                at_ms + gap, "sim.withdrawn.v1", ref, {"no": number}, happened=at_ms + 2_000
            )


def _filing(writer: _Writer, refs: list[str]) -> None:
    if writer.rng.random() < 0.5:
        return
    at_ms, number = _when(writer), _number(writer)
    due = _date(at_ms + writer.rng.choice((1, 2)) * DAY_MS)
    writer.event(at_ms, "sim.sold.v1", "e1", {"no": number, "due": due})
    if writer.rng.random() < 0.6:
        gap = writer.rng.choice((2_000, 20 * HOUR_MS, 50 * HOUR_MS))
        if writer.registered["e1"] > at_ms:  # just while its contact persons take over
            gap = writer.registered["e1"] - at_ms + writer.rng.choice((1, 5, 10, 400, HOUR_MS))
        writer.event(
            at_ms + gap, "sim.filed.v1", "e1", {"no": number}, happened=at_ms + max(gap, 5_000)
        )


def _renewal(writer: _Writer, refs: list[str]) -> None:
    for _ in range(writer.rng.randrange(1, 4)):
        at_ms, number = _when(writer), _number(writer)
        ref = writer.rng.choice(refs[:2])
        due = _date(at_ms + writer.rng.choice((1, 2)) * DAY_MS)
        writer.event(at_ms, "sim.renewal.v1", ref, {"no": number, "due": due})
        if writer.rng.random() < 0.3:
            writer.event(
                at_ms + 26 * HOUR_MS, "sim.renewed.v1", ref, {"no": number},
                happened=at_ms + 26 * HOUR_MS,
            )  # fmt: skip


def _warning(writer: _Writer, refs: list[str]) -> None:
    for _ in range(writer.rng.choice((0, 1, 1, 2))):
        writer.event(
            _when(writer), "sim.warning.v1", writer.rng.choice(refs), {"no": _number(writer)}
        )


def _tips(writer: _Writer, refs: list[str]) -> None:
    ref = writer.rng.choice(refs)
    for _ in range(writer.rng.choice((0, 1, 2, 4, 6))):
        writer.event(_when(writer), "sim.tip.v1", ref, {"no": _number(writer)})


def _login(writer: _Writer, refs: list[str]) -> None:
    if writer.rng.random() < 0.5:
        writer.event(
            _when(writer), "sim.login.v1", writer.rng.choice(refs), {"no": _number(writer)}
        )


def _choice(rng: random.Random, writer: _Writer) -> Choice:
    """Mostly made while something about the same person is under way."""
    about = rng.choice([said for said in writer.said if said.key.startswith("r")])
    ref = about.key
    at_ms = about.at_ms + rng.choice((-20, 2, 10, 40, 200, 1_500, 30_000, HOUR_MS))
    off = rng.choice((("*/sms",), ("progress/*",), ("tip/*", "renewal/sms"), ("renewal/*",), ()))
    quiet = rng.choice(((-1, -1), (12 * 60, 14 * 60), (20 * 60, 9 * 60)))
    caps = rng.choice(({}, {"status": 1}, {"reminder": 0}, {"bulletin": 0}))
    return Choice(
        max(at_ms, writer.start_ms), ref,
        Preferences(version=1, off=off, quiet_from=quiet[0], quiet_to=quiet[1], caps=caps),
    )  # fmt: skip


def _iso(ms: int) -> str:
    return datetime.fromtimestamp(ms // 1000, UTC).isoformat()


def _date(ms: int) -> str:
    return (datetime.fromtimestamp(ms // 1000, UTC) + timedelta(hours=8)).date().isoformat()
