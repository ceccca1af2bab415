"""Service 2, precursor chemicals: permit status, promised dates, filing reminders."""

from datetime import datetime, timedelta
from typing import Any

from tests.journeys.town import SHANGHAI, TUESDAY, OpenTown, Town

ENTERPRISE: dict[str, Any] = {
    "kind": "enterprise",
    "name": "福州某某化工有限公司",
    "persons": [{"role": "filing", "ref": "P-filing"}],
}
SOLD = {
    "sale_no": "XS20261124-0032",
    "permit_no": "闽G350100200088",
    "chemical": "丙酮",
    "sold_on": "2026-11-24",
    "file_by": "2026-12-24",
}
FILED = {"sale_no": SOLD["sale_no"], "filed_on": "2026-12-18"}


def case(status: str, **more: str) -> tuple[str, dict[str, Any]]:
    data = {
        "application_no": "YZD-FJ-2026-00417", "permit_kind": "购买许可证",
        "status": status, "by": "福州市公安局", **more,
    }  # fmt: skip
    return f"gov.permit.precursor.{status}.v1", data


async def enterprise(here: Town) -> None:
    await here.register("P-filing", name="陈志强", phones=["13912340001"])
    await here.register("E1", **ENTERPRISE)


def day(month: int, of_month: int, hour: int = 9) -> datetime:
    return datetime(2026, month, of_month, hour, 0, tzinfo=SHANGHAI)


async def test_filing_is_reminded_on_four_days_until_it_is_filed(town: OpenTown) -> None:
    async with town() as here:
        await enterprise(here)
        await here.post("gov.permit.precursor.sold.v1", "E1", SOLD)
        told = here.told("P-filing")
        assert [t.occasion for t in told] == ["T-15", "T-7", "T-3", "T-1"]
        await here.until(day(12, 18, 15))
        sent = {t.occasion: t.intended[0].date() for t in here.told("P-filing") if t.intended}
        assert sent == {"T-15": day(12, 9).date(), "T-7": day(12, 17).date()}
        await here.post("gov.permit.precursor.filed.v1", "E1", FILED)
        await here.until(day(12, 30))
        assert {t.occasion: t.status for t in here.told("P-filing")} == {
            "T-15": "delivered", "T-7": "delivered", "T-3": "cancelled", "T-1": "cancelled",
        }  # fmt: skip
        await here.books_agree()


async def test_filed_before_the_sale_is_known_means_no_reminder_at_all(town: OpenTown) -> None:
    async with town() as here:
        await enterprise(here)
        await here.post("gov.permit.precursor.filed.v1", "E1", FILED)
        earlier = TUESDAY - timedelta(hours=1)
        await here.post("gov.permit.precursor.sold.v1", "E1", SOLD, at=earlier)
        await here.until(day(12, 30))
        told = here.told("P-filing")
        assert {(t.status, t.state.reason) for t in told} == {("suppressed", "case_settled")}


async def test_an_enterprise_registered_late_hands_over_to_its_contact_person(
    town: OpenTown,
) -> None:
    async with town() as here:
        await here.post("gov.permit.precursor.sold.v1", "E1", SOLD)
        assert {t.state.reason for t in here.told("E1")} == {"recipient_unknown"}
        await here.pass_(days=1)
        await enterprise(here)
        await here.until(day(12, 30))
        assert {t.status for t in here.told("E1")} == {"cancelled"}
        assert [t.status for t in here.told("P-filing")] == ["delivered"] * 4
        await here.books_agree()


async def test_reminders_go_to_whoever_files_for_the_enterprise_on_their_day(
    town: OpenTown,
) -> None:
    async with town() as here:
        await enterprise(here)
        await here.post("gov.permit.precursor.sold.v1", "E1", SOLD)
        await here.until(day(12, 10))
        await here.register("P-new", name="林晓梅", phones=["13912340002"])
        await here.register("E1", **{**ENTERPRISE, "persons": [{"role": "filing", "ref": "P-new"}]})
        await here.until(day(12, 30))
        assert {t.occasion: t.status for t in here.told("P-filing")} == {
            "T-15": "delivered", "T-7": "cancelled", "T-3": "cancelled", "T-1": "cancelled",
        }  # fmt: skip
        assert {t.state.reason for t in here.told("P-filing")[1:]} == {"handed_over"}
        assert {t.occasion: t.status for t in here.told("P-new")} == {
            "T-7": "delivered", "T-3": "delivered", "T-1": "delivered",
        }  # fmt: skip
        await here.books_agree()


async def test_a_newer_status_supersedes_the_older_that_still_waits(town: OpenTown) -> None:
    night = datetime(2026, 11, 24, 22, 0, tzinfo=SHANGHAI)
    async with town(night) as here:
        await here.register("E1", **ENTERPRISE, phones=["13912340001"])
        await here.post(case("examined")[0], "E1", case("examined")[1])
        await here.pass_(hours=1)
        await here.post(case("approved")[0], "E1", case("approved")[1])
        await here.pass_(hours=12)
        examined, approved = here.told("E1", "permit-status")
        assert (examined.status, examined.state.reason) == ("cancelled", "superseded")
        assert examined.intended == []
        assert approved.status == "delivered"


async def test_an_older_status_that_arrives_late_is_not_sent(town: OpenTown) -> None:
    async with town() as here:
        await here.register("E1", **ENTERPRISE, phones=["13912340001"])
        await here.post(case("approved")[0], "E1", case("approved")[1])
        earlier = TUESDAY - timedelta(hours=2)
        await here.post(case("examined")[0], "E1", case("examined")[1], at=earlier)
        await here.pass_(hours=1)
        assert {t.status: t.state.reason for t in here.told("E1")} == {
            "delivered": "first_reachable", "suppressed": "superseded",
        }  # fmt: skip


async def test_later_than_promised_is_said_the_day_after_and_only_then(town: OpenTown) -> None:
    received = case("received", promised_date="2026-12-04")
    async with town() as here:
        await here.register("E1", **ENTERPRISE, phones=["13912340001"])
        await here.post(*received[:1], "E1", received[1])
        await here.until(day(12, 4, 23))
        assert here.told("E1", "permit-later-than-promised")[0].status == "held"
        await here.until(day(12, 5, 11))
        [late] = here.told("E1", "permit-later-than-promised")
        assert (late.status, late.occasion) == ("delivered", "T+1")
        await here.books_agree()


async def test_a_permit_issued_in_time_says_nothing_of_being_late(town: OpenTown) -> None:
    received = case("received", promised_date="2026-12-04")
    issued = case("issued", permit_no="闽G350100200088", valid_until="2027-12-01")
    async with town() as here:
        await here.register("E1", **ENTERPRISE, phones=["13912340001"])
        await here.post(received[0], "E1", received[1])
        await here.pass_(days=3)
        await here.post(issued[0], "E1", issued[1])
        await here.until(day(12, 6))
        [late] = here.told("E1", "permit-later-than-promised")
        assert (late.status, late.intended) == ("cancelled", [])
