"""What the simulator found, each as the smallest case that shows it."""

from collections.abc import Sequence
from types import SimpleNamespace
from unittest.mock import patch

import msgspec
import pytest

from channels.base import Accepted, Receipt
from channels.breaker import Breaker
from channels.lanes import Lanes
from channels.pacer import Pacer
from preferences.recipient import Profile, Recipient
from preferences.rules import DAY_MS
from streams.core import events as e
from streams.core.codec import encode
from streams.core.events import JournalEvent
from streams.core.identity import Index
from streams.core.lifecycle import Status, may_escalate
from streams.core.policy import DEFAULT
from streams.core.routing_facts import ChannelFacts
from streams.journal.base import Row, Timer, Unit
from streams.pipeline.answers import Answer, _unit
from streams.pipeline.caps import counts_today
from streams.pipeline.deciding import Background
from streams.pipeline.dispatch import LaneWork, _intents, _last_ms
from streams.pipeline.receive import Parked, _each_once
from streams.pipeline.river import Dispatch, Known
from streams.pipeline.stopping import cancelling, redecide_overtaken, settle_opened
from streams.pipeline.tick import tick
from tests.streams.core import legs
from tests.streams.core.samples import NOON

STREAM = b"s" * 16
RECORD = Dispatch(
    STREAM, 1, "n", "notice", "r-1", "", "sms", "sms-any", "", NOON + 9_000, 0, 1, b"sealed"
)


def test_an_escalation_that_waits_for_the_morning_does_not_take_the_same_channel_again() -> None:
    """Seed 124: a fine without receipt, to be escalated at night, went out by SMS a second time."""
    tried = ChannelFacts("sms", contact=True, tried=True)
    facts = msgspec.structs.replace(legs.held().facts, channels=(tried,))
    waiting = msgspec.structs.replace(legs.held(), failed="no_receipt", facts=facts)
    state = legs.life(legs.routed("sms"), legs.intended(), legs.accepted(), waiting)
    assert state.status is Status.HELD
    assert state.tried == {"sms"}
    assert state.held_failed == "no_receipt"


def test_a_retry_that_waits_for_the_morning_may_take_the_same_channel_again() -> None:
    state = legs.life(legs.routed("sms"), legs.intended(), legs.refused(), legs.held())
    assert state.tried == set()


@pytest.mark.parametrize("end", ["unconfirmed", "no_receipt"])
def test_a_stop_reaches_a_leg_that_may_still_escalate(end: str) -> None:
    """Seed 18: a fine that was paid was told again by mail a day later."""
    rows = [legs.routed("sms"), legs.intended()]
    rows += [legs.accepted(), legs.no_receipt()] if end == "no_receipt" else [
        legs.unknown(), legs.unconfirmed(),
    ]  # fmt: skip
    state = legs.life(*rows)
    assert state.terminal
    assert may_escalate(state)
    unit = cancelling(STREAM, state, "case_settled", "paid")
    assert unit is not None
    assert unit.rows[0].version == state.version + 1


def test_nothing_stops_a_leg_that_is_delivered() -> None:
    state = legs.life(legs.routed("sms"), legs.intended(), legs.accepted(), legs.delivered())
    assert cancelling(STREAM, state, "case_settled", "paid") is None


@pytest.mark.parametrize(
    ("window_end_ms", "last_ms"), [(0, NOON + 8_999), (NOON + 5_000, NOON + 4_999)]
)
def test_no_call_starts_after_the_window_or_the_expiry(window_end_ms: int, last_ms: int) -> None:
    """Seed 57: a worker that stood still between its look at the clock and its call."""
    record = msgspec.structs.replace(RECORD, window_end_ms=window_end_ms)
    assert _last_ms(record) == last_ms
    lane = LaneWork("sms-any", None, Pacer(1, False, 1, 0), Breaker(), False)  # type: ignore[arg-type]
    units = _intents(lane, [RECORD, record, RECORD], [NOON, last_ms, NOON])
    said_ms = [msgspec.json.decode(unit.rows[0].data)["call_before_ms"] for unit in units]
    assert said_ms == [NOON, last_ms, NOON]


def known_as(ref: str) -> Known:
    who = Recipient(Profile(ref, "person", "-"))
    return Known(key=None, recipient=who, ref=ref, preferences=who.preferences)  # type: ignore


def test_a_leg_is_not_in_its_own_way_when_it_is_released_on_the_same_day() -> None:
    """Seed 170: held by a cap of one that nobody but itself had used."""
    known = known_as("r-1")
    state = legs.life(legs.routed("sms"), legs.held())
    assert counts_today(state, known, NOON + 60_000)
    assert not counts_today(state, known, NOON + DAY_MS)
    assert not counts_today(legs.life(legs.held(opens=True)), known, NOON)


def test_a_parked_report_that_comes_twice_is_parked_once() -> None:
    """Seed 45: forty thousand copies of one report, doubled by every restart for a day."""
    report = Receipt("sms-any", "ref", "delivered", "DELIVRD", NOON)
    other = Receipt("sms-any", "ref-2", "delivered", "DELIVRD", NOON)
    early, late = Parked(report, NOON, NOON + 1, 0), Parked(report, NOON, NOON + 2, 1)
    assert _each_once([early, late, Parked(other, NOON, NOON, 0), early]) == [
        late,
        Parked(other, NOON, NOON, 0),
    ]


class OneStream:
    """As much of a journal's reader as looking again asks for."""

    def __init__(self, *events: JournalEvent) -> None:
        encoded = [encode(event) for event in events]
        self.rows = [Row(i, STREAM, i, name, NOON, data) for i, (name, data) in
                     enumerate(encoded, 1)]  # fmt: skip

    def read(self, streams: Sequence[bytes]) -> dict[bytes, list[Row]]:
        return {STREAM: self.rows} if STREAM in streams else {}


def overtaken(changed: set[str], *events: JournalEvent) -> list[Unit]:
    river = SimpleNamespace(documents=SimpleNamespace(policy=DEFAULT))
    return redecide_overtaken(river, OneStream(*events), {STREAM: "r-1"}, changed, NOON)  # type: ignore


def test_what_was_routed_on_choices_since_changed_is_held_back() -> None:
    """Seed 46: switched off between the router's look at the choices and its append."""
    [unit] = overtaken({"r-1"}, legs.routed("sms"))
    assert unit.rows[0].version == 2
    assert unit.rows[0].type.startswith("Held")
    assert unit.timers == (Timer(NOON + 1, STREAM, "redecide"),)


def test_what_waits_anyway_is_only_looked_at_again() -> None:
    [unit] = overtaken({"r-1"}, legs.held(opens=True))
    assert unit.rows == ()
    assert unit.timers == (Timer(NOON + 1, STREAM, "redecide"),)


def test_nobody_is_looked_at_whose_choices_stand() -> None:
    assert overtaken({"r-2"}, legs.routed("sms")) == []
    assert overtaken({"r-1"}, legs.routed("sms"), legs.intended()) == []


async def test_a_timer_whose_decision_lost_stays_to_be_served_again() -> None:
    """Seed 485: the same timer was asked for again while it was served, and then deleted."""
    journal = TickJournal()
    river = SimpleNamespace(journal=journal, clock=SimpleNamespace(now_ms=lambda: NOON))
    with patch("streams.pipeline.tick.look_at", return_value={STREAM}):
        assert await tick(river) == 2  # type: ignore[arg-type]
    assert journal.deleted == [Timer(NOON, b"t" * 16, "release")]


class TickJournal:
    """Two timers are due."""

    async def due(self, now_ms: int, limit: int) -> list[Timer]:
        return [Timer(NOON, STREAM, "release"), Timer(NOON, b"t" * 16, "release")]

    async def delete_timers(self, timers: Sequence[Timer]) -> None:
        self.deleted = list(timers)


def test_what_is_opened_meets_the_stops_there_are() -> None:
    """A case settled while its contact persons were taking over from their enterprise."""
    stop = e.StopRecorded(type="paid", event=b"e", event_ms=NOON, correlation="no=1")
    head = msgspec.structs.replace(legs.head(), correlation="no=1")
    routed = msgspec.structs.replace(legs.routed("sms"), head=head)
    catalog = SimpleNamespace(notices={head.notice: SimpleNamespace(stops=("paid",))})
    river = SimpleNamespace(documents=SimpleNamespace(catalog=catalog), index=Index(b"k" * 32))
    [unit] = settle_opened(river, StopAndLeg(stop, routed), {STREAM: head})  # type: ignore[arg-type]
    assert unit.rows[0].version == 2
    assert unit.rows[0].type.startswith("Cancelled")


class StopAndLeg:
    """One case: its stop, and a leg just opened."""

    def __init__(self, stop: JournalEvent, leg: JournalEvent) -> None:
        self.rows = {b"t" * 16: stop, STREAM: leg}

    def lookup(self, keys: Sequence[tuple[bytes, bytes]]) -> dict[tuple[bytes, bytes], list[bytes]]:
        return {key: [b"t" * 16] for key in keys}

    def read(self, streams: Sequence[bytes]) -> dict[bytes, list[Row]]:
        found = {}
        for stream in streams:
            name, data = encode(self.rows[stream])
            found[stream] = [Row(1, stream, 1, name, NOON, data)]
        return found


def test_an_answer_that_comes_after_its_report_decides_nothing() -> None:
    """Seed 2785 of a mutant: reported undelivered, closed, and sent once more when the late answer
    of the same attempt came."""
    rows = [legs.routed("push"), legs.intended(), legs.undelivered(), legs.failed()]
    state = legs.life(*rows)
    river = SimpleNamespace(
        documents=SimpleNamespace(policy=DEFAULT, lanes=Lanes([])), index=Index(b"k" * 32),
        clock=SimpleNamespace(now_ms=lambda: NOON),
    )  # fmt: skip
    answer = Answer(STREAM, 2, Accepted("ref"), "push-a")
    unit = _unit(river, Background({}, {}), state, answer)  # type: ignore[arg-type]
    assert [row.type.partition(".")[0] for row in unit.rows] == ["Accepted"]


def test_a_channel_is_left_also_for_whom_nobody_knows() -> None:
    unknown = msgspec.structs.replace(legs.held().facts, channels=(), known=False)
    waiting = msgspec.structs.replace(legs.held(), failed="undelivered:X", facts=unknown)
    state = legs.life(legs.routed("sms"), legs.intended(), legs.undelivered(), waiting)
    assert state.tried == {"sms"}
