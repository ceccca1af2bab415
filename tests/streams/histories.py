"""Random legal lives of legs, as the steps write them."""

import random
from collections import Counter
from collections.abc import Callable, Iterator

from msgspec.structs import replace

from streams.core import codec
from streams.core import events as e
from streams.core.lifecycle import Journalled, State, Status, apply, moved
from streams.core.routing_facts import Facts
from streams.journal.base import Entry, Group, Store, Unit

AT = 1_790_000_000_000
LANES = {"sms": ("sms-cmcc", "cmcc"), "email": ("email-a", ""), "inbox": ("inbox", "")}
FACTS = Facts(notice="n", cls="notice", category="c", event_ms=0, expiry_ms=1)
_OF_ATTEMPTS = (
    e.Accepted, e.NotSent, e.Throttled, e.Refused, e.Unknown, e.Delivered, e.Undelivered, e.Read,
    e.Reported,
)  # fmt: skip
REASONS = ("expired", "opted_out", "no_contact")


def life(rng: random.Random, event: bytes, length: int) -> list[e.Base]:
    """The events of one leg, in order; most legs end before ``length``."""
    state = State()
    events: list[e.Base] = []
    for _ in range(length):
        steps = list(_next(rng, state, event))
        if not steps:
            break
        chosen = rng.choice(steps)
        for make in chosen:
            before, one = state.status, make(state)
            apply(state, Journalled(state.version + 1, 0, one))  # type: ignore[arg-type]
            if isinstance(one, _OF_ATTEMPTS) and state.status is before:
                one = replace(one, moved=None)  # it changed nothing, and so moves nothing
            events.append(one)
    return events


def write_lives(store: Store, seed: int, legs: range) -> None:
    """Random lives of legs, their rows shuffled into each other, some to a commit."""
    rng = random.Random(seed)
    lives = {n: life(rng, n.to_bytes(16, "big"), rng.randint(1, 12)) for n in legs}
    turns = [n for n, events in lives.items() for _ in events]
    rng.shuffle(turns)
    done: Counter[int] = Counter()
    while turns:
        units = []
        for n in dict.fromkeys(turns[:20]):
            count = turns[:20].count(n)
            events = lives[n][done[n] : done[n] + count]
            entries = [
                Entry(n.to_bytes(16, "big"), version, *codec.encode(event))
                for version, event in enumerate(events, done[n] + 1)
            ]
            done[n] += count
            units.append(Unit(tuple(entries)))
        store.commit([Group(units)], AT)
        del turns[:20]


Make = Callable[[State], e.Base]


def _next(rng: random.Random, state: State, event: bytes) -> Iterator[tuple[Make, ...]]:
    """Everything that may be written next; a fact with the decision it causes counts as one."""
    if state.status is Status.NEW:
        yield from _first(rng, event)
        return
    yield from _facts(rng, state)
    if not state.cancelled and not state.terminal:
        yield (lambda s: e.Cancelled(reason="case_settled", moved=moved(s)),)
    match state.status:
        case Status.HELD | Status.READY | Status.BACKOFF:
            yield (lambda s: _released(rng, s),)
            yield (
                lambda s: e.Held(
                    until_ms=9, reason="quiet_hours", facts=FACTS, policy=1, moved=moved(s)
                ),
            )
            yield (lambda s: e.Expired(moved=moved(s)),)
            yield (lambda s: _ending(rng, s),)
            if state.status is Status.READY:
                yield (lambda s: e.AttemptIntended(lane=_lane(s), call_before_ms=1),)
                yield (lambda s: e.AttemptIntended(lane=_lane(s), call_before_ms=1),)
        case Status.OPEN:
            yield (lambda s: e.Unknown(attempt=s.attempt, evidence="time", moved=moved(s)),)
            if state.version == state.attempt:  # answered at once, and so without a fold
                yield (lambda s: e.Throttled(attempt=s.attempt, code="t"),)
        case Status.UNKNOWN:
            yield (lambda s: e.Unconfirmed(attempt=s.attempt, reason="horizon", moved=moved(s)),)
            if not state.cancelled:
                yield (lambda s: _released(rng, s),)
        case Status.ACCEPTED:
            yield (lambda s: e.NoReceipt(attempt=s.attempt, moved=moved(s)),)
    silent = (Status.ACCEPTED, Status.UNCONFIRMED, Status.NO_RECEIPT, Status.DELIVERED)
    if state.status in silent and not state.cancelled:
        yield (lambda s: _escalated(rng, s),)


def _first(rng: random.Random, event: bytes) -> Iterator[tuple[Make, ...]]:
    head = e.Head(
        notice=rng.choice(("violation", "permit")), cls="notice", category="c", recipient="P",
        event=event, event_ms=0, expiry_ms=1, region=rng.choice(("", "350100")),
    )  # fmt: skip
    yield (
        lambda s: e.Routed(
            head=head, route=_route(rng), facts=FACTS, policy=1, reason="first_reachable"
        ),
    )
    yield (lambda s: e.Held(until_ms=9, reason="not_due", facts=FACTS, policy=1, head=head),)
    yield (lambda s: e.Suppressed(reason=rng.choice(REASONS), facts=FACTS, policy=1, head=head),)


def _facts(rng: random.Random, state: State) -> Iterator[tuple[Make, ...]]:
    """Outcomes and reports of any attempt there was, in time or late."""
    attempts = sorted({state.attempt, *state.refs, *state.unknown} - {0})
    if not attempts:
        return
    attempt = rng.choice(attempts)
    yield (lambda s: e.Accepted(attempt=attempt, ref="r", moved=moved(s)),)
    yield (lambda s: e.Delivered(attempt=attempt, code="", at_ms=1, moved=moved(s)),)
    yield (lambda s: e.Delivered(attempt=attempt, code="", at_ms=1, moved=moved(s)),)
    yield (lambda s: e.Read(attempt=attempt, at_ms=1, moved=moved(s)),)
    yield (
        lambda s: e.Reported(
            attempt=attempt, status="relayed", code="2.0.0", at_ms=1, moved=moved(s)
        ),
    )
    yield (lambda s: e.NotSent(attempt=attempt, reason="dns", moved=moved(s)),)
    yield (lambda s: e.Unknown(attempt=attempt, evidence="reset", moved=moved(s)),)
    refused: Make = lambda s: e.Refused(attempt=attempt, code="x", moved=moved(s))  # noqa: E731
    yield (refused,)
    if state.status is Status.OPEN and attempt == state.attempt and not state.cancelled:
        yield refused, lambda s: _released(rng, s)
        yield refused, lambda s: _escalated(rng, s)
        yield refused, lambda s: e.Failed(reason="refused:x", moved=moved(s))
    undelivered: Make = lambda s: e.Undelivered(  # noqa: E731
        attempt=attempt, status="undelivered", code="1", at_ms=1, moved=moved(s)
    )
    yield (undelivered,)
    if state.status is Status.ACCEPTED and attempt == state.attempt and not state.cancelled:
        yield undelivered, lambda s: _escalated(rng, s)
        yield undelivered, lambda s: e.Failed(reason="undelivered:1", moved=moved(s))


def _released(rng: random.Random, s: State) -> e.Base:
    return e.Released(route=_route(rng), facts=FACTS, policy=1, reason="retry", moved=moved(s))


def _escalated(rng: random.Random, s: State) -> e.Base:
    return e.Escalated(
        route=_route(rng), facts=FACTS, policy=1, reason="no_receipt", after=s.attempt,
        moved=moved(s),
    )  # fmt: skip


def _ending(rng: random.Random, s: State) -> e.Base:
    if s.attempt:
        return e.Failed(reason="all_channels_tried", moved=moved(s))
    return e.Suppressed(reason=rng.choice(REASONS), facts=FACTS, policy=1, moved=moved(s))


def _route(rng: random.Random) -> e.Route:
    channel = rng.choice(list(LANES))
    lane, carrier = LANES[channel]
    return e.Route(
        channel=channel,  # type: ignore[arg-type]
        lane=lane, carrier=carrier, wording="w@1", language="zh", segments=1, sealed=b"",
    )  # fmt: skip


def _lane(s: State) -> str:
    assert s.route is not None
    return s.route.lane
