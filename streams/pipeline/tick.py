"""tick(now): what has fallen due is looked at again, as a whole.

A timer is only a hint that a stream wants looking at: what happens is decided on its folded state
and on today's preferences, caps and hours. The append is the claim; the record is published after
it; the timer rows go last, and only here.
"""

from collections.abc import Mapping, Sequence

from streams.core import events as e
from streams.core.codec import decode
from streams.core.gathering import NO_HISTORY
from streams.core.lifecycle import State, Status, moved, resume
from streams.core.notices import plan, recipients
from streams.journal.base import Group, Reader, Timer, Unit
from streams.pipeline.caps import cap_key, counts_today, yield_to_others
from streams.pipeline.deciding import (
    REDECIDE,
    RELEASE,
    Background,
    Leg,
    background,
    judge,
    may_retry,
    same_leg,
)
from streams.pipeline.reconcile import reconcile
from streams.pipeline.resuming import resume_streams
from streams.pipeline.river import River, entry, state_of
from streams.pipeline.stop_follower import follow_stops
from streams.pipeline.stopping import STOP, redecide_overtaken, settle_opened

BATCH = 500


async def tick(river: River) -> int:
    """Serve up to :data:`BATCH` timers that are due; how many were."""
    now_ms = river.clock.now_ms()
    timers = await river.journal.due(now_ms, BATCH)
    if not timers:
        return 0
    lost = await look_at(river, timers)
    await follow_stops(river, [t for t in timers if t.kind.startswith(STOP)])
    # what lost against another row may need its timer still: it is served again, on that row
    await river.journal.delete_timers([t for t in timers if t.stream not in lost])
    return len(timers)


async def look_at(river: River, timers: Sequence[Timer]) -> set[bytes]:
    """Decide afresh on every stream, append, publish; the streams whose decision lost."""
    asked = {t.stream for t in timers if t.kind == REDECIDE}
    rows = await river.journal.read(sorted({t.stream for t in timers}))
    states = {s: state_of(r) for s, r in rows.items()}
    states = {s: state for s, state in states.items() if state.head is not None}
    wants = [s for s, state in states.items() if _wants(river, state, s in asked)]
    if found := await reconcile(river, rows, {s: states[s] for s in wants}):
        states |= {s: state_of(r) for s, r in (await river.journal.read(sorted(found))).items()}
        wants = [s for s in wants if _wants(river, states[s], s in asked)]
    ground = await background(river, [h for s in wants if (h := states[s].head)])
    ground = await _with_contacts(river, ground)
    sent = await _sent_today(river, ground, [states[s] for s in wants])
    units: list[Unit] = []
    for stream in wants:
        units += _again(river, ground, stream, states[stream], sent)
    lost: set[bytes] = set()
    if units:
        changed: set[str] = set()
        opened = _opened(units, states)
        told = {s: h.recipient for s, h in {**_heads(states), **opened}.items()}
        committed = await river.journal.append(
            Group(
                units,
                effects=[river.people.changed(ground.people, changed)],
                look=lambda reader: [
                    *_capped(river, ground, reader, states),
                    *settle_opened(river, reader, opened),
                    *redecide_overtaken(river, reader, told, changed, river.clock.now_ms()),
                ],
            )
        )
        lost = {u.rows[0].stream for u, ok in zip(units, committed.won, strict=True) if not ok}
    await resume_streams(river, [*states, *(u.rows[0].stream for u in units if u.rows)])
    return lost


def _heads(states: Mapping[bytes, State]) -> dict[bytes, e.Head]:
    return {s: state.head for s, state in states.items() if state.head is not None}


def _opened(units: Sequence[Unit], states: Mapping[bytes, State]) -> dict[bytes, e.Head]:
    """The legs that are opened here, and what they are about."""
    firsts = [unit.rows[0] for unit in units if unit.rows[0].stream not in states]
    heads = {row.stream: getattr(decode(row.type, row.data), "head", None) for row in firsts}
    return {stream: head for stream, head in heads.items() if head is not None}


async def _with_contacts(river: River, ground: Background) -> Background:
    """The contact persons of the enterprises it is about, too."""
    persons = {
        p.ref for k in ground.people.values() if k.recipient for p in k.recipient.profile.persons
    }
    if not persons - ground.people.keys():
        return ground
    return ground._replace(people={**ground.people, **await river.people.load(sorted(persons))})


def _wants(river: River, state: State, asked: bool) -> bool:
    """Whether the state asks for a decision now; a timer that came early does not."""
    now_ms = river.clock.now_ms()
    need = resume(state, river.documents.policy)
    if state.status in (Status.HELD, Status.READY) and asked:
        return True
    return need.kind == "timer" and need.due_ms <= now_ms


def _capped(
    river: River, ground: Background, reader: Reader, states: Mapping[bytes, State]
) -> list[Unit]:
    """Releases that another worker's sending left no room for are held again."""
    legs = [(s, state.head) for s, state in states.items() if state.status is Status.HELD]
    return yield_to_others(
        river, reader, [(s, h) for s, h in legs if h], ground.people, ground.events,
        river.clock.now_ms(),
    )  # fmt: skip


async def _sent_today(
    river: River, ground: Background, states: Sequence[State]
) -> dict[bytes, int]:
    """What each recipient was sent today of a capped class, for the legs that were held."""
    keys = {k for s in states if (k := _cap_key(river, ground, s)) is not None}
    return dict(await river.journal.counts(sorted(keys))) if keys else {}


def _cap_key(river: River, ground: Background, state: State) -> bytes | None:
    head = state.head
    assert head is not None
    if state.status is not Status.HELD:
        return None
    return cap_key(river, head, ground.people.get(head.recipient), river.clock.now_ms())


def _again(
    river: River, ground: Background, stream: bytes, state: State, sent: dict[bytes, int]
) -> list[Unit]:
    """The units of one stream that is due."""
    match state.status:
        case Status.OPEN:
            return [_lost(river, stream, state)]
        case Status.UNKNOWN:
            return [_past_horizon(river, ground, stream, state)]
        case Status.HELD if handed := _handed_over(river, ground, stream, state):
            return handed
        case Status.BACKOFF:
            return [_decided(river, ground, same_leg(state, stream, "retry"))]
        case Status.READY:
            return [_decided(river, ground, same_leg(state, stream, "decided_again"))]
        case _:
            return [_released(river, ground, stream, state, sent)]


def _released(
    river: River, ground: Background, stream: bytes, state: State, sent: dict[bytes, int]
) -> Unit:
    """A release decides caps again, and counts what it releases; a leg that was set going before
    on the same day is not in its own way."""
    assert state.head is not None
    now_ms = river.clock.now_ms()
    known = ground.people.get(state.head.recipient)
    event = ground.events.get(state.head.event)
    key = _cap_key(river, ground, state)
    own = int(counts_today(state, known, now_ms))
    history = NO_HISTORY._replace(sent_today=sent.get(key, 0) - own if key else 0)
    leg = same_leg(state, stream, state.held_failed, history)
    judged = judge(river, leg, known, event, now_ms)
    if key and judged.verdict.kind == "send":
        sent[key] = sent.get(key, 0) + 1 - own
    return judged.unit


def _decided(river: River, ground: Background, leg: Leg) -> Unit:
    known = ground.people.get(leg.head.recipient)
    event = ground.events.get(leg.head.event)
    return judge(river, leg, known, event, river.clock.now_ms()).unit


def _lost(river: River, stream: bytes, state: State) -> Unit:
    """An open intent past its deadline and time-out: nobody will ever answer for it."""
    event = e.Unknown(
        attempt=state.attempt, evidence="no answer before the time-out", moved=moved(state)
    )
    now_ms = river.clock.now_ms()
    assert state.head is not None
    horizon_ms = river.documents.policy.classes[state.head.cls].horizon_ms
    timer = Timer(now_ms + horizon_ms, stream, RELEASE)
    return Unit((entry(stream, state.version + 1, event),), (), (timer,))


def _past_horizon(river: River, ground: Background, stream: bytes, state: State) -> Unit:
    """The class's policy on an unknown that stayed unknown: repeat it, or say so for good."""
    head, route = state.head, state.route
    assert head is not None and route is not None
    rule = river.documents.policy.classes[head.cls]
    if route.channel in rule.resend_unknown and may_retry(state, river) and not state.cancelled:
        return _decided(river, ground, same_leg(state, stream, "resent"))
    event = e.Unconfirmed(
        attempt=state.attempt,
        reason="cancelled" if state.cancelled else "horizon",
        moved=moved(state),
    )
    return Unit((entry(stream, state.version + 1, event),))


def _handed_over(river: River, ground: Background, stream: bytes, state: State) -> list[Unit]:
    """Where a notice goes to an enterprise's contact persons, those of today are told: whoever the
    leg was planned for, an enterprise not yet registered or a person who has left, hands over.
    Nothing where the leg's recipient is still meant."""
    head = state.head
    assert head is not None
    event = ground.events.get(head.event)
    subject = ground.people.get(event.subject) if event else None
    if event is None or subject is None or subject.recipient is None or state.attempt:
        return []
    notice = river.documents.catalog.notices.get(head.notice)
    if notice is None:
        return []
    refs = recipients(notice, event, subject.recipient)
    if head.recipient in refs:
        return []
    profile = subject.recipient.profile
    plans = plan(event, notice, refs, river.documents.policy, profile)
    handed = e.Cancelled(reason="handed_over", by="contact persons", moved=moved(state))
    units = [Unit((entry(stream, state.version + 1, handed),))]
    for planned in plans:
        if planned.head.occasion != head.occasion or planned.head.leg != head.leg:
            continue
        leg = Leg(planned.stream, planned.head)
        person = ground.people.get(planned.head.recipient)
        now_ms = river.clock.now_ms()
        unit = judge(river, leg, person, event, now_ms).unit
        # this leg is done with after this, so the new one sees to itself if we die now
        own = Timer(now_ms + 1, planned.stream, RELEASE)
        units.append(unit._replace(timers=(*unit.timers, own)))
    return units
