"""Decisions made again under another policy: which differ, and that none is missed."""

import random
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from preferences.rules import DAY_MS, HOUR_MS, MINUTE_MS
from streams.core import events as e
from streams.core.policy import DEFAULT, ClassPolicy, Policy, dump
from streams.core.routing import decide
from streams.core.routing_facts import ChannelFacts, Facts
from streams.journal.base import Entry, Unit
from streams.journal.sqlite import SqliteStore
from streams.pipeline.river import entry
from streams.replaying import (
    PAGE,
    Answer,
    Change,
    Difference,
    Replay,
    Summary,
    unjudged,
)
from tests.streams.core.legs import HEAD, expired, failed, routed, way
from tests.streams.core.samples import EMAIL, NOON, SMS, when
from tests.streams.core.test_routing import any_facts, moments
from tests.streams.journals import INDEX, commit, journal, write

MIDNIGHT = when("00:00")


class Made(NamedTuple):
    """One decision of the journal under test, with what it was made of."""

    stream: bytes
    minute: int
    sent_today: int
    own_cap: int
    own_quiet: bool
    cls: Any


def stream(number: int) -> bytes:
    return number.to_bytes(16, "big")


def recorded(facts: Facts, policy: Policy, at_ms: int) -> e.JournalEvent:
    """The row that the pipeline would write of a new leg."""
    verdict = decide(facts, policy, at_ms)
    match verdict.kind:
        case "send":
            route = replace(way(verdict.channel), lane=verdict.lane, carrier=verdict.carrier)
            return e.Routed(
                head=HEAD, route=route, facts=facts, policy=policy.version, reason=verdict.reason
            )
        case "hold":
            return e.Held(
                until_ms=verdict.until_ms, reason=verdict.reason, facts=facts,
                policy=policy.version, head=HEAD,
            )  # fmt: skip
        case "suppress":
            return e.Suppressed(
                reason=verdict.reason, facts=facts, policy=policy.version, head=HEAD
            )


def make(number: int, seed: random.Random) -> tuple[Made, Unit]:
    """A decision at any minute of the day; reminders and statuses, some people with own choices."""
    made = Made(
        stream(number), seed.randrange(1440), seed.randrange(6), seed.choice([-1, -1, -1, 1, 5]),
        seed.random() < 0.2, seed.choice(["reminder", "reminder", "status", "notice"]),
    )  # fmt: skip
    at_ms = MIDNIGHT + made.minute * MINUTE_MS
    own = (13 * 60, 14 * 60) if made.own_quiet else (-1, -1)
    facts = Facts(
        notice="licence-renewal-due", cls=made.cls, category="licence", event_ms=at_ms - 1,
        expiry_ms=at_ms + 3 * DAY_MS, channels=(SMS, EMAIL), quiet_from=own[0], quiet_to=own[1],
        sent_today=made.sent_today, cap=made.own_cap, at_ms=at_ms,
    )  # fmt: skip
    return made, Unit((entry(made.stream, 1, recorded(facts, DEFAULT, at_ms)),))


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SqliteStore, list[Made]]]:
    """A journal of 3,000 decisions of one day."""
    seed = random.Random(7)
    with journal(tmp_path_factory.mktemp("day")) as store:
        made = [make(number, seed) for number in range(3_000)]
        commit(store, [unit for _, unit in made], NOON + DAY_MS)
        yield store, [one for one, _ in made]


def policy(cls: str, **changed: Any) -> Policy:
    """The policy in force, with numbers of one class changed."""
    rule = replace(DEFAULT.classes[cls], **changed)  # type: ignore[index]  # a class by name
    return replace(DEFAULT, version=2, classes={**DEFAULT.classes, cls: rule})


def replayed(store: SqliteStore, draft: Policy, **how: Any) -> tuple[list[Difference], Summary]:
    replay = Replay(store, draft, **how)
    return [d for page in replay.pages() for d in page], replay.summary()


def quiet(one: Made, start: int, end: int = 8 * 60) -> bool:
    if one.own_quiet:
        return 13 * 60 <= one.minute < 14 * 60
    return one.minute >= start or one.minute < end


Day = tuple[SqliteStore, list[Made]]


class TestUnchanged:
    def test_the_policy_in_force_changes_nothing(self, day: Day) -> None:
        store, made = day
        differences, summary = replayed(store, DEFAULT)
        assert differences == []
        assert (summary.decisions, summary.differences, summary.changes) == (len(made), 0, [])

    @given(any_facts, moments)
    def test_whatever_the_facts(self, facts: Facts, at_ms: int) -> None:
        event = recorded(replace(facts, at_ms=at_ms), DEFAULT, at_ms)
        store = OneRow(event, at_ms + 5 * HOUR_MS)  # committed late: its own time counts
        assert replayed(store, DEFAULT)[0] == []  # type: ignore[arg-type]  # two methods of a store


class OneRow:
    """As much of a journal as a replay reads."""

    def __init__(self, event: e.JournalEvent, at_ms: int) -> None:
        row: Entry = entry(stream(1), 1, event)
        self._rows = [e_row(1, row, at_ms)]

    def head(self) -> int:
        return 1

    def since(self, pos: int, limit: int) -> list[Any]:
        return self._rows[pos : pos + limit]


def e_row(pos: int, written: Entry, at_ms: int) -> Any:
    from streams.journal.base import Row

    return Row(pos, written.stream, written.version, written.type, at_ms, written.data)


class TestOneNumberChanged:
    """The rows that differ are those whose facts lie between the two numbers, and no other."""

    def test_a_lower_cap(self, day: Day) -> None:
        store, made = day
        differences, summary = replayed(store, policy("reminder", cap=2))
        crossing = {
            one.stream.hex()
            for one in made
            if one.cls == "reminder" and one.own_cap < 0 and one.sent_today == 2
            and not quiet(one, 21 * 60)
        }  # fmt: skip
        assert {d.stream for d in differences} == crossing
        assert summary.changes == [
            Change("send: first_reachable", "hold: frequency_cap", len(crossing))
        ]
        assert crossing

    def test_earlier_quiet_hours(self, day: Day) -> None:
        store, made = day
        differences, summary = replayed(store, policy("status", quiet_from=20 * 60))
        crossing = {
            one.stream.hex(): "hold: frequency_cap"
            if one.sent_today >= (one.own_cap if one.own_cap >= 0 else 8)
            else "send: first_reachable"
            for one in made
            if one.cls == "status" and not one.own_quiet and 20 * 60 <= one.minute < 21 * 60
        }
        assert {d.stream: f"{d.before.kind}: {d.before.reason}" for d in differences} == crossing
        assert {d.after.reason for d in differences} == {"quiet_hours"}
        assert sum(change.count for change in summary.changes) == len(crossing) > 0

    def test_a_later_morning_moves_what_was_held(self, day: Day) -> None:
        store, made = day
        differences, _ = replayed(store, policy("notice", quiet_to=9 * 60))
        held = {
            one.stream.hex()
            for one in made
            if one.cls == "notice" and not one.own_quiet and quiet(one, 21 * 60, 9 * 60)
        }
        assert {d.stream for d in differences} == held
        moved = [d for d in differences if d.before.kind == "hold"]
        assert {d.after.until_ms - d.before.until_ms for d in moved} == {HOUR_MS}

    def test_another_order_of_channels(self, day: Day) -> None:
        store, made = day
        differences, _ = replayed(store, policy("notice", order=("email",)))
        sent = {o.stream.hex() for o in made if o.cls == "notice" and not quiet(o, 21 * 60)}
        assert {d.stream for d in differences} == sent
        assert {(d.before.channel, d.after.channel) for d in differences} == {("sms", "email")}


class TestSummary:
    def test_names_what_no_decision_can_show(self) -> None:
        draft = replace(policy("reminder", tries=5, horizon_ms=1), answer_ms=1, spread_ms=1)
        assert unjudged(DEFAULT, draft) == [
            "answer_ms", "classes.reminder.tries", "classes.reminder.horizon_ms",
        ]  # fmt: skip

    @given(any_facts, moments, st.data())
    def test_and_no_decision_does(self, facts: Facts, at_ms: int, data: st.DataObject) -> None:
        rules = {
            cls: replace(rule, tries=9, resend_unknown=(), horizon_ms=7, all_channels=True)
            for cls, rule in DEFAULT.classes.items()
        }
        changed = replace(
            DEFAULT, classes=rules, call_before_ms=1, answer_ms=1, receipt_ms=1, backoff_ms=1,
            backoff_max_ms=1, ring_again_ms=(),
        )  # fmt: skip
        assert decide(facts, changed, at_ms) == decide(facts, DEFAULT, at_ms)
        every = {*Policy.__struct_fields__, *ClassPolicy.__struct_fields__}
        told = {name.rpartition(".")[2] for name in unjudged(DEFAULT, changed)}
        assert every - told == {
            "version", "classes", "spread_ms", "quiet_from", "quiet_to", "cap", "opt_out", "order",
        }  # fmt: skip

    def test_counts_sends_that_a_new_cap_could_not_see(self, day: Day) -> None:
        store, made = day
        _, summary = replayed(store, policy("notice", cap=99))
        assert summary.uncounted == sum(
            one.cls == "notice"
            and not quiet(one, 21 * 60)
            and not 0 <= one.own_cap <= one.sent_today
            for one in made
        )

    def test_counts_ends_without_facts(self, tmp_path: Path) -> None:
        with journal(tmp_path) as store:
            write(store, stream(1), routed(), expired(), failed(), at_ms=NOON)
            _, summary = replayed(store, DEFAULT)
        assert (summary.rows, summary.decisions, summary.without_facts) == (3, 1, 2)

    def test_a_message_that_had_no_words_stands_while_the_rules_would_send_it(
        self, tmp_path: Path
    ) -> None:
        facts = replace(routed().facts, at_ms=NOON)
        refused = e.Suppressed(reason="content_refused", facts=facts, policy=1, head=HEAD)
        with journal(tmp_path) as store:
            write(store, stream(1), refused, at_ms=NOON)
            assert replayed(store, DEFAULT)[0] == []
            [one] = replayed(store, policy("reminder", quiet_from=0, quiet_to=1439))[0]
        assert one.before == Answer("suppress", "content_refused")
        assert one.after.reason == "quiet_hours"

    def test_a_policy_of_the_journal_is_the_one_its_rows_were_decided_under(
        self, tmp_path: Path
    ) -> None:
        counted = policy("notice", cap=5)
        published = e.PolicyPublished(policy=2, by="staff", text=dump(counted).decode())
        facts = replace(routed().facts, cls="notice", at_ms=NOON)
        with journal(tmp_path) as store:
            write(store, stream(1), published, at_ms=NOON, kind="policy")
            write(store, stream(2), recorded(facts, counted, NOON), at_ms=NOON)
            assert replayed(store, replace(counted, version=3))[1].uncounted == 0


class TestWalk:
    def test_begins_at_a_time(self, day: Day) -> None:
        store, _ = day
        assert replayed(store, DEFAULT, since_ms=NOON + DAY_MS)[1].decisions == 3_000
        assert replayed(store, DEFAULT, since_ms=NOON + DAY_MS + 1)[1].rows == 0

    def test_says_how_far_it_is_page_by_page(self, day: Day) -> None:
        replay = Replay(day[0], DEFAULT)
        far = [replay.pos for _ in islice(replay.pages(), 2)]
        assert far == [PAGE, 2 * PAGE]
        assert replay.head == 3_000

    def test_ends_where_the_journal_ended_when_it_began(self, tmp_path: Path) -> None:
        with journal(tmp_path) as store:
            write(store, stream(1), routed(), at_ms=NOON)
            replay = Replay(store, DEFAULT)
            write(store, stream(2), routed(), at_ms=NOON)
            assert [len(page) for page in replay.pages()] == [0]
            assert replay.summary().rows == 1

    def test_an_empty_journal_has_no_decisions(self, tmp_path: Path) -> None:
        with journal(tmp_path) as store:
            assert replayed(store, DEFAULT)[1].rows == 0


def test_the_index_of_these_journals_is_their_own() -> None:
    assert INDEX.kind("policy") != INDEX.kind("wording")


def test_the_channels_of_these_decisions_are_open() -> None:
    assert all(isinstance(c, ChannelFacts) and c.lanes for c in (SMS, EMAIL))
