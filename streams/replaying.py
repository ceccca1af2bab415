"""What if: every journalled decision made again, under today's policy or a draft. Nothing is sent.

A decision is replayed on the facts it was made on, at the time it was made at. What it would have
changed for later decisions is not played out: a message held today instead of sent would have left
room under tomorrow's cap, and the journal holds no such tomorrow. So the answer is exact for each
decision by itself, and an estimate for a whole river.
"""

from collections import Counter
from collections.abc import Iterator

import msgspec

from streams.core import codec
from streams.core.events import (
    Escalated,
    Expired,
    Failed,
    Held,
    JournalEvent,
    PolicyPublished,
    Released,
    Routed,
    Suppressed,
)
from streams.core.policy import DEFAULT, ClassPolicy, Policy, load
from streams.core.routing import REASONS, decide
from streams.core.routing_facts import Facts
from streams.journal.base import JournalStore, Row

PAGE = 1_000
"""Rows held in memory at once: a few megabytes, whatever the journal's length."""

Decision = Routed | Held | Suppressed | Released | Escalated

_REPLAYED = {t.__name__ for t in (Routed, Held, Suppressed, Released, Escalated, PolicyPublished)}
_WITHOUT_FACTS = {Expired.__name__, Failed.__name__}

_JUDGED = {"version", "classes", "spread_ms"}
_JUDGED_OF_CLASS = {"quiet_from", "quiet_to", "cap", "opt_out", "order"}
"""What ``decide`` reads of a policy; the rest governs what happens to attempts."""


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a decision answered: how it is counted, and the details in which it may differ."""

    kind: str
    reason: str
    until_ms: int = 0
    channel: str = ""
    lane: str = ""


class Difference(msgspec.Struct, frozen=True):
    """One row that would have been decided otherwise."""

    stream: str
    version: int
    pos: int
    at_ms: int
    notice: str
    cls: str
    before: Answer
    after: Answer


class Change(msgspec.Struct, frozen=True):
    """How many decisions turned from one reason to another; the same reason twice is another
    time, channel or lane."""

    before: str
    after: str
    count: int


class Summary(msgspec.Struct, frozen=True):
    """The result. ``without_facts`` are ends that were journalled without them (Expired, Failed);
    ``uncounted`` sends fall under a cap that the draft has and the policy of then had not, so that
    nothing was counted; ``unjudged`` are numbers that no decision reads and the draft changes."""

    policy: int
    rows: int
    decisions: int
    differences: int
    changes: list[Change]
    without_facts: int
    uncounted: int
    unjudged: list[str]


class Replay:
    """One walk over the journal: take the pages of differences, then the summary."""

    def __init__(
        self, store: JournalStore, policy: Policy, today: Policy = DEFAULT, since_ms: int = 0
    ) -> None:
        self._store = store
        self._policy = policy
        self._known = {DEFAULT.version: DEFAULT, today.version: today}
        self._since_ms = since_ms
        self._unjudged = unjudged(today, policy)
        self._changes: Counter[tuple[str, str]] = Counter()
        self._rows = self._decisions = self._without_facts = self._uncounted = 0
        self.head = store.head()
        self.pos = 0
        """Up to where it has walked, of ``head``."""

    def pages(self) -> Iterator[list[Difference]]:
        """The differences, page by page of the journal as it stood at the beginning."""
        while self.pos < self.head:
            rows = self._store.since(self.pos, min(PAGE, self.head - self.pos))
            if not rows:
                return
            self.pos = rows[-1].pos
            yield [d for row in rows if (d := self._again(row)) is not None]

    def summary(self) -> Summary:
        changes = sorted(self._changes.items(), key=lambda x: (-x[1], x[0]))
        return Summary(
            policy=self._policy.version,
            rows=self._rows,
            decisions=self._decisions,
            differences=self._changes.total(),
            changes=[Change(before, after, count) for (before, after), count in changes],
            without_facts=self._without_facts,
            uncounted=self._uncounted,
            unjudged=self._unjudged,
        )

    def _again(self, row: Row) -> Difference | None:
        name = row.type.partition(".")[0]
        late_enough = row.at_ms >= self._since_ms
        self._rows += late_enough
        if name not in _REPLAYED:
            self._without_facts += late_enough and name in _WITHOUT_FACTS
            return None
        event = codec.decode(row.type, row.data)
        if isinstance(event, PolicyPublished):
            self._known[event.policy] = load(event.text.encode())
            return None
        if not late_enough or not isinstance(event, Decision):
            return None
        return self._compare(row, event)

    def _compare(self, row: Row, event: Decision) -> Difference | None:
        self._decisions += 1
        facts = event.facts
        before, after = recorded(event), answer(facts, self._policy, decided_ms(event, row))
        self._uncounted += after.kind == "send" and self._is_uncounted(event.policy, facts)
        if same(before, after):
            return None
        self._changes[_name(before), _name(after)] += 1
        return Difference(
            row.stream.hex(), row.version, row.pos, row.at_ms, facts.notice, facts.cls,
            before, after,
        )  # fmt: skip

    def _is_uncounted(self, version: int, facts: Facts) -> bool:
        then = self._known.get(version)
        return bool(self._policy.classes[facts.cls].cap) and (
            then is None or not then.classes[facts.cls].cap
        )


def decided_ms(event: Decision, row: Row) -> int:
    """When a decision was made; of rows that do not say, when they were committed."""
    return event.facts.at_ms or row.at_ms


def answer(facts: Facts, policy: Policy, at_ms: int) -> Answer:
    """What ``decide`` answers."""
    verdict = decide(facts, policy, at_ms)
    if verdict.kind == "send":
        return Answer("send", verdict.reason, 0, verdict.channel, verdict.lane)
    return Answer(verdict.kind, verdict.reason, verdict.until_ms)


def recorded(event: JournalEvent) -> Answer:
    """What was decided, by the row alone."""
    match event:
        case Held(until_ms=until_ms, reason=reason):
            return Answer("hold", reason, until_ms)
        case Suppressed(reason=reason):
            return Answer("suppress", reason)
        case Routed(route=route) | Released(route=route) | Escalated(route=route):
            return Answer("send", "first_reachable", 0, route.channel, route.lane)
        case _:
            raise AssertionError(f"{type(event).__name__} is no decision of `decide`")


def same(before: Answer, after: Answer) -> bool:
    """Whether a decision stands. One that was to be sent and could not be put into words was
    suppressed behind ``decide``'s back: it stands when it would be sent again."""
    if before.kind == "suppress" and before.reason not in REASONS:
        return after.kind == "send"
    return before == after


def unjudged(today: Policy, draft: Policy) -> list[str]:
    """The numbers a draft changes and no decision reads, by their path in the document."""
    names = [
        name
        for name in Policy.__struct_fields__
        if name not in _JUDGED and getattr(today, name) != getattr(draft, name)
    ]
    for cls, rule in draft.classes.items():
        before = today.classes.get(cls)
        names += [
            f"classes.{cls}.{name}"
            for name in ClassPolicy.__struct_fields__
            if name not in _JUDGED_OF_CLASS
            and before is not None
            and getattr(before, name) != getattr(rule, name)
        ]
    return names


def _name(answer: Answer) -> str:
    return f"{answer.kind}: {answer.reason}"
