"""What stops a leg: a case that was settled, a newer status, a choice made by its recipient.

These run inside the append's own transaction, after its rows are in and under the head lock: a
stop sees every leg committed before it, and a leg routed after it sees the stop.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from preferences.store import Keyed
from streams.core import events as e
from streams.core.codec import decode
from streams.core.lifecycle import State, Status, may_escalate, moved
from streams.journal.base import Group, Reader, Timer, Unit
from streams.pipeline.deciding import REDECIDE, REMOVED, is_removed
from streams.pipeline.river import Effect, Known, River, entry, state_of

STOP_AT_ONCE = 1_000
"""Legs that a stop cancels in its own transaction, which holds up every other."""

STOP = "stop:"
"""The kind of timer by which a stop goes on, followed by the leg it has come to."""


class Stop(NamedTuple):
    """A case is settled by an event of this type; ``stream`` is where that is journalled."""

    stream: bytes
    type: str
    at_ms: int
    correlation: str


def stop_open_legs(river: River, reader: Reader, stops: Iterable[Stop], now_ms: int) -> list[Unit]:
    """Cancel the open legs of the cases these stops settle. Where a case has more of them than
    :data:`STOP_AT_ONCE`, a timer sees to the rest."""
    by_case: dict[bytes, list[Stop]] = defaultdict(list)
    for stop in stops:
        by_case[river.index.case(stop.correlation)].append(stop)
    found = reader.page(list(by_case), river.index.NOTE, b"", STOP_AT_ONCE)
    settled = {leg: by_case[case] for case, legs in found.items() for leg in legs}
    units = cancel_legs(river, reader, settled)
    for case, legs in found.items():
        if len(legs) == STOP_AT_ONCE:
            units += [go_on(stop.stream, legs[-1], now_ms) for stop in by_case[case]]
    return units


def go_on(stop: bytes, after: bytes, due_ms: int) -> Unit:
    """Have a stop see to the legs that follow this one."""
    return Unit((), (), (Timer(due_ms, stop, f"{STOP}{after.hex()}"),))


def cancel_legs(
    river: River, reader: Reader, settled: Mapping[bytes, Sequence[Stop]]
) -> list[Unit]:
    """Cancel those of these legs that are open and that one of their case's stops is about. Which
    stops a notice named is not known once it was removed from the catalog: any of them ends it."""
    units = []
    for stream, rows in reader.read(list(settled)).items() if settled else ():
        state = state_of(rows)
        if state.head is None:
            continue
        notice = river.documents.catalog.notices.get(state.head.notice)
        reason = "case_settled" if notice else REMOVED
        for stop in settled[stream]:
            about = stop.type in notice.stops if notice else is_removed(river, state)
            if about and stop.at_ms >= state.head.event_ms:
                if unit := cancelling(stream, state, reason, stop.type):
                    units.append(unit)
                break
    return units


def settled_by(
    head: e.Head, types: tuple[str, ...], stops: Mapping[str, list[tuple[str, int]]]
) -> str:
    """The type of the stop that settled the case not before ``head``'s own event."""
    for kind, at_ms in stops.get(head.correlation, ()):
        if kind in types and at_ms >= head.event_ms:
            return kind
    return ""


def settle_opened(river: River, reader: Reader, opened: Mapping[bytes, e.Head]) -> list[Unit]:
    """Cancel what a step opened that did not look for stops first."""
    cases = sorted({head.correlation for head in opened.values() if head.correlation})
    if not cases:
        return []
    found = reader.lookup([(river.index.stops(case), b"") for case in cases])
    stops: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for rows in reader.read([s for hits in found.values() for s in hits]).values():
        first = decode(rows[0].type, rows[0].data)
        if isinstance(first, e.StopRecorded):
            stops[first.correlation].append((first.type, first.event_ms))
    units = []
    for stream, rows in reader.read(list(opened)).items() if stops else ():
        head = opened[stream]
        by = settled_by(head, river.documents.catalog.notices[head.notice].stops, stops)
        if by and (unit := cancelling(stream, state_of(rows), "case_settled", by)):
            units.append(unit)
    return units


def cancelling(stream: bytes, state: State, reason: str, by: str) -> Unit | None:
    """The unit that cancels a leg; None where there is nothing left to stop."""
    if state.cancelled or (state.terminal and not may_escalate(state)):
        return None
    event = e.Cancelled(reason=reason, by=by, moved=moved(state))
    return Unit((entry(stream, state.version + 1, event),))


def redecide_open(
    river: River, reader: Reader, refs: Iterable[str], now_ms: int, besides: Iterable[bytes] = ()
) -> list[Unit]:
    """Have the open legs of these recipients decided again: their profile or their choices
    changed."""
    keys = [(river.index.recipient(ref), b"") for ref in refs]
    if not keys:
        return []
    found = reader.lookup(keys)
    streams = {s for hits in found.values() for s in hits} - set(besides)
    return _redecide(river, reader, sorted(streams), now_ms)


def redecide_overtaken(
    river: River, reader: Reader, legs: Mapping[bytes, str], changed: Collection[str], now_ms: int
) -> list[Unit]:
    """The other side of it: of legs just decided on, by recipient, those whose recipient changed
    after they were loaded. Both sides write before they look, so one of them sees the other."""
    streams = [stream for stream, ref in legs.items() if ref in changed]
    return _redecide(river, reader, streams, now_ms) if streams else []


def held_against(
    river: River,
    units: Sequence[Unit],
    seen: Mapping[str, Known | Keyed],
    legs: Mapping[bytes, str],
    now_ms: int,
    *,
    effects: Sequence[Effect] = (),
    urgent: bool = False,
) -> Group:
    """Decisions about ``legs``, by recipient, as one group: those whose recipient is no longer who
    was ``seen`` when they were made are made again (:func:`redecide_overtaken`)."""
    changed: set[str] = set()
    return Group(
        units,
        effects=[river.people.changed(seen, changed), *effects],
        look=lambda reader: redecide_overtaken(river, reader, legs, changed, now_ms),
        urgent=urgent,
    )


def held_back(river: River, stream: bytes, state: State, now_ms: int) -> Unit:
    """A leg that is ready waits to be decided again: its record is on its lane, and whoever sends
    may be faster than a timer. Later by a millisecond than any timer that is being served now."""
    assert state.facts is not None
    event = e.Held(
        until_ms=now_ms, reason="decided_again", facts=state.facts,
        policy=river.documents.policy.version, moved=moved(state),
    )  # fmt: skip
    timer = Timer(now_ms + 1, stream, REDECIDE)
    return Unit((entry(stream, state.version + 1, event),), (), (timer,))


def _redecide(river: River, reader: Reader, streams: Iterable[bytes], now_ms: int) -> list[Unit]:
    """See that each leg which waits is decided again."""
    units = []
    for stream, rows in reader.read(list(streams)).items():
        state = state_of(rows)
        if state.status is Status.READY:
            units.append(held_back(river, stream, state, now_ms))
        elif state.status in (Status.HELD, Status.BACKOFF):
            units.append(Unit((), (), (Timer(now_ms + 1, stream, REDECIDE),)))
    return units


def states_of(reader: Reader, keys: Sequence[tuple[bytes, bytes]]) -> dict[bytes, State]:
    """The legs found under these keys, folded."""
    found = reader.lookup(keys)
    streams = sorted({s for hits in found.values() for s in hits})
    states = {s: state_of(rows) for s, rows in reader.read(streams).items()}
    return {s: state for s, state in states.items() if state.head is not None}
