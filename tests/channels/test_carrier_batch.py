"""What the answers to its parts are for a message, and when a batch has waited long enough."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.base import (
    Accepted,
    LateAnswer,
    Message,
    NotSent,
    Outcome,
    Permanent,
    Throttled,
    Transient,
    Unknown,
)
from channels.carrier_batch import Batch, whole

A, B = Accepted("a"), Accepted("b")
RATE, LATER, AWAY = Throttled("0x58"), Transient("0x08"), NotSent("closed")
NOBODY, CONFIGURED = Permanent("0x0b", "recipient"), Permanent("0x01", "account")
LOST = Unknown("link lost")


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([A, B], Accepted("a b")),
        ([RATE, RATE], RATE),
        ([AWAY, AWAY], AWAY),
        ([RATE, AWAY], RATE),
        ([LATER, AWAY], LATER),
        ([CONFIGURED, AWAY], CONFIGURED),
        ([A, NOBODY], NOBODY),
        ([LOST, NOBODY], NOBODY),
        ([A, CONFIGURED], Unknown("1 of 2 parts taken; then 0x01")),
        ([A, LATER], Unknown("1 of 2 parts taken; then 0x08")),
        ([A, AWAY], Unknown("1 of 2 parts taken; then closed")),
        ([A, LOST], Unknown("1 of 2 parts taken; then link lost")),
        ([LOST, AWAY], Unknown("0 of 2 parts taken; then link lost")),
    ],
)
def test_what_its_parts_say_of_a_message(parts: list[Outcome], expected: Outcome) -> None:
    assert whole(parts) == expected


@given(st.lists(st.sampled_from([A, RATE, LATER, AWAY, NOBODY, CONFIGURED, LOST]), min_size=2))
def test_what_may_be_taken_is_never_called_safe_to_send_again(parts: list[Outcome]) -> None:
    outcome = whole(parts)
    if any(isinstance(part, Accepted | Unknown) for part in parts):
        assert not isinstance(outcome, NotSent | Throttled | Transient)
    if isinstance(outcome, Accepted):
        assert set(parts) == {A}


def batch(*parts: int) -> tuple[Batch, list[LateAnswer]]:
    late: list[LateAnswer] = []
    messages = [Message(f"{n}:1", "+8613800138000", "x", 0) for n in range(len(parts))]
    return Batch("sms", messages, [[b""] * n for n in parts], late.append, [].append), late


def test_a_part_refused_for_rate_goes_again_when_another_was_taken() -> None:
    one, _ = batch(2)
    assert not one.answer(0, 0, RATE)
    assert one.answer(0, 1, B) == [0]
    assert not one.answer(0, 0, A)
    assert one.close() == [Accepted("a b")]


def test_no_part_goes_again_when_none_was_taken() -> None:
    one, _ = batch(2)
    assert [*one.answer(0, 0, RATE), *one.answer(0, 1, RATE)] == []
    assert one.close() == [RATE]


def test_a_part_that_goes_again_is_of_a_message_that_was_begun() -> None:
    one, _ = batch(2, 2)
    one.answer(0, 0, RATE)
    one.answer(0, 1, B)
    assert one.begun(0)
    assert not one.begun(1)


def test_it_has_waited_long_enough_when_all_is_written_and_nearly_all_answered() -> None:
    one, _ = batch(*[1] * 100)
    for n in range(95):
        one.answer(n, 0, A)
    one.look()
    assert not one.nearly.is_set()
    one.unwritten = 0
    one.look()
    assert one.nearly.is_set()
    assert not one.complete.is_set()


def test_what_is_answered_after_its_end_is_late() -> None:
    one, late = batch(1, 2)
    one.answer(1, 0, A)
    assert one.close() == [None, None]
    one.answer(0, 0, NOBODY)
    one.answer(1, 1, B)
    assert late == [LateAnswer("sms", "0:1", NOBODY), LateAnswer("sms", "1:1", Accepted("a b"))]
