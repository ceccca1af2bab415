"""Driving a bed through virtual time: let everything that can run, run; then step to what is due.

The clock moves only when every worker of the bed rests on it and no bell has rung: what waits for
a thread, a socket or a disk holds time still. So a simulated night passes in no time, and nothing
is missed in it.
"""

import asyncio

from hub.clock import Virtual
from streams.local import LocalBed

SETTLED_TURNS = 4
"""Turns of the event loop in which nothing stirs before time may move: a cancelled sleeper and the
task it belonged to need two each."""

SPINS = 20
PAUSE_S = 0.0005
"""After so many turns the loop yields the processor to the threads it is waiting for."""


class Drive:
    """Moves ``clock`` for ``bed``, which runs on it as the task ``running``.

    ``sleepers`` are how many other tasks rest on the same clock (a source of events, say).
    """

    def __init__(
        self, clock: Virtual, bed: LocalBed, running: asyncio.Task[None], sleepers: int = 0
    ) -> None:
        self._clock = clock
        self._bed = bed
        self._running = running
        self.sleepers = sleepers

    async def to(self, ms: int) -> None:
        """Let time pass until ``ms``."""
        while (due_ms := await self.next_due()) is not None and due_ms <= ms:
            self._clock.advance_to(max(due_ms, self._clock.now_ms()))
        self._clock.advance_to(max(ms, self._clock.now_ms()))
        await self.settle()

    async def end(self) -> None:
        """Stop the bed, letting time pass for what its workers still have in hand."""
        self._bed.stop()
        while not self._running.done():
            await asyncio.sleep(PAUSE_S)
            if (due_ms := self._clock.next_due_ms()) is not None:
                self._clock.advance_to(max(due_ms, self._clock.now_ms()))
        self._running.result()

    async def next_due(self) -> int | None:
        """When the next thing happens, once everything that could happen now has."""
        await self.settle()
        return self._clock.next_due_ms()

    async def settle(self) -> None:
        """Until every worker rests. Raises what a worker raised."""
        still = spins = 0
        while still < SETTLED_TURNS:
            if self._running.done():
                self._running.result()
                return
            still = still + 1 if self._rests() else 0
            spins += 1
            await asyncio.sleep(0 if spins % SPINS else PAUSE_S)

    def _rests(self) -> bool:
        everybody = len(self._bed.workers) + self.sleepers
        return self._clock.sleeping() == everybody and not self._bed.woken()
