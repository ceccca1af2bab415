"""Facts that need a second thought: refusals, unknowns, late answers, reports.

A fact is never refused. It goes to the next free version, and the decision it causes is made on
the state after the fact, in the same unit. When the unit loses, everything is read and decided
again; a fact that is already there is a duplicate only if it says exactly the same.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from channels.base import (
    NOT_ABROAD,
    Accepted,
    NotSent,
    Outcome,
    Permanent,
    Receipt,
    Throttled,
    Transient,
    Unknown,
)
from channels.carriers import CARRIERS, PORTED
from channels.lanes import cost_of
from streams.core import events as e
from streams.core.codec import decode
from streams.core.gathering import CONTACT_OF
from streams.core.lifecycle import (
    LANES_OWN,
    Journalled,
    State,
    Status,
    apply,
    may_ring_again,
    moved,
    resume,
)
from streams.journal.base import Group, Lookup, Row, Timer, Unit
from streams.pipeline.deciding import (
    RELEASE,
    Background,
    Leg,
    background,
    judge,
    may_retry,
    next_leg,
    same_leg,
)
from streams.pipeline.resuming import resume_states
from streams.pipeline.river import (
    Effect,
    Known,
    River,
    entry,
    found_by,
    open_content,
    state_of,
)
from streams.pipeline.stopping import held_against, held_back


class Answer(NamedTuple):
    """What became of one attempt: a call's outcome or a carrier's report."""

    stream: bytes
    attempt: int
    what: Outcome | Receipt
    lane: str


async def record_answers(river: River, answers: Sequence[Answer]) -> None:
    """Append every fact, with the decision it causes; then see to what its leg needs."""
    pending = list(answers)
    while pending:
        pending = await _append(river, pending)


async def _append(river: River, answers: Sequence[Answer]) -> list[Answer]:
    """One try; the answers whose unit met a conflict, and those that must wait their turn because
    another answer in this batch is about the same stream."""
    turn: dict[bytes, Answer] = {}
    later = [a for a in answers if turn.setdefault(a.stream, a) is not a]
    rows = await river.journal.read(list(turn))
    states = {stream: state_of(history) for stream, history in rows.items()}
    ground = await background(
        river, [s.head for a in turn.values() if (s := states.get(a.stream)) and s.head
                and _may_decide(a.what)]
    )  # fmt: skip
    units: list[Unit] = []
    effects: list[Effect] = []
    asked: list[Answer] = []
    met: dict[bytes, State] = {}
    for stream, answer in turn.items():
        state = states.get(stream)
        if state is None or state.head is None:
            continue
        if _is_duplicate(rows[stream], answer):
            met[stream] = state
            continue
        units.append(_unit(river, ground, state, answer))
        effects.extend(_lessons(river, ground, state, answer))
        asked.append(answer)
    if units:
        committed = await river.journal.append(_group(river, units, effects, ground, states))
        won = [a.stream for a, ok in zip(asked, committed.won, strict=True) if ok]
        later += [a for a, ok in zip(asked, committed.won, strict=True) if not ok]
        after = await river.journal.read(won)
        met.update({s: state_of(history) for s, history in after.items()})
    await resume_states(river, met)
    return later


def _group(
    river: River,
    units: list[Unit],
    effects: list[Effect],
    ground: Background,
    states: Mapping[bytes, State],
) -> Group:
    """With the decisions among them held against what their recipients chose meanwhile."""
    if not ground.people:
        return Group(units, effects=effects)
    legs = {s: state.head.recipient for s, state in states.items() if state.head}
    now_ms = river.clock.now_ms()
    return held_against(river, units, ground.people, legs, now_ms, effects=effects)


def _may_decide(what: Outcome | Receipt) -> bool:
    if isinstance(what, Receipt):
        return what.status in ("undelivered", "expired", "rejected") or bool(what.carrier)
    return isinstance(what, Transient | Permanent)


def _is_duplicate(rows: Sequence[Row], answer: Answer) -> bool:
    """Exactly this is journalled already."""
    fact = fact_of(answer, None)
    return any(
        type(known) is type(fact) and _says(known) == _says(fact)
        for known in (decode(r.type, r.data) for r in rows)
    )


_NOT_SAID = ("moved", "at_ms", "segments", "cost")


def _says(event: e.Base) -> tuple[object, ...]:
    """What makes two facts the same: kind, attempt, rank and code; not when, not from where."""
    return tuple(getattr(event, name) for name in event.__struct_fields__ if name not in _NOT_SAID)


def fact_of(answer: Answer, was: e.Moved | None) -> e.JournalEvent:
    """The event that says what became of the attempt."""
    attempt = answer.attempt
    match answer.what:
        case Accepted(ref):
            return e.Accepted(attempt=attempt, ref=ref, moved=was)
        case NotSent(reason):
            return e.NotSent(attempt=attempt, reason=reason, moved=was)
        case Throttled(code):
            return e.Throttled(attempt=attempt, code=code, moved=was)
        case Transient(code):
            return e.Refused(attempt=attempt, code=code, moved=was)
        case Permanent(code, scope):
            return e.Refused(attempt=attempt, code=code, scope=scope, moved=was)
        case Unknown(evidence):
            return e.Unknown(attempt=attempt, evidence=evidence, moved=was)
        case Receipt(status="delivered", code=code, at_ms=at_ms):
            return e.Delivered(attempt=attempt, code=code, at_ms=at_ms, moved=was)
        case Receipt(status="read", code=code, at_ms=at_ms):
            return e.Read(attempt=attempt, at_ms=at_ms, code=code, moved=was)
        case Receipt(status="relayed" | "delayed" | "complaint" as status, code=code, at_ms=at_ms):
            return e.Reported(attempt=attempt, status=status, code=code, at_ms=at_ms, moved=was)
        case Receipt(status=status, code=code, at_ms=at_ms, then=then):
            return e.Undelivered(
                attempt=attempt, status=status, code=code, at_ms=at_ms, then=then, moved=was
            )


def _unit(river: River, ground: Background, state: State, answer: Answer) -> Unit:
    """The fact at the next free version and, where it asks for one, the decision after it."""
    assert state.head is not None
    before = state.status
    was = moved(state)
    fact = fact_of(answer, was)
    version = state.version + 1
    now_ms = river.clock.now_ms()
    apply(state, Journalled(version, now_ms, fact))
    if state.status is before:
        fact = fact_of(answer, None)
    if isinstance(fact, e.Accepted):
        fact = replace(fact, **_charged(river, state, answer))
    rows = [entry(answer.stream, version, fact)]
    lookups: list[Lookup] = []
    timers: list[Timer] = []
    if isinstance(answer.what, Accepted):
        lookups.extend(found_by(river, answer.lane, answer.what.ref, answer.stream))
    # a fact that changes nothing decides nothing: what it came after was decided on then
    decision = None
    if state.status is not before:
        decision = _decision(river, ground, state, answer, now_ms)
    if decision is not None:
        rows += decision.rows
        lookups += decision.lookups
        timers += decision.timers
    else:
        need = resume(state, river.documents.policy)
        if need.kind == "timer":
            timers.append(Timer(need.due_ms, answer.stream, RELEASE))
    return Unit(tuple(rows), tuple(lookups), tuple(timers))


def _charged(river: River, state: State, answer: Answer) -> dict[str, int]:
    """Segments and cost of an attempt that was taken after all. What it was made of is the route in
    use, unless another has taken its place since."""
    assert state.route is not None
    segments = state.route.segments
    return {"segments": segments, "cost": cost_of(river.documents.lanes, answer.lane, segments)}


def _decision(
    river: River, ground: Background, state: State, answer: Answer, now_ms: int
) -> Unit | None:
    """What the state after a refusal or a bad report asks for at once."""
    assert state.head is not None
    what = answer.what
    if state.status is Status.READY and isinstance(what, NotSent | Throttled):
        return held_back(river, answer.stream, state, now_ms)  # its recipient may have chosen since
    leg = None
    if state.status is Status.BACKOFF:
        if isinstance(what, Receipt):
            if not may_ring_again(state, river.documents.policy):
                leg = next_leg(state, answer.stream, f"undelivered:{what.code}")
        elif isinstance(what, Permanent) and what.scope in LANES_OWN:
            leg = _by_another_lane(river, state, answer.stream, what)
        elif isinstance(what, Permanent) or not may_retry(state, river):
            leg = next_leg(state, answer.stream, f"refused:{_code(what)}")
    elif state.status is Status.UNDELIVERED and not state.cancelled:
        leg = next_leg(state, answer.stream, f"undelivered:{_code(what)}")
    if leg is None:
        return None
    known = ground.people.get(state.head.recipient)
    if known is not None and _reaches_nobody(what):
        known = without_address(known, _address(known, state, answer), _code(what))
    if known is not None and _ported(state, answer):
        known = moved_away(known, _address(known, state, answer))
    event = ground.events.get(state.head.event)
    return judge(river, leg, known, event, now_ms).unit


def _by_another_lane(river: River, state: State, stream: bytes, what: Permanent) -> Leg:
    """The lane is to blame. A number that it does not serve is sent once by another, however few
    tries its class has, since nothing else was wrong with the message; where there is no other,
    the channel is done with, since no lane will think otherwise of it later."""
    reason = f"refused:{what.code}"
    if what.scope == "lane":
        again = len(state.avoid) == 1 and _has_another(river, state)
    else:
        again = may_retry(state, river)
    return (same_leg if again else next_leg)(state, stream, reason)


def _has_another(river: River, state: State) -> bool:
    """Whether a lane of its network is left, or one that takes ported numbers."""
    route, lanes = state.route, river.documents.lanes
    assert route is not None
    barred = frozenset(state.avoid)
    return any(lanes.ways(route.channel, of, barred).lanes for of in (route.carrier, PORTED))


def _ported(state: State, answer: Answer) -> bool:
    """Whether a refusal says that the number has left the network its lane was chosen for."""
    what, route = answer.what, state.route
    lane_only = isinstance(what, Permanent) and what.scope == "lane" and what.code != NOT_ABROAD
    return lane_only and route is not None and route.carrier in CARRIERS


def moved_away(known: Known, address: str) -> Known:
    """Somebody as they are known once a number was found to be ported: the decision that follows
    the refusal goes by it."""
    return _with_contact(known, address, carrier=PORTED)


def without_address(known: Known, address: str, why: str) -> Known:
    """Somebody as they are known once an address was refused for good: the decision that follows
    the refusal must not try it by another channel."""
    return _with_contact(known, address, suppressed=why)


def _with_contact(known: Known, address: str, **learned: str) -> Known:
    if known.recipient is None:
        return known
    profile = known.recipient.profile
    contacts = tuple(replace(c, **learned) if c.address == address else c for c in profile.contacts)
    who = replace(known.recipient, profile=replace(profile, contacts=contacts))
    return known._replace(recipient=who)


def _address(known: Known, state: State, answer: Answer) -> str:
    """Where the attempt went."""
    assert state.route is not None
    return open_content(known.key, state.route.sealed, answer.stream).to


def _code(what: Outcome | Receipt) -> str:
    return getattr(what, "code", "")


def _reaches_nobody(what: Outcome | Receipt) -> bool:
    """Whether it says so of the address, and not only of this message."""
    if isinstance(what, Receipt):
        return what.then == "never"
    return isinstance(what, Permanent) and what.scope == "recipient"


def _lessons(river: River, ground: Background, state: State, answer: Answer) -> list[Effect]:
    """What a refusal or a report teaches about the recipient's address."""
    assert state.head is not None and state.route is not None
    known = ground.people.get(state.head.recipient)
    if known is None or known.recipient is None:
        return []
    address = _address(known, state, answer)
    what = answer.what
    if _reaches_nobody(what):
        kind = CONTACT_OF[state.route.channel]
        return [river.people.suppress(kind, address, _code(what))]
    if _ported(state, answer):
        return [river.people.learn_carrier(address, PORTED)]
    if isinstance(what, Receipt) and what.carrier and what.carrier != state.route.carrier:
        return [river.people.learn_carrier(address, what.carrier)]
    return []
