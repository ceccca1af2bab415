"""The sandbox carrier, as a state machine: every fault, the same way each time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels import sandbox_model
from channels.base import Accepted, Message, NotSent, Permanent, Receipt, Throttled, Unknown
from channels.sandbox_model import FAULTS, NEVER, ROUGH, SPECIAL, Answer, Faults, Sandbox

NOW = 1_700_000_000_000
SPECIAL_OF = {fault: suffix for suffix, fault in SPECIAL.items()}


def message(n: int, to: str = "", version: int = 1) -> Message:
    return Message(f"{n:032x}:{version}", to or f"+86138{n:08d}", "限速", NOW + 60_000)


def special(fault: str, n: int = 1, version: int = 1) -> Message:
    return message(n, f"+86138{SPECIAL_OF[fault]}", version)


def receipts(sandbox: Sandbox, now_ms: int = NOW + 3_600_000) -> list[Receipt]:
    collected = sandbox.collect(now_ms)
    sandbox.acknowledge(collected.token)
    return list(collected.receipts)


def test_without_faults_all_is_taken_answered_and_delivered() -> None:
    sandbox = Sandbox(1)
    answers = sandbox.submit("sms-cmcc", [message(n) for n in range(100)], NOW)
    assert all(isinstance(answer.outcome, Accepted) for answer in answers)
    assert {answer.due_ms for answer in answers} == {NOW + 20}
    assert [entry.outcome for entry in sandbox.drain()] == ["taken"] * 100
    assert sandbox.drain() == []
    assert sandbox.collect(NOW).next_ms == NOW + 1_000
    assert {receipt.status for receipt in receipts(sandbox)} == {"delivered"}
    assert not sandbox.hits


def test_receipts_name_their_answers_reference() -> None:
    sandbox = Sandbox(1)
    (answer,) = sandbox.submit("sms-cmcc", [message(1)], NOW)
    (receipt,) = receipts(sandbox)
    assert answer.outcome == Accepted(receipt.ref)
    assert (receipt.attempt, receipt.lane) == (message(1).attempt, "sms-cmcc")


@given(st.lists(st.integers(0, 10_000), unique=True, min_size=1, max_size=60))
def test_fate_depends_on_the_attempt_and_not_on_the_batch(numbers: list[int]) -> None:
    faults = Faults(**{fault: 0.05 for fault in FAULTS if fault != "reset"})
    one, many = Sandbox(7, faults), Sandbox(7, faults)

    def kinds(answers: list[Answer]) -> list[tuple[type, int]]:
        return [(type(answer.outcome), answer.due_ms) for answer in answers]

    together = one.submit("sms-cmcc", [message(n) for n in numbers], NOW)
    alone = [many.submit("sms-cmcc", [message(n)], NOW)[0] for n in reversed(numbers)]
    assert kinds(together) == kinds(alone[::-1])
    assert one.hits == many.hits


def test_every_fault_strikes_as_often_as_it_was_told_to() -> None:
    sandbox = Sandbox(3, ROUGH)
    for batch in range(100):
        sandbox.submit("sms-cmcc", [message(batch * 100 + n) for n in range(100)], NOW)
    assert set(sandbox.hits) == set(FAULTS)
    assert 150 <= sandbox.hits["transient"] <= 250


def test_another_seed_is_another_day() -> None:
    def outcomes(seed: int) -> list[object]:
        messages = [message(n) for n in range(200)]
        return [type(a.outcome) for a in Sandbox(seed, ROUGH).submit("sms-cmcc", messages, NOW)]

    assert outcomes(1) == outcomes(1) != outcomes(2)


def test_a_message_submitted_twice_is_taken_twice() -> None:
    sandbox = Sandbox(1)
    first, second = sandbox.submit("sms-cmcc", [message(1), message(1)], NOW)
    assert first != second
    assert [entry.attempt for entry in sandbox.drain()] == [message(1).attempt] * 2
    assert len(receipts(sandbox)) == 2


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        ("not_sent", NotSent("connection refused")),
        ("throttled", Throttled("8", 200)),
        ("bad_recipient", Permanent("13", "recipient")),
        ("bad_content", Permanent("MI:0020", "content")),
        ("bad_account", Permanent("11", "account")),
        ("ported", Permanent("9", "lane")),
    ],
)
def test_what_is_refused_is_not_taken(fault: str, outcome: object) -> None:
    sandbox = Sandbox(1)
    (answer,) = sandbox.submit("sms-cmcc", [special(fault)], NOW)
    assert answer.outcome == outcome
    assert [entry.outcome for entry in sandbox.drain()] in (["refused"], [])
    assert receipts(sandbox) == []
    assert sandbox.hits == {fault: 1}


def test_what_was_never_sent_is_not_in_the_ledger_at_all() -> None:
    sandbox = Sandbox(1)
    sandbox.submit("sms-cmcc", [special("not_sent")], NOW)
    assert sandbox.drain() == []


def test_a_lost_answer_is_of_a_message_that_was_taken() -> None:
    sandbox = Sandbox(1)
    assert sandbox.submit("sms-cmcc", [special("answer_lost")], NOW) == [(None, NEVER)]
    (entry,) = sandbox.drain()
    assert entry.outcome == "taken"
    assert [receipt.ref for receipt in receipts(sandbox)] == [entry.ref]


def test_a_late_answer_comes_after_the_batch_has_closed() -> None:
    (answer,) = Sandbox(1).submit("sms-cmcc", [special("answer_late")], NOW)
    assert answer.due_ms > NOW + 1_000


def test_the_number_that_throttles_once_is_accepted_then() -> None:
    sandbox = Sandbox(1)
    (first,) = sandbox.submit("sms-cmcc", [special("throttled", version=1)], NOW)
    (second,) = sandbox.submit("sms-cmcc", [special("throttled", version=3)], NOW)
    assert isinstance(first.outcome, Throttled)
    assert isinstance(second.outcome, Accepted)


def test_a_ported_number_is_taken_by_its_own_network_and_by_the_lane_for_all() -> None:
    sandbox = Sandbox(1)
    lanes = ("sms-cmcc", "sms-cucc", "sms-ctcc", "sms-cbn", "sms-any")
    taken = {}
    for lane in lanes:
        (answer,) = sandbox.submit(lane, [special("ported")], NOW)
        taken[lane] = isinstance(answer.outcome, Accepted)
    (own,) = (lane for lane in lanes[1:4] if taken[lane])
    assert [lane for lane in lanes if taken[lane]] == [own, "sms-any"]
    assert {receipt.carrier for receipt in receipts(sandbox)} == {own.removeprefix("sms-")}


def test_a_reset_leaves_the_rest_of_the_batch_unknown_and_half_of_it_taken() -> None:
    sandbox = Sandbox(1)
    messages = [message(n) for n in range(200)]
    messages[50] = special("reset", 50)
    answers = sandbox.submit("sms-cmcc", messages, NOW)
    assert all(isinstance(answer.outcome, Accepted) for answer in answers[:50])
    assert all(answer.outcome == Unknown("reset by peer") for answer in answers[50:])
    assert 50 + 50 <= len(sandbox.drain()) <= 50 + 100


@pytest.mark.parametrize(
    ("fault", "statuses"),
    [
        ("undelivered", ["undelivered"]),
        ("receipt_lost", []),
        ("receipt_repeated", ["delivered", "delivered"]),
        ("receipt_late", ["delivered"]),
        ("receipt_early", ["delivered"]),
        ("conflicting", ["delivered", "undelivered"]),
    ],
)
def test_receipts_that_are_not_as_they_should_be(fault: str, statuses: list[str]) -> None:
    sandbox = Sandbox(1)
    sandbox.submit("sms-cmcc", [special(fault)], NOW)
    assert [receipt.status for receipt in receipts(sandbox)] == statuses
    assert sandbox.hits == {fault: 1}


def test_an_early_receipt_is_there_before_the_answer() -> None:
    sandbox = Sandbox(1)
    (answer,) = sandbox.submit("sms-cmcc", [special("receipt_early")], NOW)
    assert len(receipts(sandbox, NOW)) == 1
    assert answer.due_ms > NOW


def test_a_late_receipt_comes_after_younger_ones() -> None:
    sandbox = Sandbox(1)
    sandbox.submit("sms-cmcc", [special("receipt_late", 1)], NOW)
    sandbox.submit("sms-cmcc", [message(2)], NOW + 1_000)
    assert [receipt.attempt[31] for receipt in receipts(sandbox)] == ["2", "1"]


def test_unacknowledged_receipts_come_again_on_a_new_connection_only() -> None:
    sandbox = Sandbox(1)
    sandbox.submit("sms-cmcc", [message(n) for n in range(3)], NOW)
    later = NOW + 10_000
    first, second = sandbox.collect(later, limit=1), sandbox.collect(later)
    assert sandbox.collect(later).receipts == ()
    sandbox.acknowledge(first.token)
    sandbox.disconnect()
    again = sandbox.collect(later)
    assert again.receipts == second.receipts
    sandbox.acknowledge(second.token)  # a token of the old connection means nothing now
    sandbox.disconnect([again.token])
    assert sandbox.collect(later).receipts == again.receipts


def test_a_sandbox_read_back_from_its_ledger_owes_the_same_receipts() -> None:
    before = Sandbox(5, ROUGH)
    before.submit("sms-cmcc", [message(n) for n in range(500)], NOW)
    ledger = before.drain()
    collected = before.collect(NOW + 3_600_000, limit=100)
    acknowledged = set(before.acknowledge(collected.token))

    after = Sandbox(5, ROUGH)
    for entry in ledger:
        after.restore(entry, lambda seq, report: (seq, report) in acknowledged)
    assert receipts(after) == receipts(before)
    (answer,) = after.submit("sms-cmcc", [message(999)], NOW)
    assert answer.outcome == Accepted(f"{ledger[-1].seq + 1:012x}")


def test_its_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox_model, "PENDING_MAX", 10)
    monkeypatch.setattr(sandbox_model, "UNACKNOWLEDGED_MAX", 4)
    sandbox = Sandbox(1)
    answers = sandbox.submit("sms-cmcc", [message(n) for n in range(12)], NOW)
    assert [isinstance(answer.outcome, Throttled) for answer in answers] == [False] * 10 + [
        True
    ] * 2
    assert len(sandbox.collect(NOW + 5_000).receipts) == 4
    full = sandbox.collect(NOW + 5_000)
    assert (full.receipts, full.token) == ((), 0)
    assert full.next_ms > NOW + 5_000  # nobody needs to ask in a hurry


def test_due_times_lie_on_the_grid() -> None:
    sandbox = Sandbox(1, Faults(slow=1.0, grid_ms=50))
    for answer in sandbox.submit("sms-cmcc", [message(n) for n in range(50)], NOW + 7):
        assert answer.due_ms % 50 == 0
    assert sandbox.collect(NOW).next_ms % 50 == 0
