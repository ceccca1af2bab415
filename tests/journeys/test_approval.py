"""Services 4 and 6: approve first, come once; and the audit of every approval step."""

from datetime import datetime, timedelta
from typing import Any

from streams.views import CaseEvent, Timeline
from tests.journeys.town import SHANGHAI, OpenTown, Town

CASE = "ZA-FJ-20261120-0042"
BY = "福州市公安局鼓楼分局"


def step(name: str, **more: Any) -> tuple[str, dict[str, Any]]:
    data = {"case_no": CASE, "matter": "居住证首次申领", "by": BY, **more}
    return f"gov.approval.case.{name}.v1", data


async def take(here: Town, name: str, **more: Any) -> None:
    kind, data = step(name, **more)
    await here.post(kind, "P1", data)


async def test_an_approval_is_one_timeline_with_its_messages(town: OpenTown) -> None:
    async with town() as here:
        await here.register("P1", name="黄美玲", phones=["17712340001"])
        await take(here, "received", promised_date="2026-11-27")
        await here.pass_(days=1)
        await take(here, "examined")
        await here.pass_(days=1)
        await take(
            here, "approved", office="鼓楼区政务服务中心公安窗口",
            bring=["居民身份证", "房屋租赁合同原件"],
        )  # fmt: skip
        await here.pass_(hours=1)
        case = here.hub.reading.case(f"case_no={CASE}", unseal=True)
        assert case is not None
        said = [
            entry.type.split(".")[-2] if isinstance(entry, CaseEvent) else entry.leg.notice
            for entry in case.entries
        ]
        assert said == [
            "received", "approval-progress", "examined", "approval-progress", "approved",
            "approved-come-once",
        ]  # fmt: skip
        events = [entry for entry in case.entries if isinstance(entry, CaseEvent)]
        assert {event.data["by"] for event in events} == {BY}
        assert events[0].data["promised_date"] == "2026-11-27"
        messages = [entry for entry in case.entries if isinstance(entry, Timeline)]
        assert [message.leg.status for message in messages] == ["delivered"] * 3
        await here.books_agree()


async def test_papers_that_are_missing_are_asked_for_and_replace_the_progress(
    town: OpenTown,
) -> None:
    night = datetime(2026, 11, 24, 22, 0, tzinfo=SHANGHAI)
    async with town(night) as here:
        await here.register("P1", name="黄美玲", phones=["17712340001"])
        await take(here, "examined")
        await here.pass_(minutes=30)
        await take(
            here, "material-missing", materials=["房屋租赁合同", "近期免冠照片"],
            supply_by="2026-12-01",
        )  # fmt: skip
        await here.pass_(hours=12)
        assert {t.notice: t.status for t in here.told("P1")} == {
            "approval-progress": "cancelled", "material-missing": "delivered",
        }  # fmt: skip
        [asked] = here.told("P1", "material-missing")
        assert "房屋租赁合同" in asked.text
        await here.books_agree()


async def test_every_row_of_an_approval_is_proved_by_the_chain(town: OpenTown) -> None:
    async with town() as here:
        await here.register("P1", name="黄美玲", phones=["17712340001"])
        await take(here, "received", promised_date="2026-11-27")
        await here.pass_(hours=1)
        assert list(here.hub.store.verify()) == []
        here.forge(2)
        [fault] = here.hub.store.verify()
        assert "2" in fault


async def test_a_report_answered_tells_the_citizen(town: OpenTown) -> None:
    async with town() as here:
        await here.register("P1", name="黄美玲", phones=["17712340001"])
        sample = here.hub.river.documents.catalog.samples["report-answered"].data
        notice = here.hub.river.documents.catalog.notices["report-answered"]
        await here.post(notice.triggers[0], "P1", dict(sample))
        await here.pass_(hours=1)
        [told] = here.told("P1")
        assert told.status == "delivered"
        assert told.intended[0] - here.now() < timedelta(hours=1)
