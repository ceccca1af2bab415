"""Driving a bed through virtual time: let everything that can run, run; then step to what is due.

The clock moves only when every worker of the bed rests on it and no bell has rung: what waits for
a thread, a socket or a disk holds time still. So a simulated night passes in no time, and nothing
is missed in it.
"""

import asyncio

from hub.clock import Virtual
from streams.local import LocalBed

PAUSE_S = 0.0005
"""For threads, between two steps of the end."""


class Drive:
    """Moves ``clock`` for ``bed``, which runs on it as the task ``running``.

    ``sleepers`` are how many other tasks rest on the same clock (a source of events, say). Time
    moves to whole ``step_ms``, so that what falls due in one is seen to together.
    """

    def __init__(
        self,
        clock: Virtual,
        bed: LocalBed,
        running: asyncio.Task[None],
        sleepers: int = 0,
        step_ms: int = 1,
    ) -> None:
        self._clock = clock
        self._bed = bed
        self._running = running
        self.sleepers = sleepers
        self._step_ms = step_ms

    async def to(self, ms: int) -> None:
        """Let time pass until ``ms``."""
        while (due_ms := await self.next_due()) is not None and due_ms <= ms:
            whole_ms = -(-due_ms // self._step_ms) * self._step_ms
            self._clock.advance_to(max(min(whole_ms, ms), self._clock.now_ms()))
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
        everybody = len(self._bed.workers) + self.sleepers
        resting = asyncio.create_task(self._clock.settled(everybody))
        try:
            await asyncio.wait((resting, self._running), return_when=asyncio.FIRST_COMPLETED)
        finally:
            resting.cancel()
        if self._running.done():
            self._running.result()
