"""Service 1, the traffic-safety platform: fines, due dates, warnings, and whoever receives them."""

from collections import Counter
from datetime import datetime, timedelta

from channels.sandbox_model import Faults
from preferences.changes import SwitchCategory
from tests.journeys.town import SHANGHAI, TUESDAY, OpenTown

FINE = {
    "violation_no": "3501020019876543",
    "plate": "闽A12345",
    "occurred_at": "2026-11-24T09:30:00+08:00",
    "place": "五四路与湖东路交叉口",
    "offence": "机动车违反禁止标线指示",
    "fine": 20000,
    "points": 1,
}
PAID = {
    "violation_no": FINE["violation_no"],
    "plate": FINE["plate"],
    "amount": 20000,
    "paid_at": "2026-11-24T12:00:00+08:00",
    "receipt_no": "350100261124000001",
}
PHONE = "13812340001"

NEVER_HEARD_OF = Faults(answer_lost=1.0, receipt_lost=1.0, grid_ms=1000)
"""A carrier that takes every message and never says so."""


async def test_a_fine_becomes_a_signed_text_message_and_its_receipt_is_on_the_books(
    town: OpenTown,
) -> None:
    async with town() as here:
        await here.register("P1", phones=[PHONE])
        await here.post("gov.traffic.violation.recorded.v1", "P1", FINE)
        await here.pass_(minutes=1)
        [told] = here.told("P1")
        assert (told.status, told.channels) == ("delivered", ["sms"])
        assert told.route.carrier == "cmcc"
        assert told.text.startswith("【交管12123】您的车辆闽A12345")
        assert "罚款200.00元" in told.text
        await here.books_agree()


async def test_an_english_reader_is_told_in_english(town: OpenTown) -> None:
    async with town() as here:
        await here.register("P1", phones=[PHONE], language="en", name="John Smith")
        await here.post("gov.traffic.violation.recorded.v1", "P1", FINE)
        await here.pass_(minutes=1)
        [told] = here.told("P1")
        assert "Fine CNY 200.00" in told.text


async def test_a_fine_at_night_waits_for_the_morning_and_the_release_is_spread(
    town: OpenTown,
) -> None:
    night = datetime(2026, 11, 24, 23, 30, tzinfo=SHANGHAI)
    async with town(night) as here:
        for i in range(30):
            await here.register(f"P{i}", phones=[f"138123400{i:02d}"])
            fine = FINE | {"violation_no": f"{i:016d}"}
            await here.post("gov.traffic.violation.recorded.v1", f"P{i}", fine)
        [held] = here.told("P0")
        assert (held.status, held.state.reason) == ("held", "quiet_hours")
        await here.until(datetime(2026, 11, 25, 9, 0, tzinfo=SHANGHAI))
        sent = [here.told(f"P{i}")[0].intended[0] for i in range(30)]
        morning = datetime(2026, 11, 25, 8, 0, tzinfo=SHANGHAI)
        assert all(morning <= at <= morning + timedelta(minutes=16) for at in sent)
        assert len({at.replace(second=0, microsecond=0) for at in sent}) > 5
        await here.books_agree()


async def test_a_fine_paid_while_it_waits_is_never_sent(town: OpenTown) -> None:
    night = datetime(2026, 11, 24, 23, 30, tzinfo=SHANGHAI)
    async with town(night) as here:
        await here.register("P1", phones=[PHONE])
        await here.post("gov.traffic.violation.recorded.v1", "P1", FINE)
        await here.pass_(minutes=10)
        await here.post("gov.traffic.violation.paid.v1", "P1", PAID)
        await here.pass_(hours=12)
        [told] = here.told("P1", "violation-recorded")
        assert (told.status, told.state.reason, told.intended) == ("cancelled", "case_settled", [])
        assert here.told("P1", "violation-paid")[0].status == "delivered"
        await here.books_agree()


async def test_a_payment_that_arrives_before_its_fine_suppresses_it(town: OpenTown) -> None:
    async with town() as here:
        await here.register("P1", phones=[PHONE])
        await here.post("gov.traffic.violation.paid.v1", "P1", PAID)
        earlier = TUESDAY - timedelta(minutes=5)
        await here.post("gov.traffic.violation.recorded.v1", "P1", FINE, at=earlier)
        await here.pass_(hours=1)
        [told] = here.told("P1", "violation-recorded")
        assert (told.status, told.state.reason) == ("suppressed", "case_settled")


async def test_an_unread_inbox_message_escalates_to_a_text_message(town: OpenTown) -> None:
    async with town() as here:
        await here.register("P1", phones=[PHONE])
        failed = {
            "violation_no": FINE["violation_no"], "plate": "闽A12345", "amount": 20000,
            "failed_at": "2026-11-24T09:40:02+08:00", "reason": "银行卡余额不足",
        }  # fmt: skip
        await here.post("gov.traffic.payment.failed.v1", "P1", failed)
        await here.pass_(hours=2)
        [told] = here.told("P1")
        assert (told.status, told.channels) == ("delivered", ["inbox"])
        await here.pass_(hours=24)
        [told] = here.told("P1")
        assert (told.status, told.channels) == ("delivered", ["inbox", "sms"])
        await here.books_agree()


async def test_a_message_read_in_the_inbox_does_not_escalate(town: OpenTown) -> None:
    async with town() as here:
        await here.register("P1", phones=[PHONE])
        failed = {
            "violation_no": FINE["violation_no"], "plate": "闽A12345", "amount": 20000,
            "failed_at": "2026-11-24T09:40:02+08:00", "reason": "银行卡余额不足",
        }  # fmt: skip
        await here.post("gov.traffic.payment.failed.v1", "P1", failed)
        await here.pass_(hours=2)
        [item] = here.hub.inbox.list("P1", 10)
        assert await here.commands.mark_read("P1", item.stream)
        await here.pass_(hours=26)
        [told] = here.told("P1")
        assert (told.status, told.channels) == ("read", ["inbox"])


async def test_a_ported_number_goes_by_its_own_network_and_the_hub_remembers(
    town: OpenTown,
) -> None:
    ported = "13899990005"
    async with town() as here:
        await here.register("P1", phones=[ported])
        await here.post("gov.traffic.violation.recorded.v1", "P1", FINE)
        await here.pass_(minutes=5)
        [first] = here.told("P1")
        assert first.status == "delivered"
        assert first.route.lane == "sms-any"
        assert len(first.intended) == 2
        second = FINE | {"violation_no": "3501020019876544"}
        await here.post("gov.traffic.violation.recorded.v1", "P1", second)
        await here.pass_(minutes=5)
        later = here.told("P1")[1]
        assert later.status == "delivered"
        assert len(later.intended) == 1, "what was learned is used"
        assert later.route.carrier != "cmcc"
        await here.books_agree()


async def test_a_landline_gets_no_text_message_but_a_call(town: OpenTown) -> None:
    async with town() as here:
        await here.register("P1", phones=["059187654321"])
        await here.post("gov.traffic.violation.recorded.v1", "P1", FINE)
        await here.pass_(minutes=5)
        [told] = here.told("P1")
        assert (told.status, told.channels) == ("delivered", ["voice"])


async def test_whoever_is_unknown_is_told_when_they_appear(town: OpenTown) -> None:
    async with town() as here:
        await here.post("gov.traffic.violation.recorded.v1", "P9", FINE)
        await here.pass_(hours=2)
        [told] = here.told("P9")
        assert (told.status, told.state.reason) == ("held", "recipient_unknown")
        await here.register("P9", phones=[PHONE])
        await here.pass_(minutes=5)
        [told] = here.told("P9")
        assert told.status == "delivered"
        await here.books_agree()


async def test_whoever_never_appears_is_not_told_and_the_reason_stands(town: OpenTown) -> None:
    async with town() as here:
        await here.post("gov.traffic.violation.recorded.v1", "P9", FINE)
        await here.pass_(hours=80)
        [told] = here.told("P9")
        assert told.status == "expired"


async def test_an_inline_recipient_is_registered_in_passing(town: OpenTown) -> None:
    async with town() as here:
        who = {"ref": "P1", "kind": "person", "name": "王丽", "phones": [PHONE]}
        await here.post("gov.traffic.violation.recorded.v1", "P1", FINE | {"recipient": who})
        await here.pass_(minutes=1)
        [told] = here.told("P1")
        assert told.status == "delivered"


async def test_a_road_warning_goes_out_on_all_channels_at_once_even_at_night(
    town: OpenTown,
) -> None:
    night = datetime(2026, 11, 24, 2, 0, tzinfo=SHANGHAI)
    warning = {
        "warning_no": "G15-20261124-2", "road": "G15沈海高速",
        "section": "福州往厦门方向莆田段", "hazard": "突发团雾",
        "advice": "请降低车速、打开雾灯、保持车距，就近驶入服务区",
    }  # fmt: skip
    async with town(night) as here:
        await here.register("P1", phones=[PHONE], push=["token-1"])
        await here.post("gov.traffic.road.warned.v1", "P1", warning)
        await here.pass_(minutes=2)
        told = here.told("P1")
        assert {t.leg: t.status for t in told} == {
            "sms": "delivered", "voice": "delivered", "push": "delivered", "inbox": "delivered",
        }  # fmt: skip
        await here.books_agree()


async def test_an_emergency_with_a_lost_answer_is_sent_again_on_another_lane(
    town: OpenTown,
) -> None:
    warning = {
        "warning_no": "G15-20261124-2", "road": "G15沈海高速",
        "section": "福州往厦门方向莆田段", "hazard": "突发团雾", "advice": "请降低车速",
    }  # fmt: skip
    async with town(faults=NEVER_HEARD_OF) as here:
        await here.register("P1", phones=[PHONE])
        await here.post("gov.traffic.road.warned.v1", "P1", warning)
        await here.pass_(minutes=20)
        [sms] = [t for t in here.told("P1") if t.leg == "sms"]
        assert 2 <= len(sms.intended) <= 3
        assert sms.status in ("unconfirmed", "accepted", "no_receipt")


async def test_a_fine_with_a_lost_answer_is_never_sent_again(town: OpenTown) -> None:
    async with town(faults=NEVER_HEARD_OF) as here:
        await here.register("P1", phones=[PHONE])
        await here.post("gov.traffic.violation.recorded.v1", "P1", FINE)
        await here.pass_(hours=12)
        [told] = here.told("P1")
        assert told.status == "unconfirmed"
        assert len(told.intended) == 1


async def test_who_switched_off_a_category_is_not_told_and_the_reason_says_so(
    town: OpenTown,
) -> None:
    tip = {
        "vehicle_ref": "CL-35A-118234", "plate": "闽AD12345", "inspect_by": "2026-11-25",
    }  # fmt: skip
    async with town() as here:
        await here.register("P1", phones=[PHONE])
        await here.choose("P1", SwitchCategory("vehicle", "*", on=False))
        await here.post("gov.traffic.vehicle.inspection-due.v1", "P1", tip)
        await here.pass_(hours=1)
        assert Counter(t.state.reason for t in here.told("P1")) == {"opted_out": 1}
        await here.post("gov.traffic.violation.recorded.v1", "P1", FINE)
        await here.pass_(minutes=5)
        assert here.told("P1", "violation-recorded")[0].status == "delivered"


async def test_opting_out_stops_a_reminder_that_waits(town: OpenTown) -> None:
    due = {"vehicle_ref": "CL-35A-118234", "plate": "闽AD12345", "inspect_by": "2026-12-10"}
    async with town() as here:
        await here.register("P1", phones=[PHONE])
        await here.post("gov.traffic.vehicle.inspection-due.v1", "P1", due)
        assert {t.status for t in here.told("P1")} == {"held"}
        await here.choose("P1", SwitchCategory("vehicle", "*", on=False))
        await here.pass_(days=20)
        told = here.told("P1")
        assert {t.status for t in told} == {"suppressed"}
        assert all(not t.intended for t in told)
        await here.books_agree()


async def test_a_silence_is_answered_by_the_channel_the_notice_names(town: OpenTown) -> None:
    async with town(faults=Faults(receipt_lost=1.0, grid_ms=1000)) as here:
        await here.register("P1", phones=[PHONE], emails=["wang@example.cn"])
        await here.post("gov.traffic.violation.recorded.v1", "P1", FINE)
        await here.pass_(hours=26)
        [told] = here.told("P1")
        assert told.channels == ["sms", "email"]
        assert "如已收到" in told.text
        await here.books_agree()


async def test_the_same_words_under_another_event_id_are_not_told_twice(town: OpenTown) -> None:
    async with town() as here:
        await here.register("P1", phones=[PHONE])
        await here.post("gov.traffic.violation.recorded.v1", "P1", FINE)
        await here.pass_(minutes=5)
        await here.post("gov.traffic.violation.recorded.v1", "P1", FINE)
        await here.pass_(minutes=5)
        first, again = here.told("P1")
        assert first.status == "delivered"
        assert (again.status, again.state.reason) == ("suppressed", "duplicate")


async def test_who_is_named_by_an_alias_is_told_once_and_as_they_chose(town: OpenTown) -> None:
    due = {"vehicle_ref": "CL-35A-118234", "plate": "闽AD12345", "inspect_by": "2026-11-25"}
    async with town() as here:
        await here.register("P1", phones=[PHONE], aliases=["driver-77"])
        await here.post("gov.traffic.violation.recorded.v1", "driver-77", FINE)
        await here.choose("P1", SwitchCategory("vehicle", "*", on=False))
        await here.post("gov.traffic.vehicle.inspection-due.v1", "driver-77", due)
        await here.pass_(minutes=5)
        assert {t.notice: t.status for t in here.told("P1")} == {
            "violation-recorded": "delivered", "vehicle-inspection-due": "suppressed",
        }  # fmt: skip


async def test_a_number_refused_for_good_is_not_called_either(town: OpenTown) -> None:
    async with town() as here:
        await here.register("P1", phones=["13899990002"], emails=["wang@example.cn"])
        await here.post("gov.traffic.violation.recorded.v1", "P1", FINE)
        await here.pass_(minutes=5)
        [told] = here.told("P1")
        assert (told.status, told.channels) == ("delivered", ["sms", "email"])


async def test_a_fine_goes_by_another_channel_than_the_one_switched_off_but_it_goes(
    town: OpenTown,
) -> None:
    async with town() as here:
        await here.register("P1", phones=[PHONE], emails=["wang@example.cn"])
        await here.choose("P1", SwitchCategory("*", "sms", on=False))
        await here.post("gov.traffic.violation.recorded.v1", "P1", FINE)
        await here.register("P2", phones=["13812340002"])
        for channel in ("sms", "voice", "inbox"):
            await here.choose("P2", SwitchCategory("*", channel, on=False))
        await here.post(
            "gov.traffic.violation.recorded.v1", "P2", FINE | {"violation_no": "3501020019876599"}
        )
        await here.pass_(minutes=5)
        assert here.told("P1")[0].channels == ["voice"]
        assert here.told("P2")[0].status == "delivered"
