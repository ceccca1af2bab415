"""Frequency caps: how many of a class a recipient may be sent on one local day.

A cap has its own look-up key, written with what is sent and nothing else, so that a count is an
exact prefix. Two workers may both find room before they write; whoever's rows are in later sees
both, and yields.
"""

from collections.abc import Iterable, Mapping

from preferences.rules import local_day
from streams.core.events import Head
from streams.core.gathering import History
from streams.core.lifecycle import State, Status
from streams.core.notices import Upstream
from streams.journal.base import Reader, Unit
from streams.pipeline.deciding import Leg, judge
from streams.pipeline.river import Known, River, state_of


def cap_key(river: River, head: Head, known: Known | None, now_ms: int) -> bytes | None:
    """What a message of this leg counts under today; None where its class has no cap."""
    if not river.documents.policy.classes[head.cls].cap:
        return None
    if known is None or known.recipient is None:
        return None
    day = local_day(now_ms, known.recipient.profile.zone)
    return river.index.cap(head.recipient, head.cls, day)


def counts_today(state: State, known: Known | None, now_ms: int) -> bool:
    """Whether a leg was set going on this local day, and so stands among what was sent."""
    if known is None or known.recipient is None or not state.routed_at_ms:
        return False
    zone = known.recipient.profile.zone
    return local_day(state.routed_at_ms, zone) == local_day(now_ms, zone)


def yield_to_others(
    river: River,
    reader: Reader,
    legs: Iterable[tuple[bytes, Head]],
    people: Mapping[str, Known],
    events: Mapping[bytes, Upstream],
    now_ms: int,
) -> list[Unit]:
    """Inside the transaction, after the rows are in: hold again what a cap has no room for."""
    keyed = [
        (s, h, k) for s, h in legs if (k := cap_key(river, h, people.get(h.recipient), now_ms))
    ]
    counts = dict(reader.counts(sorted({k for _, _, k in keyed})))
    full = [(s, h, k) for s, h, k in keyed if counts.get(k, 0) > _cap(river, h, people)]
    units = []
    rows = reader.read([s for s, _, _ in full])
    for stream, head, key in reversed(full):
        cap = _cap(river, head, people)
        if counts[key] <= cap or stream not in rows:
            continue
        state = state_of(rows[stream])
        if state.status is not Status.READY:
            continue
        counts[key] -= 1
        history = History(sent_today=cap, tried=frozenset(state.tried))
        leg = Leg(stream, head, state, history)
        known, event = people.get(head.recipient), events.get(head.event)
        units.append(judge(river, leg, known, event, now_ms).unit)
    return units


def _cap(river: River, head: Head, people: Mapping[str, Known]) -> int:
    known = people.get(head.recipient)
    own = known.recipient.preferences.caps.get(head.cls, -1) if known and known.recipient else -1
    return own if own >= 0 else river.documents.policy.classes[head.cls].cap
