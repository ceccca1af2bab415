"""The clocks: `Real` to serve, `Scaled` to show a day in a minute, `Virtual` to simulate, and
`Rehearsal`, which several processes share.

Each is a `streams.clock.Clock`. No other module reads the machine's time.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import mmap
import struct
import time
from collections.abc import Coroutine
from pathlib import Path

QUIET_TURNS = 8
"""Turns of the loop after which nobody woken is still on the way: an event that was set takes
three to reach whoever waits for it and end its sleep."""


class Real:
    """The machine's time."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    async def sleep_ms(self, ms: int) -> None:
        await asyncio.sleep(ms / 1000)

    async def wait(self, event: asyncio.Event, timeout_ms: int) -> bool:
        return await _first(event, self.sleep_ms(timeout_ms))


class Scaled:
    """Time that begins at `start` and runs `factor` times as fast as the machine's."""

    def __init__(self, factor: float, start: int) -> None:
        if factor <= 0:
            raise ValueError(f"time needs a factor above zero to pass, not {factor}")
        self._factor = factor
        self._start = start
        self._origin_ns = time.monotonic_ns()

    def now_ms(self) -> int:
        passed_ns = time.monotonic_ns() - self._origin_ns
        return self._start + int(passed_ns * self._factor) // 1_000_000

    async def sleep_ms(self, ms: int) -> None:
        await asyncio.sleep(ms / 1000 / self._factor)

    async def wait(self, event: asyncio.Event, timeout_ms: int) -> bool:
        return await _first(event, self.sleep_ms(timeout_ms))


class Rehearsal:
    """Time that several processes share by a file: it begins at a moment, runs ``factor`` times as
    fast as the machine's, and may be moved on by whoever directs the rehearsal."""

    _FORM = struct.Struct("<qqdd")  # start and origin in ms, factor, seconds between two looks
    LOOK_S = 0.02
    """A sleeper looks so often whether time was moved on."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self._shared = mmap.mmap(file.fileno(), self._FORM.size, access=mmap.ACCESS_READ)

    @classmethod
    def set(cls, path: Path, now_ms: int, factor: float, look_s: float = LOOK_S) -> None:
        """It is ``now_ms``, for everybody who has this file or opens it later. ``look_s`` is longer
        where time is not moved on again, and looking would cost more than is measured."""
        told = cls._FORM.pack(now_ms, Real().now_ms(), factor, look_s)
        with path.open("r+b" if path.exists() else "x+b", buffering=0) as file:
            file.write(told)

    def now_ms(self) -> int:
        start_ms, origin_ms, factor, _ = self._FORM.unpack(self._shared[:])
        return int(start_ms + (Real().now_ms() - origin_ms) * factor)

    async def sleep_ms(self, ms: int) -> None:
        until_ms = self.now_ms() + ms
        await asyncio.sleep(0)
        while (left_ms := until_ms - self.now_ms()) > 0:
            _, _, factor, look_s = self._FORM.unpack(self._shared[:])
            await asyncio.sleep(min(left_ms / 1000 / factor, look_s))

    async def wait(self, event: asyncio.Event, timeout_ms: int) -> bool:
        return await _first(event, self.sleep_ms(timeout_ms))


class Virtual:
    """Time that stands still until `advance_to`.

    A sleeper runs at the loop's next turn and then reads the time as it was advanced. To let
    each read its own due time, advance to `next_due_ms()`, one step after another.
    """

    def __init__(self, start: int = 0) -> None:
        self._now_ms = start
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = itertools.count()  # those due at the same time wake as they fell asleep
        self._asleep = 0
        self._awaited = 0
        self._all_asleep = asyncio.Event()

    def now_ms(self) -> int:
        return self._now_ms

    async def sleep_ms(self, ms: int) -> None:
        if ms <= 0:
            await asyncio.sleep(0)
            return
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now_ms + ms, next(self._order), woken))
        self._count(1)
        try:
            await woken
        finally:
            self._count(-1)  # later than its task may sleep again: both directions may be the last

    def _count(self, change: int) -> None:
        self._asleep += change
        if self._asleep == self._awaited:
            self._all_asleep.set()

    async def wait(self, event: asyncio.Event, timeout_ms: int) -> bool:
        return await _first(event, self.sleep_ms(timeout_ms))

    def next_due_ms(self) -> int | None:
        """When the next sleeper is due; None when nobody sleeps."""
        while self._sleepers and self._sleepers[0][2].done():  # cancelled meanwhile
            heapq.heappop(self._sleepers)
        return self._sleepers[0][0] if self._sleepers else None

    async def settled(self, sleepers: int) -> None:
        """Return once exactly so many sleep and stay asleep: nobody has anything left to do now.

        Whoever is woken, or waits for anything but this clock, is not asleep.
        """
        self._awaited = sleepers
        quiet = 0
        while quiet < QUIET_TURNS:
            if self._asleep == sleepers:
                quiet += 1
                await asyncio.sleep(0)
            else:
                quiet = 0
                self._all_asleep.clear()
                await self._all_asleep.wait()

    def advance_to(self, ms: int) -> None:
        """Set the time and wake everyone due by then, in the order of their due times."""
        if ms < self._now_ms:
            raise ValueError(f"time does not run back: it is {self._now_ms}, past {ms}")
        self._now_ms = ms
        while (due := self.next_due_ms()) is not None and due <= ms:
            heapq.heappop(self._sleepers)[2].set_result(None)


def clock_of(file: Path | None) -> Real | Rehearsal:
    """The machine's time, or that of the rehearsal which this file directs."""
    return Rehearsal(file) if file else Real()


async def _first(event: asyncio.Event, sleep: Coroutine[None, None, None]) -> bool:
    """Whether the event is set by the end of this sleep, without sleeping on once it is."""
    racers = (asyncio.create_task(event.wait()), asyncio.create_task(sleep))
    try:
        await asyncio.wait(racers, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for racer in racers:
            racer.cancel()
    return event.is_set()
