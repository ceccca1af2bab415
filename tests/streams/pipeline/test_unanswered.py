"""A carrier that swallows everything and says nothing is found out by what does not come."""

from streams.pipeline.unanswered import LISTENS_MS, OVERDUE_MS, UNANSWERED_MAX, Unanswered
from tests.contracts.clocks import JumpingClock

LANE, OTHER = "sms-a", "sms-b"


def test_silence_counts_once_it_has_lasted() -> None:
    unanswered = Unanswered()
    unanswered.wait(LANE, ["1:1", "2:1"], 0)
    unanswered.wait(LANE, ["3:1"], 1_000)
    assert unanswered.overdue(LANE, OVERDUE_MS - 1) == 0
    assert unanswered.overdue(LANE, OVERDUE_MS) == 2
    assert unanswered.overdue(LANE, OVERDUE_MS + 1_000) == 1


def test_it_counts_once() -> None:
    unanswered = Unanswered()
    unanswered.wait(LANE, ["1:1"], 0)
    assert unanswered.overdue(LANE, OVERDUE_MS) == 1
    assert unanswered.overdue(LANE, 2 * OVERDUE_MS) == 0


def test_a_late_answer_is_no_silence() -> None:
    unanswered = Unanswered()
    unanswered.wait(LANE, ["1:1", "2:1"], 0)
    unanswered.answered(LANE, "1:1")
    unanswered.answered(LANE, "never called:1")
    assert unanswered.overdue(LANE, OVERDUE_MS) == 1


def test_who_is_busy_with_what_came_hears_no_silence() -> None:
    clock = JumpingClock()
    begun_ms = clock.now_ms()
    unanswered = Unanswered()
    unanswered.wait(LANE, ["1:1"], begun_ms)
    with unanswered.busy(clock):
        assert unanswered.overdue(LANE, begun_ms + 2 * OVERDUE_MS) == 0
    soon_ms = clock.now_ms() + LISTENS_MS
    assert unanswered.overdue(LANE, soon_ms - 1) == 0, "what came meanwhile is not taken up yet"
    assert unanswered.overdue(LANE, begun_ms + 2 * OVERDUE_MS) == 1


def test_a_dead_carrier_costs_so_many_calls_and_no_more() -> None:
    unanswered = Unanswered()
    unanswered.wait(LANE, [f"{n}:1" for n in range(UNANSWERED_MAX - 1)], 0)
    assert unanswered.room(LANE) == 1
    unanswered.wait(LANE, [f"more {n}:1" for n in range(10)], 0)
    assert unanswered.room(LANE) == 0
    assert unanswered.room(OTHER) == UNANSWERED_MAX


def test_an_answer_or_its_time_makes_room_again() -> None:
    unanswered = Unanswered()
    unanswered.wait(LANE, [f"{n}:1" for n in range(UNANSWERED_MAX)], 0)
    unanswered.answered(LANE, "7:1")
    assert unanswered.room(LANE) == 1
    unanswered.overdue(LANE, OVERDUE_MS)
    assert unanswered.room(LANE) == UNANSWERED_MAX


def test_lanes_are_waited_for_apart() -> None:
    unanswered = Unanswered()
    unanswered.wait(LANE, ["1:1"], 0)
    assert unanswered.overdue(OTHER, 10 * OVERDUE_MS) == 0
    assert unanswered.overdue(LANE, OVERDUE_MS) == 1
