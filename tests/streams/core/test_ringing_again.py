"""A call that nobody answered: made again by the plan, on the same channel."""

from msgspec.structs import replace

from streams.core import events as e
from streams.core.lifecycle import Need, Status, again_ms, may_ring_again, resume
from streams.core.policy import DEFAULT
from tests.streams.core.legs import (
    AT,
    accepted,
    cancelled,
    escalated,
    intended,
    life,
    read,
    released,
    routed,
)


def missed(attempt: int = 2) -> e.Undelivered:
    return e.Undelivered(attempt=attempt, status="undelivered", code="busy", at_ms=AT, then="again")


def test_the_plan_says_when_it_is_called_again() -> None:
    state = life(routed("voice"), intended(), accepted(), missed())
    assert (state.status, state.missed) == (Status.BACKOFF, 1)
    first_ms, second_ms = DEFAULT.ring_again_ms
    assert resume(state, DEFAULT) == Need("timer", state.touched_ms + first_ms)
    again = life(
        routed("voice"), intended(), accepted(), missed(), released("voice"), intended(),
        accepted(attempt=6), missed(6),
    )  # fmt: skip
    assert (again.status, again.missed) == (Status.BACKOFF, 2)
    assert resume(again, DEFAULT) == Need("timer", again.touched_ms + second_ms)
    assert may_ring_again(again, DEFAULT)


def test_a_second_report_of_the_same_call_changes_nothing() -> None:
    failed = replace(missed(), code="failed 503", then="")
    state = life(routed("voice"), intended(), accepted(), missed(), failed)
    assert (state.status, state.missed) == (Status.BACKOFF, 1)


def test_a_stop_ends_it() -> None:
    state = life(routed("voice"), intended(), accepted(), cancelled(), missed())
    assert state.status is Status.UNDELIVERED


def test_a_key_that_was_pressed_counts_more() -> None:
    state = life(routed("voice"), intended(), accepted(), read(), missed())
    assert state.status is Status.READ


def test_another_channel_begins_anew() -> None:
    state = life(routed("voice"), intended(), accepted(), missed(), escalated())
    assert state.missed == 0


def test_a_plan_that_was_shortened_meanwhile_is_over() -> None:
    state = life(routed("voice"), intended(), accepted(), missed())
    none = replace(DEFAULT, ring_again_ms=())
    assert not may_ring_again(state, none)
    assert again_ms(state, none) == 0
