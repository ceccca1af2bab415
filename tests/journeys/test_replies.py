"""A recipient answers a text message: one word stops a category, and what is queued with it."""

from typing import Any

from preferences.changes import GiveConsent
from tests.journeys.town import OpenTown, Town

PHONE = "13812340001"


def tip(number: int) -> dict[str, Any]:
    return {
        "tip_no": f"XF2026-{number}",
        "headline": "冬季用电取暖",
        "tip": "取暖器与可燃物保持一米以上距离，人离开时关闭电源",
    }


FINE = {
    "violation_no": "3501020019876543",
    "plate": "闽A12345",
    "occurred_at": "2026-11-24T09:30:00+08:00",
    "place": "五四路与湖东路交叉口",
    "offence": "机动车违反禁止标线指示",
    "fine": 20000,
    "points": 1,
}


async def with_a_tip_told_and_another_queued(here: Town) -> None:
    """One tip a day: the second waits for tomorrow."""
    await here.register("P1", phones=[PHONE])
    await here.choose("P1", GiveConsent("fire-safety", "柜台签字单 2026-0017"))
    for number in (1, 2):
        await here.post("gov.fire.tip.published.v1", "P1", tip(number))
    await here.pass_(minutes=5)
    first, second = here.told("P1", "fire-safety-tip")
    assert (first.status, second.status) == ("delivered", "held")


async def test_a_word_stops_what_is_queued_is_answered_and_stays_on_record(town: OpenTown) -> None:
    async with town() as here:
        await with_a_tip_told_and_another_queued(here)
        wrote_at = here.now()
        await here.write_back(PHONE, "ＴＤ")
        await here.pass_(minutes=1)
        second = here.told("P1", "fire-safety-tip")[1]
        assert (second.status, second.state.reason) == ("suppressed", "opted_out")
        assert second.intended == []
        [answer] = here.told("P1", "reply-answered")
        assert answer.status == "delivered"
        assert answer.text.startswith("【消防服务】已为您停发“消防安全提示”")
        assert "依法送达的通知、紧急预警和其他类别仍会发送" in answer.text
        [reply] = here.written("P1")
        assert (reply.text, reply.done, reply.categories) == ("ＴＤ", "stopped", ("fire-safety",))
        assert reply.at_ms == round(wrote_at.timestamp() * 1000)
        assert reply.correlation == "tip_no=XF2026-1"
        await here.post("gov.fire.tip.published.v1", "P1", tip(3))
        await here.pass_(days=2)
        assert here.told("P1", "fire-safety-tip")[2].state.reason == "opted_out"
        await here.books_agree()


async def test_start_gives_back_what_a_word_had_stopped(town: OpenTown) -> None:
    async with town() as here:
        await with_a_tip_told_and_another_queued(here)
        await here.write_back(PHONE, "退订")
        await here.write_back(PHONE, "start")
        await here.pass_(days=2)
        assert [reply.done for reply in here.written("P1")] == ["started", "stopped"]
        await here.post("gov.fire.tip.published.v1", "P1", tip(3))
        await here.pass_(hours=1)
        assert here.told("P1", "fire-safety-tip")[-1].status == "delivered"
        assert "已为您恢复“消防安全提示”" in here.told("P1", "reply-answered")[-1].text
        await here.books_agree()


async def test_what_is_sent_by_law_stays_and_the_answer_says_so(town: OpenTown) -> None:
    async with town() as here:
        await here.register("P1", phones=[PHONE])
        await here.post("gov.traffic.violation.recorded.v1", "P1", FINE)
        await here.pass_(minutes=1)
        await here.write_back(PHONE, "TD")
        await here.post(
            "gov.traffic.violation.recorded.v1", "P1", FINE | {"violation_no": "3501020019876544"}
        )
        await here.pass_(minutes=1)
        assert [told.status for told in here.told("P1", "violation-recorded")] == ["delivered"] * 2
        [answer] = here.told("P1", "reply-answered")
        assert "依法送达，不能退订" in answer.text
        await here.books_agree()
