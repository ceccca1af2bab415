"""The life of one leg: what its journalled events add up to, and what each state still needs.

``fold(rows) -> State`` is the only way a state is known; ``resume(state)`` says what a step that
met a conflict or a duplicate must still see to. Both judge the whole state, never the last event.
Pure.

::

    held ──► ready ──► open ──► accepted ──► delivered ──► read
      │        ▲ ▲       │ │         └─────► undelivered ─► (ready | undelivered)
      │        │ └─backoff◄┘                 no_receipt
      │        └── (not sent, throttled, escalated, resent)
      ▼                  └► unknown ──► (accepted | ready | unconfirmed)
    suppressed, cancelled, expired, failed
"""

from collections.abc import Callable, Iterable
from enum import StrEnum
from hashlib import blake2b
from typing import Any, Literal, NamedTuple

from streams.core import events as e
from streams.core.events import JournalEvent
from streams.core.policy import Policy
from streams.core.routing_facts import Facts


class Status(StrEnum):
    """Where a leg stands."""

    NEW = "new"
    HELD = "held"
    READY = "ready"
    OPEN = "open"
    BACKOFF = "backoff"
    ACCEPTED = "accepted"
    UNKNOWN = "unknown"
    DELIVERED = "delivered"
    READ = "read"
    UNDELIVERED = "undelivered"
    NO_RECEIPT = "no_receipt"
    UNCONFIRMED = "unconfirmed"
    SUPPRESSED = "suppressed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    FAILED = "failed"


TERMINAL = frozenset(
    {
        Status.DELIVERED,
        Status.READ,
        Status.UNDELIVERED,
        Status.NO_RECEIPT,
        Status.UNCONFIRMED,
        Status.SUPPRESSED,
        Status.CANCELLED,
        Status.EXPIRED,
        Status.FAILED,
    }
)

LANES_OWN = frozenset({"lane", "sender", "account"})
"""Scopes of a refusal for which the lane is to blame, and another may take the message."""

UNDER_WAY = frozenset({Status.OPEN, Status.ACCEPTED, Status.UNKNOWN})
"""A carrier has it, or may have."""

NOT_SENT = frozenset({Status.SUPPRESSED, Status.CANCELLED, Status.EXPIRED, Status.FAILED})
"""States that say no carrier ever took the message: its ledger must have no entry."""

BUCKETS: dict[Status, str] = {
    Status.DELIVERED: "delivered",
    Status.READ: "delivered",
    Status.UNDELIVERED: "undelivered",
    Status.FAILED: "undelivered",
    Status.SUPPRESSED: "suppressed",
    Status.UNCONFIRMED: "unconfirmed",
    Status.NO_RECEIPT: "unconfirmed",
    Status.EXPIRED: "expired",
    Status.CANCELLED: "cancelled",
}
"""How reports count a terminal state; anything else is in flight."""

CATEGORY: dict[Status, str] = {
    Status.NEW: "",
    Status.HELD: "held",
    Status.READY: "sending",
    Status.OPEN: "sending",
    Status.BACKOFF: "sending",
    Status.UNKNOWN: "unknown",
    Status.ACCEPTED: "accepted",
    **BUCKETS,
}
"""How pages count a leg; what every :class:`~streams.core.events.Moved` speaks of."""


class State:
    """One leg, folded. ``version`` is that of its last row; 0 before the first.

    ``attempt`` is the open or last attempt (the version of its intent); ``unknown`` holds the
    attempts whose fate was never learned; ``tries`` counts definite failures in this step,
    ``missed`` how often it rang there in vain; ``tried`` the channels of earlier steps; ``avoid``
    the lanes that refused it for what they are, or never answered.
    """

    __slots__ = (
        "accepted",
        "attempt",
        "avoid",
        "call_before_ms",
        "cancelled",
        "delivered",
        "facts",
        "head",
        "held_failed",
        "held_reason",
        "held_until_ms",
        "missed",
        "opened_at_ms",
        "reason",
        "refs",
        "route",
        "routed_at_ms",
        "status",
        "touched_ms",
        "tried",
        "tries",
        "undelivered",
        "unknown",
        "unknown_at_ms",
        "version",
    )

    def __init__(self) -> None:
        self.version = 0
        self.status = Status.NEW
        self.head: e.Head | None = None
        self.route: e.Route | None = None
        self.facts: Facts | None = None
        self.reason = ""
        self.attempt = 0
        self.call_before_ms = 0
        self.tries = 0
        self.missed = 0
        self.tried: set[str] = set()
        self.avoid: set[str] = set()
        self.unknown: set[int] = set()
        self.accepted: set[int] = set()
        self.delivered: set[int] = set()
        self.undelivered: set[int] = set()
        self.unknown_at_ms = 0
        self.refs: dict[int, str] = {}
        self.cancelled = ""
        self.held_until_ms = 0
        self.held_reason = ""
        self.held_failed = ""
        self.opened_at_ms = 0
        self.routed_at_ms = 0
        self.touched_ms = 0

    @property
    def terminal(self) -> bool:
        return self.status in TERMINAL

    @property
    def too_late(self) -> bool:
        """A stop came when the message was already on its way."""
        return bool(self.cancelled) and self.status is not Status.CANCELLED


class Journalled(NamedTuple):
    """A decoded row: what the fold reads."""

    version: int
    at_ms: int
    event: JournalEvent


def fold(rows: Iterable[Journalled]) -> State:
    """The state that a stream's rows, in version order, add up to."""
    state = State()
    for row in rows:
        apply(state, row)
    return state


def apply(state: State, row: Journalled) -> None:
    """One more row."""
    state.version = row.version
    state.touched_ms = row.at_ms
    handler = _APPLY.get(type(row.event))
    if handler is not None:
        handler(state, row.event, row)


def _routed(s: State, x: e.Routed, row: Journalled) -> None:
    s.head, s.opened_at_ms = x.head, row.at_ms
    _take_route(s, x.route, x.facts, x.reason, row.at_ms)


def _released(s: State, x: e.Released, row: Journalled) -> None:
    _take_route(s, x.route, x.facts, x.reason, row.at_ms)


def _escalated(s: State, x: e.Escalated, row: Journalled) -> None:
    if s.route is not None:
        s.tried.add(s.route.channel)
    s.tries = s.missed = 0
    _take_route(s, x.route, x.facts, x.reason, row.at_ms)


def _take_route(s: State, route: e.Route, facts: Facts, reason: str, at_ms: int) -> None:
    if s.route is not None and s.route.channel != route.channel:
        s.tries = s.missed = 0
    s.route, s.facts, s.reason, s.routed_at_ms = route, facts, reason, at_ms
    s.status = Status.READY


def _held(s: State, x: e.Held, row: Journalled) -> None:
    if x.head is not None:
        s.head, s.opened_at_ms = x.head, row.at_ms
    if x.failed and s.route is not None:
        s.tried.add(s.route.channel)  # the facts name no channel of whom nobody knows
    s.tried.update(c.channel for c in x.facts.channels if c.tried)
    s.facts, s.reason = x.facts, x.reason
    s.held_until_ms, s.held_reason, s.held_failed = x.until_ms, x.reason, x.failed
    s.status = Status.HELD


def _suppressed(s: State, x: e.Suppressed, row: Journalled) -> None:
    if x.head is not None:
        s.head, s.opened_at_ms = x.head, row.at_ms
    s.facts, s.reason = x.facts, x.reason
    s.status = _end(s, Status.SUPPRESSED)


def _intended(s: State, x: e.AttemptIntended, row: Journalled) -> None:
    s.attempt, s.call_before_ms = row.version, x.call_before_ms
    s.status = Status.OPEN


def _cancelled(s: State, x: e.Cancelled, row: Journalled) -> None:
    s.cancelled = s.cancelled or x.reason
    if s.status in (Status.HELD, Status.READY, Status.BACKOFF):
        s.reason = x.reason
        s.status = _end(s, Status.CANCELLED)


def _expired(s: State, x: e.Expired, row: Journalled) -> None:
    s.reason = x.reason
    s.status = _end(s, Status.EXPIRED)


def _failed(s: State, x: e.Failed, row: Journalled) -> None:
    s.reason = x.reason
    s.status = _end(s, Status.FAILED)


def _end(s: State, status: Status) -> Status:
    """How a leg ends that is closed now: never as less than what is known of its attempts, and
    one that ever held an unresolved unknown ends Unconfirmed or better."""
    if s.delivered:
        return Status.DELIVERED
    if s.unknown:
        return Status.UNCONFIRMED
    if s.accepted - s.undelivered:
        return Status.NO_RECEIPT
    return Status.UNDELIVERED if s.accepted else status


def _accepted(s: State, x: e.Accepted, row: Journalled) -> None:
    s.unknown.discard(x.attempt)
    s.accepted.add(x.attempt)
    s.refs[x.attempt] = x.ref
    if s.status in (Status.OPEN, Status.UNKNOWN):
        if x.attempt == s.attempt:
            s.status = Status.ACCEPTED
    elif x.attempt not in s.undelivered and s.status in (Status.UNCONFIRMED, *NOT_SENT):
        s.status = Status.ACCEPTED


def _not_sent(s: State, x: e.NotSent, row: Journalled) -> None:
    _definite(s, x.attempt, Status.READY)


def _throttled(s: State, x: e.Throttled, row: Journalled) -> None:
    _definite(s, x.attempt, Status.READY)


def _refused(s: State, x: e.Refused, row: Journalled) -> None:
    s.tries += 1
    if x.scope in LANES_OWN:
        _avoid(s)
    _definite(s, x.attempt, Status.BACKOFF)


def _avoid(s: State) -> None:
    if s.route is not None:
        s.avoid.add(s.route.lane)


def _definite(s: State, attempt: int, then: Status) -> None:
    """The attempt was surely not taken: ready again, unless a stop came meanwhile."""
    s.unknown.discard(attempt)
    if attempt != s.attempt or s.status not in (Status.OPEN, Status.UNKNOWN, Status.UNCONFIRMED):
        return
    if s.cancelled:
        s.reason = s.cancelled
        s.status = _end(s, Status.CANCELLED)
    else:
        s.status = then


def _unknown(s: State, x: e.Unknown, row: Journalled) -> None:
    if x.attempt in s.unknown or x.attempt in s.accepted:
        return  # said before, or a report overtook it
    s.unknown.add(x.attempt)
    s.unknown_at_ms = row.at_ms
    s.tries += 1
    _avoid(s)
    if x.attempt == s.attempt and s.status is Status.OPEN:
        s.status = Status.UNKNOWN


def _unconfirmed(s: State, x: e.Unconfirmed, row: Journalled) -> None:
    s.reason = x.reason
    s.status = _end(s, Status.UNCONFIRMED)


def _no_receipt(s: State, x: e.NoReceipt, row: Journalled) -> None:
    if s.status is Status.ACCEPTED:
        s.status = _end(s, Status.NO_RECEIPT)


def _delivered(s: State, x: e.Delivered, row: Journalled) -> None:
    _reported(s, x.attempt)
    s.delivered.add(x.attempt)
    if s.status is not Status.READ:
        s.status = Status.DELIVERED


def _undelivered(s: State, x: e.Undelivered, row: Journalled) -> None:
    _reported(s, x.attempt)
    s.undelivered.add(x.attempt)
    if s.status in (Status.DELIVERED, Status.READ, Status.READY, Status.HELD):
        return
    if x.attempt == s.attempt and x.then == "again" and s.status in UNDER_WAY and not s.cancelled:
        s.missed += 1
        s.status = Status.BACKOFF
    elif x.attempt == s.attempt and not (s.missed and s.status is Status.BACKOFF):
        s.reason = x.code
        s.status = _end(s, Status.UNDELIVERED) if s.cancelled else Status.UNDELIVERED
    elif _awaits_nothing(s):
        s.status = _end(s, Status.UNDELIVERED)


def _awaits_nothing(s: State) -> bool:
    """Closed without proof, or open only for an earlier attempt that was accepted late."""
    if s.status is Status.ACCEPTED:
        return s.attempt not in s.accepted
    return s.status in (Status.UNCONFIRMED, Status.NO_RECEIPT)


def _read(s: State, x: e.Read, row: Journalled) -> None:
    _reported(s, x.attempt)
    s.delivered.add(x.attempt)
    s.status = Status.READ


def _underway(s: State, x: e.Reported, row: Journalled) -> None:
    _reported(s, x.attempt)
    if x.attempt == s.attempt and s.status in (Status.OPEN, Status.UNKNOWN):
        s.status = Status.ACCEPTED


def _reported(s: State, attempt: int) -> None:
    """A report proves that the attempt was taken."""
    s.unknown.discard(attempt)
    s.accepted.add(attempt)


_APPLY: dict[type[e.Base], Callable[[State, Any, Journalled], None]] = {
    e.Routed: _routed,
    e.Released: _released,
    e.Escalated: _escalated,
    e.Held: _held,
    e.Suppressed: _suppressed,
    e.AttemptIntended: _intended,
    e.Cancelled: _cancelled,
    e.Expired: _expired,
    e.Failed: _failed,
    e.Unknown: _unknown,
    e.Unconfirmed: _unconfirmed,
    e.NoReceipt: _no_receipt,
    e.Accepted: _accepted,
    e.NotSent: _not_sent,
    e.Throttled: _throttled,
    e.Refused: _refused,
    e.Delivered: _delivered,
    e.Undelivered: _undelivered,
    e.Read: _read,
    e.Reported: _underway,
}


def may_escalate(state: State) -> bool:
    """Whether the next channel may still be tried, although nothing is under way: without proof
    that it reached. A message in the inbox proves nothing until it is read."""
    if state.status is Status.DELIVERED:
        return state.route is not None and state.route.channel == "inbox"
    return state.status in (Status.ACCEPTED, Status.UNCONFIRMED, Status.NO_RECEIPT)


# What a state still needs ------------------------------------------------------------------------


class Need(NamedTuple):
    """What a state still needs from whoever meets it: its record on its lane's topic, or a timer
    at ``due_ms``, or nothing."""

    kind: Literal["publish", "timer", "nothing"]
    due_ms: int = 0


NOTHING = Need("nothing")
PUBLISH = Need("publish")


def resume(state: State, policy: Policy) -> Need:
    """What must be seen to before a record about this stream may be acknowledged.

    Journalled does not mean published: whoever meets a conflict or a duplicate asks this, and
    never judges by the row that stood in its way. Never calls for a provider.
    """
    match state.status:
        case Status.READY:
            return PUBLISH
        case Status.OPEN:
            return Need("timer", state.call_before_ms + policy.answer_ms)
        case Status.HELD:
            return Need("timer", state.held_until_ms)
        case Status.BACKOFF:
            wait_ms = again_ms(state, policy) if state.missed else backoff_ms(state, policy)
            return Need("timer", state.touched_ms + wait_ms)
        case Status.UNKNOWN:
            return Need("timer", state.unknown_at_ms + _horizon_ms(state, policy))
        case _:
            return NOTHING


def backoff_ms(state: State, policy: Policy) -> int:
    """Full jitter: anywhere between nothing and the doubled base, the same for the same try."""
    ceiling = min(policy.backoff_max_ms, policy.backoff_ms << min(state.tries, 16))
    event = state.head.event if state.head else b""
    seed = blake2b(event + state.version.to_bytes(4, "big"), digest_size=4).digest()
    return int.from_bytes(seed, "big") % max(ceiling, 1) + 1


def may_ring_again(state: State, policy: Policy) -> bool:
    """Whether the plan has another call for somebody who did not answer."""
    return state.missed <= len(policy.ring_again_ms)


def again_ms(state: State, policy: Policy) -> int:
    """How long after the last call in vain; a plan that was shortened meanwhile ends as it does."""
    plan = policy.ring_again_ms[: state.missed]
    return plan[-1] if plan else 0


def _horizon_ms(state: State, policy: Policy) -> int:
    return policy.classes[state.head.cls].horizon_ms if state.head else 0


def moved(state: State, route: e.Route | None = None) -> e.Moved | None:
    """From where ``state`` moves on; for facts and decisions about an existing leg."""
    if state.head is None:
        return None
    at = route or state.route
    return e.Moved(
        was=CATEGORY[state.status],
        channel=at.channel if at else "",
        lane=at.lane if at else "",
        carrier=at.carrier if at else "",
        notice=state.head.notice,
        cls=state.head.cls,
        region=state.head.region,
    )
