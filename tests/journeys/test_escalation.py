"""A fine whose text message proves nothing goes by e-mail a day later: one channel after the other,
until there is proof, or until it is paid."""

from channels.sandbox_model import Faults
from tests.journeys.test_traffic import FINE, PAID, PHONE
from tests.journeys.town import OpenTown, Town

SILENT = Faults(receipt_lost=1.0, grid_ms=1000)
"""A carrier that takes every message and never reports."""

SLOW = Faults(receipt_ms=30 * 3_600_000, grid_ms=1000)
"""One whose report comes when the next channel has been taken already."""

WHO = {"phones": [PHONE], "emails": ["wang@example.cn"]}


async def fined(here: Town) -> None:
    await here.register("P1", **WHO)
    await here.post("gov.traffic.violation.recorded.v1", "P1", FINE)
    await here.pass_(minutes=10)


async def test_without_proof_the_next_channel_is_taken_once_its_day_has_passed(
    town: OpenTown,
) -> None:
    async with town(faults=SILENT) as here:
        await fined(here)
        await here.pass_(hours=23)
        [told] = here.told("P1")
        assert (told.status, told.channels) == ("accepted", ["sms"])
        await here.pass_(hours=2)
        [told] = here.told("P1")
        assert told.channels == ["sms", "email"]
        first, second = told.intended
        assert (second - first).total_seconds() >= 24 * 3600
        await here.pass_(hours=100)
        [told] = here.told("P1")
        assert told.channels == ["sms", "email"]  # and no other
        assert told.status in ("no_receipt", "delivered")
        await here.books_agree()


async def test_a_proof_stops_it(town: OpenTown) -> None:
    async with town() as here:
        await fined(here)
        await here.pass_(hours=50)
        [told] = here.told("P1")
        assert (told.status, told.channels) == ("delivered", ["sms"])


async def test_a_case_that_is_settled_stops_it(town: OpenTown) -> None:
    """The message was on its way and cannot be taken back; no other follows it."""
    async with town(faults=SILENT) as here:
        await fined(here)
        await here.pass_(hours=3)
        await here.post("gov.traffic.violation.paid.v1", "P1", PAID)
        await here.pass_(hours=60)
        [told] = here.told("P1", "violation-recorded")
        assert told.channels == ["sms"]
        assert len(told.intended) == 1
        assert told.state.cancelled == "case_settled"


async def test_a_proof_that_comes_late_ends_it_too(town: OpenTown) -> None:
    async with town(faults=SLOW) as here:
        await fined(here)
        await here.pass_(hours=25)
        [told] = here.told("P1")
        assert told.channels == ["sms", "email"]
        await here.pass_(hours=6)
        [told] = here.told("P1")
        assert told.status == "delivered"
        await here.pass_(hours=60)
        [told] = here.told("P1")
        assert (told.status, told.channels) == ("delivered", ["sms", "email"])
        assert len(told.intended) == 2
