"""A stop of a case with very many legs goes on from transaction to transaction.

A warning to a city that is lifted has a million of them: cancelled at once they would hold up every
other commit for minutes. What its own transaction left is seen to here, by a timer whose kind says
how far the stop has come. Until its turn comes a leg may still be handed over.
"""

from collections.abc import Sequence

from streams.core import events as e
from streams.core.codec import decode
from streams.journal.base import Group, Reader, Timer, Unit
from streams.pipeline.river import River
from streams.pipeline.stopping import STOP, STOP_AT_ONCE, Stop, cancel_legs, go_on

PAGE = 10_000
"""Legs looked up at once: PostgreSQL looks at all that are left for every page."""


async def follow_stops(river: River, timers: Sequence[Timer]) -> None:
    """Cancel the next page of legs for each of these timers, and see to the page after it. The
    caller deletes the timers when this returns."""
    rows = await river.journal.read(sorted({timer.stream for timer in timers})) if timers else {}
    for timer in timers:
        first = rows[timer.stream][0]
        recorded = decode(first.type, first.data)
        assert isinstance(recorded, e.StopRecorded)
        stop = Stop(timer.stream, recorded.type, recorded.event_ms, recorded.correlation)
        await _cancel_page(river, stop, timer)


async def _cancel_page(river: River, stop: Stop, timer: Timer) -> None:
    index, after = river.index, bytes.fromhex(timer.kind.removeprefix(STOP))
    case = index.case(stop.correlation)
    legs = (await river.journal.page([case], index.NOTE, after, PAGE)).get(case, [])
    for start in range(0, len(legs), STOP_AT_ONCE):
        await _cancel(river, stop, legs[start : start + STOP_AT_ONCE])
    if len(legs) == PAGE:
        # due when the last one was: other workers that see to this page ask for the same timer
        await river.journal.append(Group([go_on(stop.stream, legs[-1], timer.due_ms)]))


async def _cancel(river: River, stop: Stop, legs: Sequence[bytes]) -> None:
    """They are read where they are cancelled, so that nothing comes between."""

    def look(reader: Reader) -> list[Unit]:
        return cancel_legs(river, reader, {leg: [stop] for leg in legs})

    await river.journal.append(Group(look=look))
