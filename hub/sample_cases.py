"""Sample cases: what happens to sample people in the six services, step by step.

A case is a list of steps, each an upstream event and how long after the case began it happens.
Together the cases meet every notice of the catalog but the answers to replies, which people of
:mod:`hub.sample_replies` ask for. Steps that stop a reminder are the lesser part: most of what is
planned goes out.
"""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from random import Random
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from hub.sample_people import People, Sampled

MINUTES = 60_000
HOURS = 60 * MINUTES
DAYS = 24 * HOURS

_BEIJING = ZoneInfo("Asia/Shanghai")

_OFFENCES = (
    ("机动车违反禁止标线指示", 20_000, 1),
    ("驾驶机动车违反道路交通信号灯通行", 20_000, 6),
    ("机动车违反规定停放", 15_000, 0),
    ("驾驶机动车时拨打接听手持电话", 5_000, 3),
    ("超过规定时速百分之二十未达百分之五十", 20_000, 6),
)
_WEATHER = (
    ("台风橙色", "请勿驾车前往沿海路段，已在途的请就近驶离高速公路"),
    ("暴雨红色", "请避开下穿通道和低洼路段，车辆涉水熄火后不要再次启动"),
    ("大雾黄色", "请降低车速、打开雾灯、保持车距"),
    ("道路结冰橙色", "请减速慢行，避免急刹车和急转向"),
)
_HAZARDS = (
    ("突发团雾", "请降低车速、打开雾灯、保持车距，就近驶入服务区"),
    ("多车追尾，交通中断", "请在前方出口驶离，绕行国道"),
    ("山体落石，单幅封闭", "请按现场民警指挥通行"),
)
_ROADS = ("G15沈海高速", "G70福银高速", "G4京港澳高速", "G2京沪高速")
_TIPS = (
    ("冬季用电取暖", "取暖器与可燃物保持一米以上距离，人离开时关闭电源"),
    ("电动自行车充电", "电动自行车不在楼道和室内充电，不使用改装电池"),
    ("厨房用火", "油锅起火先关火，盖上锅盖，切勿浇水"),
)
_NOTICES = (
    ("三环路部分路段临时限行", "因道路施工，本周每日22时至次日6时，三环路施工路段禁止货车通行"),
    ("节假日出行提示", "预计今明两日出城方向车流集中，请错峰出行，不占用应急车道"),
)
_CHEMICALS = ("丙酮", "甲苯", "硫酸", "盐酸", "高锰酸钾", "乙醚")
_BUSINESS = ("护照换发", "港澳签注", "护照首次申领", "往来台湾通行证")
_MATTERS = ("居住证首次申领", "户口迁移", "犬只登记", "无犯罪记录证明")
_QUESTIONS = ("异地处理交通违法", "驾驶证换证材料", "电子驾驶证使用", "车辆转籍")
_REPORTS = ("小区消防通道堵塞", "路灯不亮", "夜间施工噪声", "路口信号灯故障")


class Step(NamedTuple):
    """One event of a case. ``subject`` is empty for what concerns no single recipient."""

    after_ms: int
    type: str
    subject: str
    data: dict[str, Any]


class Scene:
    """What a case is made of: dice, people, the time it begins and a number of its own."""

    def __init__(self, dice: Random, people: People, now_ms: int, number: int) -> None:
        self.dice = dice
        self.people = people
        self.number = number
        self.who = dice.choice(people.persons)
        self._now = datetime.fromtimestamp(now_ms / 1000, _BEIJING)

    def at(self, after_ms: int = 0) -> str:
        """The moment so long after the case began."""
        return (self._now + timedelta(milliseconds=after_ms)).isoformat(timespec="seconds")

    def day(self, days: int = 0) -> str:
        return (self._now + timedelta(days=days)).date().isoformat()

    def morning(self, days: int) -> str:
        """Half past nine, so many days on."""
        moment = (self._now + timedelta(days=days)).replace(hour=9, minute=30, second=0)
        return moment.isoformat(timespec="seconds")

    def no(self, prefix: str) -> str:
        """A number of the case, as registers write them."""
        return f"{prefix}{self._now:%y%m%d}{self.number:07}"

    def chance(self, share: float) -> bool:
        return self.dice.random() < share

    def among(self, *spans: int) -> int:
        """A time between these, in ms."""
        return self.dice.randint(spans[0], spans[-1])


Case = Callable[[Scene], Iterator[Step]]


# Traffic -----------------------------------------------------------------------------------------


def violation(s: Scene) -> Iterator[Step]:
    """A fine: recorded, most often paid, sometimes not at the first try."""
    offence, fine, points = s.dice.choice(_OFFENCES)
    plate, region = s.who.plate, s.who.region
    case = {"violation_no": s.no("35"), "plate": plate}
    yield Step(
        0,
        "gov.traffic.violation.recorded.v1",
        s.who.ref,
        {
            **case,
            "occurred_at": s.at(-s.among(1 * HOURS, 30 * HOURS)),
            "place": "与".join(region.roads) + "交叉口",
            "offence": offence,
            "fine": fine,
            "points": points,
        },
    )
    paid_ms = s.among(30 * MINUTES, 20 * HOURS)
    if s.chance(0.2):
        failed = {"failed_at": s.at(paid_ms - 10 * MINUTES), "reason": "银行卡余额不足"}
        yield Step(
            paid_ms - 10 * MINUTES,
            "gov.traffic.payment.failed.v1",
            s.who.ref,
            {**case, "amount": fine, **failed},
        )
    if s.chance(0.6):
        paid = {"paid_at": s.at(paid_ms), "receipt_no": s.no("88")}
        yield Step(
            paid_ms,
            "gov.traffic.violation.paid.v1",
            s.who.ref,
            {**case, "amount": fine, **paid},
        )


def licence(s: Scene) -> Iterator[Step]:
    """A licence about to expire; a few are renewed before the last reminder."""
    ref = {"licence_ref": s.no("JZ-")}
    due = {"vehicle_class": s.dice.choice(("C1", "C2", "B2")), "expires_on": s.day(_soon(s))}
    yield Step(0, "gov.traffic.licence.expiring.v1", s.who.ref, {**ref, **due})
    if s.chance(0.1):
        renewed = {"renewed_on": s.day(1)}
        yield Step(1 * DAYS, "gov.traffic.licence.renewed.v1", s.who.ref, {**ref, **renewed})


def inspection(s: Scene) -> Iterator[Step]:
    ref = {"vehicle_ref": s.no("CL-")}
    due = {"plate": s.who.plate, "inspect_by": s.day(_soon(s))}
    yield Step(0, "gov.traffic.vehicle.inspection-due.v1", s.who.ref, {**ref, **due})
    if s.chance(0.1):
        done = {"inspected_on": s.day(1)}
        yield Step(1 * DAYS, "gov.traffic.vehicle.inspected.v1", s.who.ref, {**ref, **done})


def _soon(s: Scene) -> int:
    """Days until a date: so that reminders of it fall due today, tomorrow, or in a week."""
    return s.dice.choice((1, 1, 1, 2, 2, 7))


def licence_application(s: Scene) -> Iterator[Step]:
    """A licence renewed by post: three steps, then the document is on its way."""
    ref = {"application_no": s.no("JZ")}
    business = {"business": "期满换证"}
    steps = ("申请已受理", "审核通过，正在制证", "制证完成，等待寄出")
    after_ms = 0
    for step in steps:
        data = {**ref, **business, "step": step, "reached_at": s.at(after_ms)}
        yield Step(after_ms, "gov.traffic.licence.progressed.v1", s.who.ref, data)
        after_ms += s.among(3 * HOURS, 9 * HOURS)
    posted = {"courier": "中国邮政", "tracking_no": s.no("118"), "posted_on": s.day(1)}
    data = {**ref, "document": "驾驶证", **posted}
    yield Step(after_ms, "gov.traffic.document.posted.v1", s.who.ref, data)


def plate_application(s: Scene) -> Iterator[Step]:
    after_ms = 0
    for step in ("选号成功，等待制作", "号牌已制作完成"):
        data = {"application_no": s.no("HP"), "step": step, "reached_at": s.at(after_ms)}
        yield Step(after_ms, "gov.traffic.plate.progressed.v1", s.who.ref, data)
        after_ms += s.among(6 * HOURS, 20 * HOURS)


def driving_test(s: Scene) -> Iterator[Step]:
    """A test is booked; now and then it is cancelled, and its reminder with it."""
    ref = {"booking_no": s.no("YK")}
    test = {"test": s.dice.choice(("科目一", "科目二", "科目三")), "starts_at": s.morning(2)}
    place = {"place": f"{s.who.region.city}示例考场"}
    yield Step(0, "gov.traffic.test.booked.v1", s.who.ref, {**ref, **test, **place})
    if s.chance(0.06):
        yield Step(5 * HOURS, "gov.traffic.test.cancelled.v1", s.who.ref, ref)


def weather(s: Scene) -> Iterator[Step]:
    """A warning to many at once; lifted after it has run out."""
    level, advice = s.dice.choice(_WEATHER)
    ref = {"warning_no": s.no("W")}
    area = {"area": f"{s.who.region.city}沿线区县", "level": level}
    data = {**ref, **area, "until": s.at(3 * HOURS), "advice": advice}
    for person in s.dice.sample(s.people.persons, min(8, len(s.people.persons))):
        yield Step(0, "gov.traffic.weather.warned.v1", person.ref, data)
    yield Step(3 * HOURS, "gov.traffic.weather.lifted.v1", "", ref)


def road(s: Scene) -> Iterator[Step]:
    hazard, advice = s.dice.choice(_HAZARDS)
    ref = {"warning_no": s.no("R")}
    where = {"road": s.dice.choice(_ROADS), "section": f"{s.who.region.city}段"}
    data = {**ref, **where, "hazard": hazard, "advice": advice}
    for person in s.dice.sample(s.people.persons, min(8, len(s.people.persons))):
        yield Step(0, "gov.traffic.road.warned.v1", person.ref, data)
    yield Step(2 * HOURS, "gov.traffic.road.cleared.v1", "", ref)


def public_notice(s: Scene) -> Iterator[Step]:
    headline, summary = s.dice.choice(_NOTICES)
    page = {"url": f"https://fj.122.gov.cn/gg/{s.number % 1_000}"}
    data = {"notice_no": s.no("GG"), "headline": headline, "summary": summary, **page}
    for person in s.dice.sample(s.people.persons, min(5, len(s.people.persons))):
        yield Step(0, "gov.traffic.notice.published.v1", person.ref, data)


def question(s: Scene) -> Iterator[Step]:
    topic = {"topic": s.dice.choice(_QUESTIONS), "by": f"{s.who.region.city}交警支队"}
    data = {"question_no": s.no("ZX"), **topic, "answered_at": s.at()}
    yield Step(0, "gov.traffic.question.answered.v1", s.who.ref, data)


def code(s: Scene) -> Iterator[Step]:
    asked = {
        "code": f"{s.dice.randrange(10**6):06}",
        "purpose": s.dice.choice(("登录", "绑定手机")),
    }
    data = {"request_no": s.no("c"), **asked}
    yield Step(0, "gov.account.code.requested.v1", s.who.ref, data)


# Precursor chemicals -----------------------------------------------------------------------------


def permit(s: Scene) -> Iterator[Step]:
    """A permit from receipt to issue; some are refused, some later than promised."""
    enterprise = s.dice.choice(s.people.enterprises)
    kind = {"permit_kind": s.dice.choice(("购买许可证", "运输许可证"))}
    case = {"application_no": s.no("YZD"), **kind, "by": f"{enterprise.region.city}公安局"}
    late = s.chance(0.5)
    promised = {"promised_date": s.day(0 if late else 2)}

    def step(after_ms: int, status: str, **more: str) -> Step:
        data = {**case, "status": status, **more}
        return Step(after_ms, f"gov.permit.precursor.{status}.v1", enterprise.ref, data)

    yield step(0, "received", **promised)
    yield step(s.among(3 * HOURS, 8 * HOURS), "examined")
    if s.chance(0.1):
        yield step(30 * HOURS, "refused", reason="库房安全设施未通过现场核查")
        return
    yield step(s.among(12 * HOURS, 20 * HOURS), "approved")
    issued = {"permit_no": s.no("闽G"), "valid_until": s.day(180)}
    yield step(s.among(36 * HOURS, 40 * HOURS) if late else 24 * HOURS, "issued", **issued)


def sale(s: Scene) -> Iterator[Step]:
    """A sale that must be filed in time; some are filed before the last reminder."""
    enterprise = s.dice.choice(s.people.enterprises)
    ref = {"sale_no": s.no("XS")}
    sold = {"permit_no": s.no("闽G"), "chemical": s.dice.choice(_CHEMICALS)}
    dates = {"sold_on": s.day(-20), "file_by": s.day(s.dice.choice((1, 3, 3, 7)))}
    data = {**ref, **sold, **dates}
    yield Step(0, "gov.permit.precursor.sold.v1", enterprise.ref, data)
    if s.chance(0.25):
        filed = {"filed_on": s.day(1)}
        yield Step(
            s.among(20 * HOURS, 30 * HOURS),
            "gov.permit.precursor.filed.v1",
            enterprise.ref,
            {**ref, **filed},
        )


def self_check(s: Scene) -> Iterator[Step]:
    enterprise = s.dice.choice(s.people.enterprises)
    ref = {"check_no": s.no("ZC-")}
    check = {"month": "本月", "check_by": s.day(s.dice.choice((1, 3, 7)))}
    yield Step(0, "gov.permit.precursor.self-check.opened.v1", enterprise.ref, {**ref, **check})
    if s.chance(0.2):
        done = {"done_on": s.day(1)}
        yield Step(
            s.among(20 * HOURS, 30 * HOURS),
            "gov.permit.precursor.self-check.done.v1",
            enterprise.ref,
            {**ref, **done},
        )


# Exit and entry ----------------------------------------------------------------------------------


def appointment(s: Scene) -> Iterator[Step]:
    """An appointment, now and then changed or cancelled; then the document, and a survey."""
    ref = {"appointment_no": s.no("CRJ-")}
    business = {"business": s.dice.choice(_BUSINESS)}
    office = {"office": f"{s.who.region.city}公安局出入境接待大厅"}
    when = {"starts_at": s.morning(1)}
    data = {**ref, **business, **office, **when}
    yield Step(0, "gov.exit-entry.appointment.confirmed.v1", s.who.ref, data)
    if s.chance(0.12):
        changed = {**data, "starts_at": s.morning(2)}
        yield Step(2 * HOURS, "gov.exit-entry.appointment.changed.v1", s.who.ref, changed)
    elif s.chance(0.12):
        cancelled = {**ref, **business, "reason": "大厅系统维护"}
        yield Step(2 * HOURS, "gov.exit-entry.appointment.cancelled.v1", s.who.ref, cancelled)
        return
    yield from _served(s, business, office)


def _served(s: Scene, business: dict[str, str], office: dict[str, str]) -> Iterator[Step]:
    ref = {"application_no": s.no("CRJ")}
    ready = {**ref, "document": "普通护照", **office, "collect_by": s.day(90)}
    yield Step(26 * HOURS, "gov.exit-entry.document.ready.v1", s.who.ref, ready)
    if s.chance(0.4):
        survey = {"survey_url": f"https://s.nia.gov.cn/pj/{s.number:07}"}
        done = {**ref, **business, **office, "completed_on": s.day(1), **survey}
        yield Step(28 * HOURS, "gov.exit-entry.service.completed.v1", s.who.ref, done)


# Approve first, come once; the fire service ------------------------------------------------------


def approval(s: Scene) -> Iterator[Step]:
    """A case on one timeline: received, perhaps papers missing, examined, approved."""
    by = {"by": f"{s.who.region.city}公安局"}
    case = {"case_no": s.no("ZA"), "matter": s.dice.choice(_MATTERS), **by}

    def step(after_ms: int, name: str, **more: Any) -> Step:
        return Step(after_ms, f"gov.approval.case.{name}.v1", s.who.ref, {**case, **more})

    yield step(0, "received", promised_date=s.day(7))
    if s.chance(0.3):
        papers = ["房屋租赁合同", "近期免冠照片"]
        yield step(3 * HOURS, "material-missing", materials=papers, supply_by=s.day(5))
    yield step(s.among(8 * HOURS, 12 * HOURS), "examined")
    come = {"office": f"{s.who.region.city}政务服务中心公安窗口", "bring": ["居民身份证"]}
    yield step(s.among(20 * HOURS, 28 * HOURS), "approved", **come)


def report(s: Scene) -> Iterator[Step]:
    topic = {"topic": s.dice.choice(_REPORTS), "by": f"{s.who.region.city}公安局示例派出所"}
    data = {"report_no": s.no("FY"), **topic, "answered_at": s.at()}
    yield Step(0, "gov.report.answered.v1", s.who.ref, data)


def fire_tip(s: Scene) -> Iterator[Step]:
    """To those who agreed; hardly ever to somebody who did not, which is not sent."""
    headline, tip = s.dice.choice(_TIPS)
    data = {"tip_no": s.no("XF"), "headline": headline, "tip": tip}
    willing: list[Sampled] = s.people.willing or s.people.persons
    for _ in range(5):
        who = s.who if s.chance(0.05) else s.dice.choice(willing)
        yield Step(0, "gov.fire.tip.published.v1", who.ref, data)


WEIGHTS: dict[Case, int] = {
    violation: 300,
    licence: 40,
    inspection: 40,
    licence_application: 60,
    plate_application: 50,
    driving_test: 50,
    weather: 4,
    road: 4,
    public_notice: 10,
    question: 40,
    code: 80,
    permit: 15,
    sale: 25,
    self_check: 20,
    appointment: 60,
    approval: 50,
    report: 40,
    fire_tip: 8,
}
"""How often each kind of case begins, in all of their sum. Fines lead, as they do in life."""
