"""The life of one leg: what its events add up to, and what each state still needs."""

from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.codec import TYPES
from streams.core.events import JournalEvent
from streams.core.lifecycle import (
    BUCKETS,
    CATEGORY,
    NOT_SENT,
    NOTHING,
    PUBLISH,
    TERMINAL,
    Journalled,
    Need,
    State,
    Status,
    apply,
    backoff_ms,
    fold,
    moved,
    resume,
)
from streams.core.policy import DEFAULT, HOUR_MS
from tests.streams.core.legs import (
    AT,
    HEAD,
    STEP_MS,
    accepted,
    cancelled,
    delivered,
    escalated,
    expired,
    failed,
    held,
    intended,
    life,
    no_receipt,
    not_sent,
    read,
    refused,
    released,
    reported,
    routed,
    rows,
    suppressed,
    throttled,
    unconfirmed,
    undelivered,
    unknown,
    way,
)

OPEN = (routed(), intended())
ACCEPTED = (*OPEN, accepted())
UNKNOWN = (*OPEN, unknown())

TRANSITIONS: list[tuple[tuple[JournalEvent, ...], JournalEvent, Status]] = [
    ((), routed(), Status.READY),
    ((), held(opens=True), Status.HELD),
    ((), suppressed(opens=True), Status.SUPPRESSED),
    ((held(opens=True),), held(), Status.HELD),
    ((held(opens=True),), released(), Status.READY),
    ((held(opens=True),), suppressed(), Status.SUPPRESSED),
    ((held(opens=True),), expired(), Status.EXPIRED),
    ((held(opens=True),), cancelled(), Status.CANCELLED),
    ((routed(),), held(), Status.HELD),
    ((routed(),), released(), Status.READY),
    ((routed(),), suppressed(), Status.SUPPRESSED),
    ((routed(),), cancelled(), Status.CANCELLED),
    ((routed(),), expired(), Status.EXPIRED),
    ((routed(),), intended(), Status.OPEN),
    (OPEN, accepted(), Status.ACCEPTED),
    (OPEN, not_sent(), Status.READY),
    (OPEN, throttled(), Status.READY),
    (OPEN, refused(), Status.BACKOFF),
    (OPEN, unknown(), Status.UNKNOWN),
    (OPEN, delivered(), Status.DELIVERED),
    (OPEN, undelivered(), Status.UNDELIVERED),
    (OPEN, read(), Status.READ),
    ((*OPEN, refused()), released(), Status.READY),
    ((*OPEN, refused()), escalated(), Status.READY),
    ((*OPEN, refused()), held(), Status.HELD),
    ((*OPEN, refused()), failed(), Status.FAILED),
    ((*OPEN, refused()), expired(), Status.EXPIRED),
    ((*OPEN, refused()), cancelled(), Status.CANCELLED),
    (ACCEPTED, delivered(), Status.DELIVERED),
    (ACCEPTED, undelivered(), Status.UNDELIVERED),
    (ACCEPTED, read(), Status.READ),
    (ACCEPTED, no_receipt(), Status.NO_RECEIPT),
    (ACCEPTED, escalated(), Status.READY),
    ((*ACCEPTED, no_receipt()), delivered(), Status.DELIVERED),
    ((*ACCEPTED, no_receipt()), undelivered(), Status.UNDELIVERED),
    ((*ACCEPTED, no_receipt()), escalated(), Status.READY),
    ((*ACCEPTED, undelivered()), escalated(), Status.READY),
    ((*ACCEPTED, undelivered()), failed(), Status.UNDELIVERED),
    ((*ACCEPTED, undelivered()), delivered(), Status.DELIVERED),
    ((*ACCEPTED, delivered()), read(), Status.READ),
    ((*ACCEPTED, delivered()), escalated(), Status.READY),
    (UNKNOWN, accepted(), Status.ACCEPTED),
    (UNKNOWN, not_sent(), Status.READY),
    (UNKNOWN, refused(), Status.BACKOFF),
    (UNKNOWN, delivered(), Status.DELIVERED),
    (UNKNOWN, reported("relayed"), Status.ACCEPTED),
    (OPEN, reported("delayed"), Status.ACCEPTED),
    (ACCEPTED, reported("relayed"), Status.ACCEPTED),
    ((*ACCEPTED, reported("relayed")), undelivered(), Status.UNDELIVERED),
    ((*ACCEPTED, reported("relayed"), no_receipt()), undelivered(), Status.UNDELIVERED),
    ((*ACCEPTED, delivered()), reported("complaint"), Status.DELIVERED),
    ((*ACCEPTED, undelivered()), reported("relayed"), Status.UNDELIVERED),
    (UNKNOWN, undelivered(), Status.UNDELIVERED),
    (UNKNOWN, released(), Status.READY),
    (UNKNOWN, unconfirmed(), Status.UNCONFIRMED),
    ((*UNKNOWN, unconfirmed()), accepted(), Status.ACCEPTED),
    ((*UNKNOWN, unconfirmed()), not_sent(), Status.READY),
    ((*UNKNOWN, unconfirmed()), delivered(), Status.DELIVERED),
    ((*UNKNOWN, unconfirmed()), undelivered(), Status.UNDELIVERED),
    ((*UNKNOWN, unconfirmed()), escalated(), Status.READY),
]


class TestTransitions:
    @pytest.mark.parametrize(
        ("before", "event", "after"),
        TRANSITIONS,
        ids=lambda x: type(x).__name__ if not isinstance(x, tuple | Status) else "",
    )
    def test_leads_to(
        self, before: tuple[JournalEvent, ...], event: JournalEvent, after: Status
    ) -> None:
        assert life(*before, event).status is after

    def test_every_event_of_a_leg_and_every_status_is_among_them(self) -> None:
        about_legs = {
            name for name, kind in TYPES.items()
            if "moved" in kind.__struct_fields__ or name == "Routed"
        }  # fmt: skip
        assert {type(event).__name__ for _, event, _ in TRANSITIONS} == about_legs
        assert {after for _, _, after in TRANSITIONS} == set(Status) - {Status.NEW}

    def test_nothing_is_a_new_leg(self) -> None:
        assert fold([]).status is Status.NEW
        assert fold([]).version == 0


class TestWhatIsKnown:
    def test_of_its_beginning(self) -> None:
        state = life(held(opens=True), released())
        assert state.head == HEAD
        assert state.opened_at_ms == AT + STEP_MS
        assert state.routed_at_ms == state.touched_ms == AT + 2 * STEP_MS
        assert (state.version, state.route, state.reason) == (2, way(), "retry")

    def test_of_its_attempt(self) -> None:
        state = life(routed(), intended())
        assert (state.attempt, state.call_before_ms) == (2, AT + 10_000)

    def test_of_its_references(self) -> None:
        state = life(*OPEN, refused(), released(), intended(), accepted(5))
        assert state.refs == {5: "ref-5"}

    def test_tries_count_definite_failures_of_one_channel(self) -> None:
        assert life(*OPEN, refused()).tries == 1
        assert life(*OPEN, refused(), released(), intended(), refused(5)).tries == 2
        assert life(*OPEN, refused(), escalated()).tries == 0
        assert life(*OPEN, refused(), released("email")).tries == 0

    def test_what_was_never_handed_over_is_no_try(self) -> None:
        assert life(*OPEN, not_sent()).tries == 0
        assert life(*OPEN, throttled()).tries == 0

    def test_channels_that_were_escalated_from_were_tried(self) -> None:
        assert life(*ACCEPTED, escalated("voice"), escalated("email")).tried == {"sms", "voice"}

    def test_a_terminal_one_says_so(self) -> None:
        assert life(*ACCEPTED, delivered()).terminal
        assert not life(*ACCEPTED).terminal


class TestUnknown:
    """What nobody knows stays unknown until somebody does, whatever is tried later."""

    def test_is_not_erased_by_a_later_try(self) -> None:
        state = life(*UNKNOWN, released(), intended(), refused(5))
        assert state.unknown == {2}

    @pytest.mark.parametrize("end", [failed(), expired(), cancelled(), suppressed()])
    def test_ends_unconfirmed_and_never_as_not_sent(self, end: JournalEvent) -> None:
        state = life(*UNKNOWN, released(), intended(), refused(5), end)
        assert state.status is Status.UNCONFIRMED

    def test_is_settled_by_an_answer_that_comes_late(self) -> None:
        state = life(*UNKNOWN, released(), intended(), accepted(2))
        assert (state.unknown, state.accepted) == (set(), {2})
        state = life(*UNKNOWN, released(), intended(), not_sent(2))
        assert (state.unknown, state.status) == (set(), Status.OPEN)

    def test_is_not_said_of_what_a_report_overtook(self) -> None:
        for report in (delivered(), undelivered(), accepted()):
            assert life(*OPEN, report, unknown()).unknown == set()

    def test_said_twice_is_one_try(self) -> None:
        state = life(*UNKNOWN, released(), intended(), unknown(2))
        assert state.tries == 1
        assert state.unknown_at_ms == AT + 3 * STEP_MS

    def test_proved_unsent_after_it_was_closed_goes_out_after_all(self) -> None:
        assert life(*UNKNOWN, unconfirmed(), not_sent()).status is Status.READY

    def test_proved_unsent_after_a_stop_is_cancelled_after_all(self) -> None:
        assert life(*UNKNOWN, cancelled(), unconfirmed(), not_sent()).status is Status.CANCELLED


class TestCancelled:
    @pytest.mark.parametrize("before", [(held(opens=True),), (routed(),), (*OPEN, refused())])
    def test_ends_what_was_not_handed_over(self, before: tuple[JournalEvent, ...]) -> None:
        state = life(*before, cancelled())
        assert (state.status, state.too_late) == (Status.CANCELLED, False)
        assert state.reason == "case_settled"

    @pytest.mark.parametrize("before", [OPEN, UNKNOWN, ACCEPTED])
    def test_is_too_late_for_what_was(self, before: tuple[JournalEvent, ...]) -> None:
        state, unstopped = life(*before, cancelled()), life(*before)
        assert state.status is unstopped.status
        assert state.too_late
        assert not state.terminal

    def test_leaves_the_report_its_word(self) -> None:
        assert life(*ACCEPTED, cancelled(), delivered()).status is Status.DELIVERED
        assert life(*ACCEPTED, cancelled(), undelivered()).status is Status.UNDELIVERED

    @pytest.mark.parametrize("answer", [not_sent(), throttled(), refused()])
    def test_ends_what_turns_out_unsent(self, answer: JournalEvent) -> None:
        state = life(*OPEN, cancelled(), answer)
        assert (state.status, state.reason) == (Status.CANCELLED, "case_settled")

    def test_the_first_of_two_stops_is_told(self) -> None:
        other = cancelled().__class__(reason="superseded")
        assert life(*OPEN, cancelled(), other).cancelled == "case_settled"


class TestEarlierAttempts:
    """Answers and reports about an attempt that another has followed."""

    def test_accepted_leaves_the_open_one_open(self) -> None:
        state = life(*UNKNOWN, released(), intended(), accepted(2))
        assert (state.status, state.accepted) == (Status.OPEN, {2})

    def test_undelivered_leaves_the_open_one_open(self) -> None:
        state = life(*ACCEPTED, escalated(), intended(), undelivered(2))
        assert (state.status, state.undelivered) == (Status.OPEN, {2})

    def test_undelivered_leaves_the_accepted_one_accepted(self) -> None:
        state = life(*ACCEPTED, escalated(), intended(), accepted(5), undelivered(2))
        assert state.status is Status.ACCEPTED

    def test_undelivered_does_not_undo_what_the_next_one_reached(self) -> None:
        state = life(*ACCEPTED, escalated(), intended(), accepted(5), delivered(5), undelivered(2))
        assert state.status is Status.DELIVERED

    def test_delivered_makes_the_next_one_needless(self) -> None:
        assert life(*ACCEPTED, escalated(), delivered(2)).status is Status.DELIVERED

    def test_undelivered_as_the_last_word_closes_a_leg_as_undelivered(self) -> None:
        closed = life(*UNKNOWN, released(), intended(), refused(5), failed())
        assert closed.status is Status.UNCONFIRMED
        for reports in permutations([accepted(2), undelivered(2)]):
            state = fold(rows(*UNKNOWN, released(), intended(), refused(5), failed(), *reports))
            assert state.status is Status.UNDELIVERED


class TestEnd:
    """A leg that is closed never ends as less than what is known of it."""

    ENDS = (failed(), expired(), suppressed(), cancelled(), unconfirmed(), no_receipt())

    def test_with_proof_of_delivery_it_was_delivered(self) -> None:
        inbox = (routed("inbox"), intended(), accepted(2), delivered(2))
        later = (*inbox, escalated("sms"), intended(), refused(6))
        assert life(*later, failed()).status is Status.DELIVERED
        waiting = (*inbox, escalated("sms"), intended(), accepted(6))
        assert life(*waiting, no_receipt(6)).status is Status.DELIVERED
        assert life(*waiting, cancelled(), undelivered(6)).status is Status.DELIVERED

    def test_accepted_without_a_report_it_has_no_receipt(self) -> None:
        state = life(*ACCEPTED, escalated(), intended(), refused(5), failed())
        assert state.status is Status.NO_RECEIPT

    def test_with_every_attempt_reported_bad_it_is_undelivered(self) -> None:
        state = life(*ACCEPTED, escalated(), undelivered(2), intended(), refused(6), failed())
        assert state.status is Status.UNDELIVERED

    def test_an_unknown_one_outlives_a_bad_report_of_another(self) -> None:
        state = life(*UNKNOWN, cancelled(), released(), intended(), accepted(6), undelivered(6))
        assert state.status is Status.UNCONFIRMED

    @given(st.data())
    def test_whatever_happened_before(self, data: st.DataObject) -> None:
        state = data.draw(lives())
        before = (bool(state.delivered), bool(state.unknown), bool(state.accepted))
        if state.status in (Status.NEW, *TERMINAL):
            return
        end = data.draw(st.sampled_from(self.ENDS[:4]))
        apply(state, Journalled(state.version + 1, AT, end))
        if not state.terminal:
            return
        match before:
            case (True, _, _):
                assert state.status in (Status.DELIVERED, Status.READ)
            case (_, True, _):
                assert state.status is Status.UNCONFIRMED
            case (_, _, True):
                assert state.status in (Status.NO_RECEIPT, Status.UNDELIVERED)
            case _:
                assert state.status in NOT_SENT


# I13: receipts in any order, as often as they like ------------------------------------------------


@st.composite
def lives(draw: Any) -> State:
    """A leg after some legal steps: each drawn from those the hub takes in that state."""
    return fold(rows(*draw(legal_events())))


@st.composite
def legal_events(draw: Any) -> list[JournalEvent]:
    events: list[JournalEvent] = [draw(st.sampled_from([routed(), held(opens=True)]))]
    for _ in range(draw(st.integers(0, 12))):
        choices = _next(life(*events))
        if not choices:
            break
        events.append(draw(st.sampled_from(choices))())
    return events


def _next(s: State) -> list[Callable[[], JournalEvent]]:
    """What may be journalled next about a leg that stands so."""
    a = s.attempt
    match s.status:
        case Status.HELD:
            return [released, held, cancelled]
        case Status.READY:
            return [intended] * 3 + [released, held, cancelled]
        case Status.OPEN:
            answers = [lambda: accepted(a), lambda: not_sent(a), lambda: refused(a)]
            return [*answers, lambda: unknown(a), cancelled]
        case Status.BACKOFF:
            return [released, lambda: escalated(after=a), cancelled, failed]
        case Status.UNKNOWN:
            return [released, lambda: unconfirmed(a), cancelled, lambda: accepted(a)]
        case Status.ACCEPTED | Status.NO_RECEIPT | Status.UNDELIVERED | Status.UNCONFIRMED:
            return [lambda: escalated(after=a), lambda: no_receipt(a)] if not s.cancelled else []
        case _:
            return []


def known(state: State) -> tuple[object, ...]:
    """What a leg adds up to; which of two refusals came last, and when, may differ."""
    return (
        state.status, state.unknown, state.accepted, state.delivered, state.undelivered,
        state.refs, state.tried, state.tries, state.cancelled,
    )  # fmt: skip


@st.composite
def told_in_two_orders(
    draw: Any,
) -> tuple[list[JournalEvent], list[JournalEvent], list[JournalEvent]]:
    """A leg, and reports about its attempts in two orders, some more than once."""
    events = draw(legal_events())
    handed = {i for i, x in enumerate(events, 1) if type(x).__name__ == "AttemptIntended"}
    handed -= {x.attempt for x in events if type(x).__name__ in ("NotSent", "Refused")}  # type: ignore[union-attr]
    reports: list[JournalEvent] = []
    for attempt in sorted(handed):
        kinds = [accepted, delivered, undelivered, read]
        chosen = draw(st.lists(st.sampled_from(kinds), unique=True))
        reports += [kind(attempt) for kind in chosen]
    one, other = draw(st.permutations(reports)), draw(st.permutations(reports))
    again = draw(st.lists(st.sampled_from(reports), max_size=4)) if reports else []
    return events, one, other + again


class TestReceiptsCommute:
    @given(told_in_two_orders())
    def test_any_order_and_any_repetition_add_up_to_the_same(
        self, told: tuple[list[JournalEvent], list[JournalEvent], list[JournalEvent]]
    ) -> None:
        events, one, other = told
        assert known(life(*events, *one)) == known(life(*events, *other))

    def test_all_orders_of_all_reports_on_one_attempt(self) -> None:
        told = [accepted(), delivered(), undelivered(), read()]
        states = [life(*OPEN, *order) for order in permutations(told)]
        assert {state.status for state in states} == {Status.READ}
        assert len({str(known(state)) for state in states}) == 1

    def test_a_receipt_before_its_answer(self) -> None:
        state = life(*OPEN, delivered(), accepted())
        assert (state.status, state.refs) == (Status.DELIVERED, {2: "ref-2"})


# What a state still needs -------------------------------------------------------------------------


def needs(*events: JournalEvent) -> Need:
    return resume(life(*events), DEFAULT)


class TestResume:
    def test_what_is_ready_is_published(self) -> None:
        for ready in (
            (routed(),), (held(opens=True), released()), (*OPEN, throttled()),
            (*OPEN, not_sent()), (*ACCEPTED, escalated()),
        ):  # fmt: skip
            assert needs(*ready) == PUBLISH

    def test_an_open_attempt_is_looked_at_after_its_deadline_and_time_out(self) -> None:
        assert needs(*OPEN) == Need("timer", AT + 10_000 + DEFAULT.answer_ms)

    def test_what_is_held_is_looked_at_when_it_is_due(self) -> None:
        assert needs(held(opens=True, until_ms=AT + HOUR_MS)) == Need("timer", AT + HOUR_MS)

    def test_an_unknown_one_is_looked_at_after_its_classs_horizon(self) -> None:
        reminder = DEFAULT.classes["reminder"].horizon_ms
        assert needs(*UNKNOWN) == Need("timer", AT + 3 * STEP_MS + reminder)
        emergency = (routed(cls="emergency"), intended(), unknown())
        horizon = DEFAULT.classes["emergency"].horizon_ms
        assert needs(*emergency) == Need("timer", AT + 3 * STEP_MS + horizon)

    def test_a_refused_one_is_looked_at_after_its_back_off(self) -> None:
        need = needs(*OPEN, refused())
        assert need.kind == "timer"
        assert 0 < need.due_ms - (AT + 3 * STEP_MS) <= 2 * DEFAULT.backoff_ms

    def test_an_accepted_one_waits_for_its_receipt_alone(self) -> None:
        assert needs(*ACCEPTED) == NOTHING

    @pytest.mark.parametrize("status", sorted(TERMINAL))
    def test_an_ended_one_needs_nothing(self, status: Status) -> None:
        state = life(*ACCEPTED)
        state.status = status
        assert resume(state, DEFAULT) == NOTHING

    def test_every_status_is_answered(self) -> None:
        for status in Status:
            state = life(routed())
            state.status = status
            assert resume(state, DEFAULT).kind in ("publish", "timer", "nothing")

    def test_judges_the_state_and_not_the_last_event(self) -> None:
        too_late = (*OPEN, refused(), released(), cancelled().__class__(reason="erased"))
        assert needs(*too_late) == NOTHING
        receipt_of_the_first = (*ACCEPTED, escalated(), undelivered(2))
        assert needs(*receipt_of_the_first) == PUBLISH


class TestBackOff:
    def test_doubles_up_to_its_bound(self) -> None:
        state = life(*OPEN, refused())
        for tries in range(40):
            state.tries = tries
            ceiling = min(DEFAULT.backoff_max_ms, DEFAULT.backoff_ms * 2 ** min(tries, 16))
            assert 1 <= backoff_ms(state, DEFAULT) <= ceiling

    def test_is_the_same_for_the_same_try_and_another_for_the_next(self) -> None:
        state = life(*OPEN, refused())
        state.tries = 8
        first = backoff_ms(state, DEFAULT)
        assert first == backoff_ms(state, DEFAULT)
        state.version += 1
        assert first != backoff_ms(state, DEFAULT)


class TestMoved:
    def test_names_where_a_leg_stands(self) -> None:
        was = moved(life(*ACCEPTED))
        assert was is not None
        assert (was.was, was.channel, was.lane, was.carrier) == (
            "accepted", "sms", "sms-cmcc", "cmcc",
        )  # fmt: skip
        assert (was.notice, was.cls, was.region) == ("licence-renewal-due", "reminder", "35")

    def test_a_held_one_has_no_channel_yet(self) -> None:
        was = moved(life(held(opens=True)))
        assert was is not None
        assert (was.was, was.channel) == ("held", "")

    def test_what_has_no_head_moves_nowhere(self) -> None:
        assert moved(fold([])) is None


class TestCounting:
    def test_every_status_has_its_category(self) -> None:
        assert CATEGORY.keys() == set(Status)

    def test_every_end_has_its_bucket(self) -> None:
        assert BUCKETS.keys() == TERMINAL

    def test_not_sent_is_an_end(self) -> None:
        assert NOT_SENT < TERMINAL
