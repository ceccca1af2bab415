"""The decision, step by step: what passes, what drops a channel, what answers; in which order."""

from collections import Counter
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from preferences.rules import DAY_MS, HOUR_MS, MINUTE_MS, at_local, quiet_until
from streams.core.policy import DEFAULT, Policy
from streams.core.routing import (
    NO_LANE_RETRY_MS,
    REASONS,
    STEPS,
    WORDING_RETRY_MS,
    Finding,
    Verdict,
    decide,
    trace,
    window_end_ms,
)
from streams.core.routing_facts import ChannelFacts, Facts
from tests.streams.core.samples import CHINA, EVERY_REASON, NOON, SMS, facts, when

EMAIL = ChannelFacts("email", contact=True, lanes=("mail",))
INBOX = ChannelFacts("inbox", contact=True, lanes=("inbox",))
LATE = when("22:30")


def answer(at_ms: int = NOON, policy: Policy = DEFAULT, **changed: Any) -> Verdict:
    return decide(facts(**changed), policy, at_ms)


def findings(step: str, at_ms: int = NOON, **changed: Any) -> list[Finding]:
    return [f for f in trace(facts(**changed), DEFAULT, at_ms) if f.step == step]


def test_a_message_that_nothing_speaks_against_goes_out_by_the_first_channel() -> None:
    assert answer() == Verdict(
        "send",
        "first_reachable",
        {"channel": "sms", "lane": "sms-cmcc", "carrier": "cmcc"},
        channel="sms",
        lane="sms-cmcc",
        carrier="cmcc",
    )


class TestExpired:
    def test_up_to_its_expiry_a_message_matters(self) -> None:
        assert answer(expiry_ms=NOON + 1).kind == "send"

    def test_at_its_expiry_it_does_not(self) -> None:
        assert answer(expiry_ms=NOON) == Verdict("suppress", "expired", {"expiry_ms": NOON})

    def test_expiry_wins_over_everything(self) -> None:
        assert answer(LATE, expiry_ms=LATE, known=False, settled_by="paid").reason == "expired"


class TestDuplicate:
    def test_names_the_first(self) -> None:
        verdict = answer(duplicate_of="8f3a")
        assert verdict == Verdict("suppress", "duplicate", {"of": "8f3a"})


class TestCaseSettled:
    def test_names_what_settled_it(self) -> None:
        verdict = answer(settled_by="gov.traffic.violation.paid.v1")
        assert verdict.reason == "case_settled"
        assert verdict.numbers == {"by": "gov.traffic.violation.paid.v1"}

    def test_also_of_somebody_unknown(self) -> None:
        assert answer(settled_by="paid", known=False).reason == "case_settled"


class TestSuperseded:
    def test_names_the_newer_status(self) -> None:
        verdict = answer(superseded_by="a status of 7")
        assert verdict == Verdict("suppress", "superseded", {"by": "a status of 7"})


class TestRecipientKnown:
    def test_an_unknown_one_is_waited_for_until_the_expiry(self) -> None:
        verdict = answer(known=False, channels=(), expiry_ms=NOON + DAY_MS)
        assert (verdict.kind, verdict.reason) == ("hold", "recipient_unknown")
        assert verdict.until_ms == verdict.numbers["expiry_ms"] == NOON + DAY_MS


class TestDue:
    def test_a_reminder_waits_for_its_time(self) -> None:
        verdict = answer(due_ms=NOON + 1)
        assert verdict == Verdict("hold", "not_due", {"due_ms": NOON + 1}, until_ms=NOON + 1)

    def test_and_goes_out_at_it(self) -> None:
        assert answer(due_ms=NOON).kind == "send"


class TestConsent:
    def test_without_it_nothing_that_needs_it_is_sent(self) -> None:
        verdict = answer(needs_consent=True)
        assert verdict == Verdict("suppress", "no_consent", {"category": "licence"})

    def test_with_it_it_is(self) -> None:
        assert answer(needs_consent=True, consent_ms=NOON - 1).kind == "send"

    def test_nobody_is_asked_for_it_where_it_is_not_needed(self) -> None:
        assert answer(consent_ms=0).kind == "send"


class TestOptedOut:
    OFF = replace(SMS, opted_out="licence/sms")

    def test_drops_the_channels_that_were_switched_off(self) -> None:
        assert answer(channels=(self.OFF, EMAIL)).channel == "email"
        assert findings("opted_out", channels=(self.OFF, EMAIL)) == [
            Finding("opted_out", "drop", "opted_out", {"sms": "licence/sms"})
        ]

    def test_answers_when_none_is_left(self) -> None:
        verdict = answer(channels=(self.OFF,))
        assert verdict == Verdict("suppress", "opted_out", {"sms": "licence/sms"})

    @pytest.mark.parametrize("cls", ["emergency", "notice"])
    def test_what_the_law_or_a_danger_asks_for_cannot_be_switched_off(self, cls: Any) -> None:
        assert answer(cls=cls, channels=(self.OFF,)).channel == "sms"


class TestReachable:
    def test_drops_channels_without_a_contact_point(self) -> None:
        assert answer(channels=(ChannelFacts("sms"), EMAIL)).channel == "email"

    def test_answers_when_none_is_left(self) -> None:
        verdict = answer(channels=(ChannelFacts("sms"), ChannelFacts("email")))
        assert verdict.reason == "no_contact"
        assert verdict.numbers == {"sms": "no_contact", "email": "no_contact"}

    def test_a_landline_takes_no_text_message(self) -> None:
        landline = replace(SMS, unfit="landline")
        assert answer(channels=(landline,)).reason == "landline"
        assert answer(channels=(landline, EMAIL)).channel == "email"

    def test_tells_why_each_channel_was_left_out_whichever_step_it_was(self) -> None:
        verdict = answer(channels=(TestOptedOut.OFF, ChannelFacts("email")))
        assert verdict.reason == "no_contact"
        assert verdict.numbers == {"sms": "licence/sms", "email": "no_contact"}


class TestAddressSuppressed:
    GONE = replace(SMS, suppressed="absent_subscriber")

    def test_drops_addresses_that_were_refused_for_good(self) -> None:
        assert answer(channels=(self.GONE, EMAIL)).channel == "email"

    def test_answers_when_none_is_left(self) -> None:
        verdict = answer(channels=(self.GONE,))
        assert verdict == Verdict("suppress", "address_suppressed", {"sms": "absent_subscriber"})


class TestUntried:
    TRIED = replace(SMS, tried=True)

    def test_drops_channels_that_had_their_tries(self) -> None:
        assert answer(channels=(self.TRIED, EMAIL)).channel == "email"

    def test_answers_when_none_is_left(self) -> None:
        verdict = answer(channels=(self.TRIED,))
        assert verdict == Verdict("suppress", "all_channels_tried", {"sms": "tried"})


class TestQuietHours:
    MORNING = when("08:00") + DAY_MS

    def test_holds_until_they_end_and_a_little_more(self) -> None:
        verdict = answer(LATE, spread=7 * MINUTE_MS)
        assert (verdict.kind, verdict.reason) == ("hold", "quiet_hours")
        assert verdict.until_ms == self.MORNING + 7 * MINUTE_MS
        assert verdict.numbers == {
            "quiet_from": 21 * 60, "quiet_to": 8 * 60, "zone": CHINA,
            "until_ms": self.MORNING + 7 * MINUTE_MS,
        }  # fmt: skip

    def test_the_little_more_stays_within_the_policys_spread(self) -> None:
        verdict = answer(LATE, spread=DEFAULT.spread_ms + 1)
        assert verdict.until_ms == self.MORNING + 1

    def test_begin_and_end_to_the_minute(self) -> None:
        assert answer(when("20:59")).kind == "send"
        assert answer(when("21:00")).kind == "hold"
        assert answer(when("07:59")).kind == "hold"
        assert answer(when("08:00")).kind == "send"

    def test_are_those_of_the_recipients_own_zone(self) -> None:
        assert answer(NOON, zone="America/New_York").reason == "quiet_hours"
        assert answer(LATE, zone="America/New_York").kind == "send"

    def test_a_recipients_own_replace_the_policys(self) -> None:
        own = {"quiet_from": 12 * 60, "quiet_to": 14 * 60}
        assert answer(LATE, **own).kind == "send"
        assert answer(NOON, **own).until_ms == when("14:00")

    @pytest.mark.parametrize("cls", ["emergency", "code"])
    def test_do_not_hold_what_cannot_wait(self, cls: Any) -> None:
        assert answer(LATE, cls=cls, quiet_from=0, quiet_to=1439).kind == "send"

    def test_nor_a_notice_that_declares_none(self) -> None:
        assert answer(LATE, respects_quiet=False).kind == "send"

    def test_expiry_wins_over_deferral(self) -> None:
        verdict = answer(LATE, expiry_ms=self.MORNING)
        assert (verdict.kind, verdict.reason) == ("suppress", "quiet_hours_past_expiry")
        assert verdict.numbers["until_ms"] == verdict.numbers["expiry_ms"] == self.MORNING

    def test_nothing_expires_for_the_sake_of_spreading(self) -> None:
        verdict = answer(LATE, expiry_ms=self.MORNING + 10, spread=25)
        assert (verdict.kind, verdict.until_ms) == ("hold", self.MORNING + 5)


class TestFrequencyCap:
    def test_below_it_passes(self) -> None:
        assert answer(sent_today=2).kind == "send"

    def test_at_it_waits_for_the_end_of_the_next_days_quiet_hours(self) -> None:
        verdict = answer(sent_today=3, spread=5)
        tomorrow = when("08:00") + DAY_MS
        assert (verdict.kind, verdict.reason) == ("hold", "frequency_cap")
        assert verdict.until_ms == tomorrow + 5
        assert verdict.numbers == {"cap": 3, "sent_today": 3, "until_ms": tomorrow + 5}

    def test_a_recipients_own_replaces_the_policys(self) -> None:
        assert answer(sent_today=3, cap=5).kind == "send"
        assert answer(sent_today=1, cap=1).numbers["cap"] == 1
        assert answer(sent_today=0, cap=0).reason == "frequency_cap"

    def test_classes_without_one_have_none_whatever_was_chosen(self) -> None:
        assert answer(cls="notice", sent_today=99, cap=1).kind == "send"

    def test_expiry_wins_over_deferral(self) -> None:
        verdict = answer(sent_today=3, expiry_ms=when("08:00") + DAY_MS)
        assert (verdict.kind, verdict.reason) == ("suppress", "frequency_cap_past_expiry")
        assert verdict.numbers["sent_today"] == 3


class TestChannelOrder:
    INBOX_FIRST = replace(
        DEFAULT,
        classes={**DEFAULT.classes, "reminder": replace(DEFAULT.classes["reminder"],
                                                        order=("inbox", "email"))},
    )  # fmt: skip

    def test_is_the_facts_own_where_the_policy_has_none(self) -> None:
        assert answer(channels=(EMAIL, SMS)).channel == "email"

    def test_the_policys_comes_first_and_leaves_the_rest_as_they_were(self) -> None:
        policy = self.INBOX_FIRST
        assert answer(policy=policy, channels=(SMS, EMAIL, INBOX)).channel == "inbox"
        assert answer(policy=policy, channels=(SMS, EMAIL)).channel == "email"
        assert answer(policy=policy, channels=(SMS,)).channel == "sms"


class TestLaneOpen:
    SHUT = replace(SMS, lanes=())

    def test_a_channel_whose_lanes_are_shut_is_passed_over(self) -> None:
        assert answer(channels=(self.SHUT, EMAIL)).channel == "email"

    def test_when_none_is_open_it_is_looked_at_again(self) -> None:
        verdict = answer(channels=(self.SHUT,))
        assert verdict == Verdict(
            "hold", "no_lane", {"channels": "sms"}, until_ms=NOON + NO_LANE_RETRY_MS
        )

    def test_unless_it_would_have_expired(self) -> None:
        verdict = answer(channels=(self.SHUT,), expiry_ms=NOON + NO_LANE_RETRY_MS)
        assert (verdict.kind, verdict.reason) == ("suppress", "no_lane")

    def test_lanes_that_share_the_work_get_it_in_proportion(self) -> None:
        shared = replace(SMS, lanes=("a", "b", "rest"), weights=(3, 1))
        taken = Counter(answer(channels=(shared,), spread=n << 4).lane for n in range(400))
        assert taken == {"a": 300, "b": 100}

    def test_the_same_leg_falls_to_the_same_lane(self) -> None:
        shared = replace(SMS, lanes=("a", "b"), weights=(1, 1))
        assert len({answer(channels=(shared,), spread=77).lane for _ in range(9)}) == 1

    def test_a_wording_no_lane_has_registered_is_waited_for_and_said(self) -> None:
        unsaid = replace(SMS, lanes=(), barred={"sms-cmcc": "wording"})
        verdict = answer(channels=(unsaid,))
        assert (verdict.kind, verdict.reason) == ("hold", "wording_unregistered")
        assert verdict.until_ms == NOON + WORDING_RETRY_MS

    def test_a_lane_that_is_only_paused_is_not_blamed_on_the_wording(self) -> None:
        unsaid = replace(SMS, lanes=(), barred={"sms-cmcc": "wording", "sms-b": "paused"})
        assert answer(channels=(unsaid,)).reason == "no_lane"


class TestOrder:
    """Of everything that speaks against a message, the first is told."""

    EVERYTHING: ClassVar[dict[str, Any]] = {
        "expiry_ms": LATE, "duplicate_of": "8f3a", "settled_by": "paid",
        "superseded_by": "a status of 7", "known": False, "due_ms": LATE + 1,
        "needs_consent": True, "sent_today": 3,
    }  # fmt: skip
    HARMLESS: ClassVar[dict[str, Any]] = {
        "expiry_ms": LATE + DAY_MS, "duplicate_of": "", "settled_by": "", "superseded_by": "",
        "known": True, "due_ms": 0, "needs_consent": False,
    }  # fmt: skip
    CHANNELS = (
        ("opted_out", replace(SMS, opted_out="*/*", contact=False, suppressed="x", tried=True)),
        ("no_contact", replace(SMS, contact=False, suppressed="x", tried=True)),
        ("address_suppressed", replace(SMS, suppressed="x", tried=True)),
        ("all_channels_tried", replace(SMS, tried=True)),
        ("quiet_hours", replace(SMS, lanes=())),
    )

    def test_takes_one_obstacle_after_the_other(self) -> None:
        told = []
        changed = {**self.EVERYTHING, "channels": (self.CHANNELS[0][1],)}
        for name, harmless in self.HARMLESS.items():
            told.append(answer(LATE, **changed).reason)
            changed[name] = harmless
        for _, channel in self.CHANNELS:
            told.append(answer(LATE, **{**changed, "channels": (channel,)}).reason)
        changed["channels"] = (replace(SMS, lanes=()),)
        told.append(answer(NOON, **changed).reason)
        changed["sent_today"] = 0
        told.append(answer(NOON, **changed).reason)
        assert told == [
            "expired", "duplicate", "case_settled", "superseded", "recipient_unknown", "not_due",
            "no_consent", *(name for name, _ in self.CHANNELS), "frequency_cap", "no_lane",
        ]  # fmt: skip


class TestWindowEnd:
    """Until when a message on its lane may still be handed over."""

    def test_is_the_next_begin_of_the_quiet_hours(self) -> None:
        assert window_end_ms(facts(), DEFAULT, NOON) == when("21:00")
        assert window_end_ms(facts(), DEFAULT, when("21:00")) == when("21:00") + DAY_MS

    def test_is_never_for_who_has_none(self) -> None:
        assert window_end_ms(facts(cls="emergency"), DEFAULT, NOON) == 0
        assert window_end_ms(facts(respects_quiet=False), DEFAULT, NOON) == 0
        assert window_end_ms(facts(quiet_from=0, quiet_to=0), DEFAULT, NOON) == 0


class TestReasons:
    def test_every_one_is_given_by_a_sample(self) -> None:
        given_ = {name: decide(*case).reason for name, case in EVERY_REASON.items()}
        assert set(given_.values()) == set(REASONS)
        assert all(name.startswith(reason) for name, reason in given_.items())

    def test_none_is_said_twice(self) -> None:
        assert len(set(REASONS)) == len(REASONS)


# Whatever is true of a recipient -----------------------------------------------------------------

channels = st.lists(
    st.builds(
        ChannelFacts,
        st.sampled_from(["sms", "voice", "email", "push", "inbox"]),
        contact=st.booleans(),
        opted_out=st.sampled_from(["", "", "licence/sms"]),
        suppressed=st.sampled_from(["", "", "absent"]),
        unfit=st.sampled_from(["", "", "landline"]),
        carrier=st.sampled_from(["", "mobile"]),
        lanes=st.sampled_from([(), ("a",), ("a", "b")]),
        tried=st.booleans(),
    ),
    max_size=4,
    unique_by=lambda c: c.channel,
).map(tuple)
sometimes = st.sampled_from(["", "", "", "x"])
minutes = st.integers(0, 1439)
any_facts = st.builds(
    Facts,
    notice=st.just("licence-renewal-due"),
    cls=st.sampled_from(list(DEFAULT.classes)),
    category=st.just("licence"),
    event_ms=st.just(NOON),
    expiry_ms=st.integers(NOON - HOUR_MS, NOON + 3 * DAY_MS),
    channels=channels,
    due_ms=st.sampled_from([0, 0, NOON + HOUR_MS]),
    known=st.booleans() | st.just(True),
    respects_quiet=st.booleans(),
    needs_consent=st.booleans(),
    consent_ms=st.sampled_from([0, NOON]),
    settled_by=sometimes,
    superseded_by=sometimes,
    duplicate_of=sometimes,
    zone=st.sampled_from([CHINA, "America/New_York", "Australia/Lord_Howe"]),
    quiet_from=st.just(-1) | minutes,
    quiet_to=minutes,
    sent_today=st.integers(0, 9),
    cap=st.integers(-1, 9),
    spread=st.integers(0, 2**32 - 1),
)
moments = st.integers(NOON - HOUR_MS, NOON + DAY_MS)


class TestAnyFacts:
    @given(any_facts, moments)
    def test_the_trace_ends_in_the_decision(self, known: Facts, at_ms: int) -> None:
        verdict, told = decide(known, DEFAULT, at_ms), trace(known, DEFAULT, at_ms)
        assert told[-1][1:] == (verdict.kind, verdict.reason, verdict.numbers)
        assert all(f.kind in ("pass", "drop") for f in told[:-1])

    @given(any_facts, moments)
    def test_the_trace_walks_the_steps_in_order(self, known: Facts, at_ms: int) -> None:
        order = [step.__name__ for step in STEPS]
        walked = list(dict.fromkeys(f.step for f in trace(known, DEFAULT, at_ms)))
        assert walked == order[: len(walked)]

    @given(any_facts, moments)
    def test_what_is_sent_may_be_sent(self, known: Facts, at_ms: int) -> None:
        verdict = decide(known, DEFAULT, at_ms)
        assert verdict.reason in REASONS
        if verdict.kind != "send":
            return
        rule = DEFAULT.classes[known.cls]
        [channel] = [c for c in known.channels if c.channel == verdict.channel]
        assert at_ms < known.expiry_ms
        assert known.known
        assert not any((known.settled_by, known.superseded_by, known.duplicate_of))
        assert channel.contact
        assert not any((channel.suppressed, channel.unfit, channel.tried))
        assert not (channel.opted_out and rule.opt_out)
        assert verdict.lane in channel.lanes
        if known.respects_quiet and rule.quiet_from >= 0:
            own = (known.quiet_from, known.quiet_to)
            hours = own if own[0] >= 0 else (rule.quiet_from, rule.quiet_to)
            assert quiet_until(at_ms, known.zone, *hours) == 0

    @given(any_facts, moments)
    def test_what_is_held_is_held_until_later_and_not_past_its_expiry(
        self, known: Facts, at_ms: int
    ) -> None:
        verdict = decide(known, DEFAULT, at_ms)
        if verdict.kind == "hold":
            assert verdict.until_ms > at_ms
            assert verdict.until_ms <= known.expiry_ms or verdict.reason == "not_due"

    @given(any_facts, moments)
    def test_the_same_again_is_answered_the_same(self, known: Facts, at_ms: int) -> None:
        assert decide(known, DEFAULT, at_ms) == decide(known, DEFAULT, at_ms)


def test_times_of_these_tests_are_local() -> None:
    assert at_local("2026-11-24", 12 * 60, CHINA) == NOON
