"""A notice is taken out of the catalog while legs of it are open: each comes to an end of its own,
and what stands beside them goes on."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import pytest

from channels.base import Accepted, Message, Outcome, Permanent, Receipt, Transient, Unknown
from channels.lanes import Lane, Lanes
from preferences.changes import SetQuietHours
from streams.core.policy import DAY_MS, HOUR_MS, MINUTE_MS
from streams.explanations import explain_stream, text
from streams.pipeline.answers import Answer, record_answers
from streams.pipeline.deciding import BEHIND_MS
from streams.pipeline.shifting import stop_wording
from streams.policies import published
from templates.catalog_files import Catalog, build_catalog, read_catalog
from tests.journeys.town import TUESDAY, town
from tests.streams.small_hub import MORNING, NO_FAULTS, Direct, SmallHub, small_hub

FINE, PAID = "violation-recorded", "violation-paid"
NIGHT = MORNING + 12 * HOUR_MS + HOUR_MS // 2
LANES = Lanes(
    [
        Lane("sms", "sms", "sandbox", 10),
        Lane("email", "email", "sandbox", 100),
        Lane("inbox", "inbox", "inbox", 500),
    ]
)
STOP = "gov.traffic.violation.paid.v1"


def without(catalog: Catalog, notice: str) -> Catalog:
    """The catalog once a notice's folder was deleted."""
    files = {name: texts for name, texts in catalog.files.items() if name != notice}
    return build_catalog(files, catalog.senders)


class Carrier(Direct):
    """Answers as it is told to."""

    def __init__(self, clock: Any) -> None:
        super().__init__(clock, NO_FAULTS)
        self.answer: Outcome | None = None
        self.meanwhile: Callable[[], None] = lambda: None
        self.texts: list[str] = []

    async def send(
        self, lane: str, messages: Sequence[Message], close_ms: int
    ) -> list[Outcome | None]:
        self.texts += [message.text for message in messages]
        self.meanwhile()
        if self.answer is None:
            return await super().send(lane, messages, close_ms)
        return [self.answer for _ in messages]


class Town:
    """A hub, its carrier, and P1 with a fine of their own."""

    def __init__(self, here: SmallHub, carrier: Carrier) -> None:
        self.here = here
        self.carrier = carrier
        self.river = here.hub.river

    async def fine(self, ref: str = "P1", number: int = 1, **contacts: Any) -> None:
        phones = [f"1380000{number:04d}"]
        await self.here.register(ref, **{"phones": phones, "emails": []} | contacts)
        await self.here.violation(ref, f"35010000{number:08d}")
        await self.here.pass_time(2_000)

    async def pay(self, ref: str, number: int = 1) -> None:
        data = {
            "violation_no": f"35010000{number:08d}", "plate": "闽A12345", "amount": 20000,
            "paid_at": "2026-11-24T22:40:00+08:00", "receipt_no": "350100261124000001",
        }  # fmt: skip
        await self.here.tell(STOP, ref, data)
        await self.here.pass_time(2_000)

    def remove(self, notice: str = FINE) -> None:
        documents = self.river.documents
        kept = without(documents.catalog, notice)
        wordings = {name: documents.wordings[name] for name in kept.notices}
        self.river.documents = documents._replace(catalog=kept, wordings=wordings)

    def leg(self, ref: str = "P1", notice: str = FINE) -> tuple[str, str]:
        """How the leg stands, and why."""
        [leg] = [one for one in self.here.reading.history(ref) if one.notice == notice]
        return leg.status, leg.reason

    async def choose_no_quiet(self) -> None:
        choice = SetQuietHours(180, 180)
        await self.here.commands.change_preferences("P1", choice, "citizen")
        await self.here.pass_time(2_000)

    async def report(self, status: Literal["delivered", "undelivered"], code: str) -> None:
        """The carrier reports on P1's one attempt."""
        stream = bytes.fromhex(self.here.stream_of("P1"))
        receipt = Receipt("sms", "ref-1", status, code, self.here.hub.clock.now_ms())
        await record_answers(self.river, [Answer(stream, 2, receipt, "sms")])
        await self.here.pass_time(2_000)


@asynccontextmanager
async def open_town(folder: Path, start_ms: int) -> AsyncIterator[Town]:
    made: list[Carrier] = []

    def carrier(clock: Any) -> Carrier:
        made.append(Carrier(clock))
        return made[0]

    async with small_hub(folder, start_ms, lanes=LANES, carrier=carrier, look_ms=DAY_MS) as here:
        yield Town(here, made[0])


@pytest.fixture
async def day(tmp_path: Path) -> AsyncIterator[Town]:
    async with open_town(tmp_path, MORNING) as town:
        yield town


@pytest.fixture
async def night(tmp_path: Path) -> AsyncIterator[Town]:
    async with open_town(tmp_path, NIGHT) as town:
        yield town


class TestNothingWasHandedOver:
    async def test_what_was_held_is_cancelled_when_it_is_due_and_the_others_go_out(
        self, night: Town
    ) -> None:
        await night.fine("P1")
        await night.fine("P2", 2)
        await night.pay("P2", 2)
        assert night.leg("P1") == ("held", "quiet_hours")
        assert night.leg("P2", PAID)[0] == "held"
        night.remove()
        await night.here.pass_time(12 * HOUR_MS)
        assert night.leg("P1") == ("cancelled", "notice_removed")
        assert night.leg("P2", PAID)[0] == "delivered"
        assert len(night.carrier.texts) == 1

    async def test_a_choice_has_it_decided_again_at_once(self, night: Town) -> None:
        await night.fine()
        night.remove()
        await night.here.pass_time(BEHIND_MS)
        await night.choose_no_quiet()
        assert night.leg() == ("cancelled", "notice_removed")

    async def test_whatever_settles_its_case_ends_it(self, night: Town) -> None:
        await night.fine()
        await night.fine("P2", 2)
        night.remove()
        await night.here.pass_time(BEHIND_MS)
        await night.pay("P1")
        assert night.leg() == ("cancelled", "notice_removed")
        assert night.leg("P2")[0] == "held", "another case"

    async def test_what_waits_for_its_lane_goes_out_as_it_was_decided(self, day: Town) -> None:
        day.carrier.meanwhile = day.remove
        for number, ref in enumerate(("P1", "P2", "P3"), 1):
            await day.here.register(ref, phones=[f"1380000{number:04d}"], emails=[])
            await day.here.violation(ref, f"35010000{number:08d}")
        await day.here.pass_time(MINUTE_MS)
        assert {day.leg(ref)[0] for ref in ("P1", "P2", "P3")} == {"delivered"}

    async def test_it_says_so_to_whoever_asks(self, night: Town) -> None:
        await night.fine()
        night.remove()
        await night.here.pass_time(12 * HOUR_MS)
        store = night.here.hub.store
        stream = bytes.fromhex(night.here.stream_of("P1"))
        told = explain_stream(store, stream, published(store, night.river.index), "en")
        assert told is not None
        assert "Its notice was removed from the catalog" in text(told, "en")


class TestAProcessThatIsBehind:
    """A notice that one process does not know may be new to it."""

    async def test_holds_what_others_have_opened_until_it_knows_too(self, night: Town) -> None:
        await night.fine()
        ahead = night.river.documents
        night.remove()
        await night.choose_no_quiet()
        assert night.leg() == ("held", "notice_removed")
        night.river.documents = ahead
        await night.here.pass_time(BEHIND_MS)
        assert night.leg()[0] == "delivered"

    async def test_lets_no_stop_end_what_it_does_not_know(self, night: Town) -> None:
        await night.fine()
        night.remove()
        await night.pay("P1")
        assert night.leg() == ("held", "quiet_hours")

    async def test_goes_on_to_the_next_channel_when_it_knows(self, day: Town) -> None:
        ahead = day.river.documents
        day.carrier.answer = Permanent("unreachable", "recipient")
        day.carrier.meanwhile = day.remove
        await day.fine(emails=["wang@example.cn"])
        assert day.leg() == ("held", "notice_removed")
        day.carrier.answer, day.carrier.meanwhile = None, lambda: None
        day.river.documents = ahead
        await day.here.pass_time(HOUR_MS)
        [leg] = day.here.reading.history("P1")
        assert (leg.channel, leg.status) == ("email", "delivered")


class TestAfterARefusal:
    async def test_what_was_to_be_tried_again_has_failed(self, day: Town) -> None:
        day.carrier.answer = Transient("busy")
        await day.fine()
        assert day.leg()[0] == "backoff"
        day.remove()
        await day.here.pass_time(HOUR_MS)
        assert day.leg() == ("failed", "notice_removed")
        assert len(day.carrier.texts) == 1

    async def test_a_refusal_for_good_leads_to_no_other_channel(self, day: Town) -> None:
        day.carrier.answer = Permanent("unreachable", "recipient")
        day.carrier.meanwhile = day.remove
        await day.fine(emails=["wang@example.cn"])
        await day.here.pass_time(BEHIND_MS)
        assert day.leg() == ("failed", "notice_removed")
        assert len(day.carrier.texts) == 1

    async def test_a_bad_report_leads_to_no_other_channel(self, day: Town) -> None:
        day.carrier.answer = Accepted("ref-1")
        await day.fine(emails=["wang@example.cn"])
        assert day.leg()[0] == "accepted"
        day.remove()
        await day.report("undelivered", "UNDELIV")
        await day.here.pass_time(BEHIND_MS)
        assert day.leg() == ("undelivered", "notice_removed")
        assert len(day.carrier.texts) == 1


class TestSomebodyMayHaveIt:
    async def test_an_unknown_that_would_have_been_repeated_stays_unconfirmed(
        self, day: Town
    ) -> None:
        day.carrier.answer = Unknown("no answer")
        await day.fine(phones=[], emails=["wang@example.cn"])
        assert day.leg()[0] == "unknown"
        day.remove()
        await day.here.pass_time(DAY_MS)
        assert day.leg() == ("unconfirmed", "notice_removed")
        assert len(day.carrier.texts) == 1
        stream = bytes.fromhex(day.here.stream_of("P1"))
        last = day.here.hub.store.read([stream])[stream][-1]
        assert last.type.startswith("Unconfirmed"), "nobody may say that it did not reach"

    async def test_what_was_accepted_waits_for_its_receipt(self, day: Town) -> None:
        day.carrier.answer = Accepted("ref-1")
        await day.fine()
        day.remove()
        await day.here.pass_time(HOUR_MS)
        assert day.leg()[0] == "accepted"
        await day.report("delivered", "DELIVRD")
        assert day.leg()[0] == "delivered"

    async def test_a_silence_is_closed_and_not_gone_on_from(self, day: Town) -> None:
        day.carrier.answer = Accepted("ref-1")
        await day.fine(emails=["wang@example.cn"])
        day.remove()
        await day.here.pass_time(4 * DAY_MS)
        assert day.leg()[0] == "no_receipt"
        assert len(day.carrier.texts) == 1


async def test_a_hub_that_starts_without_the_notice_goes_on(tmp_path: Path) -> None:
    late = TUESDAY.replace(hour=22, minute=30)
    data = {
        "violation_no": "3501020019876543", "plate": "闽A12345", "place": "五四路", "fine": 20000,
        "occurred_at": "2026-11-20T08:30:00+08:00", "offence": "违反禁止标线指示", "points": 1,
    }  # fmt: skip
    async with town(tmp_path, late) as here:
        await here.register("P1", phones=["13312340001"])
        await here.post("gov.traffic.violation.recorded.v1", "P1", data)
        assert [told.status for told in here.told("P1")] == ["held"]
    left = without(read_catalog(), FINE)
    async with town(tmp_path, late + timedelta(hours=12), catalog=left) as here:
        await here.pass_(hours=1)
        [told] = here.told("P1")
        assert (told.status, told.state.cancelled) == ("cancelled", "notice_removed")
        await here.books_agree()


async def test_a_lane_that_refuses_the_words_of_a_removed_notice_goes_on(tmp_path: Path) -> None:
    async with open_town(tmp_path, MORNING) as town:
        town.remove()
        before = town.river.journal.head
        await stop_wording(town.river, "sms", FINE, "content")
        assert town.river.journal.head == before
