"""sweep(now): the hourly look at what has waited long enough: escalate, or close.

One decision per stream. Escalation after a silence and closing without a receipt come here so
that no message needs a timer for them; and under everything else it is the net: what a lost record
or timer left behind is found, seen to, and counted as an alarm, not as normal traffic.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from streams.core import events as e
from streams.core.gathering import chain
from streams.core.lifecycle import State, Status, may_escalate, moved, resume
from streams.core.policy import HOUR_MS
from streams.journal.base import Timer, Unit
from streams.pipeline.deciding import REDECIDE, Background, Leg, background, judge, next_leg
from streams.pipeline.resuming import resume_states
from streams.pipeline.river import River, entry, state_of
from streams.pipeline.stopping import held_against
from streams.pipeline.tick import look_at

BATCH = 500

LOOKED_AT = frozenset(
    f"{kind.__name__}.{version}"
    for kind in (e.Routed, e.Held, e.Released, e.Escalated, e.Unconfirmed)
    for version in range(1, kind.SCHEMA + 1)
)
"""A stream is looked at when the row that last set it going has waited long enough."""

GRACE_MS = HOUR_MS
"""What should have been done by a timer or a record is an alarm only when it is this late."""


class Swept(NamedTuple):
    """What a sweep did: escalated and closed as planned, and ``caught`` what others had lost."""

    escalated: int = 0
    closed: int = 0
    caught: int = 0

    def and_(self, more: "Swept") -> "Swept":
        return Swept(*(a + b for a, b in zip(self, more, strict=True)))


def waits(river: River) -> tuple[int, ...]:
    """After how long, in ms, a stream may be due for a decision of the sweep."""
    notices = river.documents.catalog.notices.values()
    after = {n.escalation.after_ms for n in notices if n.escalation}
    return tuple(sorted({*after, river.documents.policy.receipt_ms}))


async def sweep(river: River, streams: Sequence[bytes]) -> Swept:
    """Look at these streams, in batches; the bed names those whose rows have waited."""
    total = Swept()
    for i in range(0, len(streams), BATCH):
        total = total.and_(await _sweep(river, streams[i : i + BATCH]))
    return total


async def _sweep(river: River, streams: Sequence[bytes]) -> Swept:
    now_ms = river.clock.now_ms()
    rows = await river.journal.read(streams)
    states = {s: state_of(r) for s, r in rows.items()}
    states = {s: state for s, state in states.items() if state.head is not None}
    ground = await background(
        river,
        [h for state in states.values() if _silent(river, state, now_ms) and (h := state.head)],
    )
    units = list(_decisions(river, ground, states, now_ms))
    if units:
        legs = {s: state.head.recipient for s, state in states.items() if state.head}
        await river.journal.append(held_against(river, units, ground.people, legs, now_ms))
        after = await river.journal.read([u.rows[0].stream for u in units])
        await resume_states(river, {s: state_of(r) for s, r in after.items()})
    escalated = sum(u.rows[0].type.startswith("Escalated") for u in units)
    caught = await _catch(river, states, now_ms)
    return Swept(escalated, len(units) - escalated, caught)


def _decisions(
    river: River, ground: Background, states: dict[bytes, State], now_ms: int
) -> Iterator[Unit]:
    for stream, state in states.items():
        if _silent(river, state, now_ms):
            assert state.head is not None
            leg = _escalating(river, state, stream)
            known = ground.people.get(state.head.recipient)
            event = ground.events.get(state.head.event)
            judged = judge(river, leg, known, event, now_ms)
            if judged.verdict.kind != "suppress":
                yield judged.unit
                continue
        if _overdue(river, state, now_ms):
            closed = e.NoReceipt(attempt=state.attempt, moved=moved(state))
            yield Unit((entry(stream, state.version + 1, closed),))


def _escalating(river: River, state: State, stream: bytes) -> Leg:
    """A silence goes on through the channels the notice names for it, and no others."""
    assert state.head is not None
    notice = river.documents.catalog.notices[state.head.notice]
    assert notice.escalation is not None
    leg = next_leg(state, stream, "no_receipt")
    others = set(chain(state.head, notice)) - set(notice.escalation.to)
    return leg._replace(history=leg.history._replace(tried=leg.history.tried | others))


def _silent(river: River, state: State, now_ms: int) -> bool:
    """No proof that it reached, for as long as the notice waits before its next channel."""
    head, route = state.head, state.route
    notice = river.documents.catalog.notices.get(head.notice) if head else None
    if not head or not route or not notice or not notice.escalation or state.cancelled:
        return False
    if not may_escalate(state):
        return False
    later = set(notice.escalation.to) - state.tried - {route.channel}
    return bool(later) and now_ms >= state.routed_at_ms + notice.escalation.after_ms


def _overdue(river: River, state: State, now_ms: int) -> bool:
    """Accepted, and the carrier has had its time to report."""
    waited = now_ms - state.routed_at_ms
    return state.status is Status.ACCEPTED and waited >= river.documents.policy.receipt_ms


async def _catch(river: River, states: dict[bytes, State], now_ms: int) -> int:
    """Streams that a timer or a record should have moved long ago."""
    lost = []
    for stream, state in states.items():
        need = resume(state, river.documents.policy)
        late = need.kind == "timer" and need.due_ms + GRACE_MS <= now_ms
        if late or (need.kind == "publish" and state.touched_ms + GRACE_MS <= now_ms):
            lost.append(Timer(now_ms, stream, REDECIDE))
    if lost:
        await look_at(river, lost)
    return len(lost)
