"""Who goes first in a process that does urgent and other work on one loop.

A loop does not interrupt anything. With twenty partitions at work, each on a batch of five hundred,
whoever waits for a turn of the loop waits for a second, and a warning needs half a dozen of them.
So while something urgent is in hand, the others go one at a time, in small batches, and rest after
each for as long as it took: processors, database and brokers are shared with the other processes on
the urgent one's way. For the rest of the time they overlap, and share commits.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Protocol

from streams.clock import Clock
from streams.pipeline.river import River
from streams.pipeline.route import route
from streams.topics import Record

SMALL = 100
"""Records of a batch while something urgent is in hand: some 15 ms."""

REST_MAX_MS = 500
"""A batch may have waited long for a carrier or a database: others need not wait as long again."""

LOOK_MS = 1_000
"""Who waits for a turn is told of it; this bounds what it would cost not to be."""


class Turns(Protocol):
    """How one sort of work takes its turns."""

    def most(self, wanted: int) -> int:
        """How many of ``wanted`` records to take at once, as it is now."""

    def turn(self) -> AbstractAsyncContextManager[None]:
        """Held while a batch is served."""


class AtOnce:
    """Nobody waits for anybody: where a worker has no loop of its own."""

    def most(self, wanted: int) -> int:
        return wanted

    def turn(self) -> AbstractAsyncContextManager[None]:
        return nullcontext()


AT_ONCE = AtOnce()


class Precedence:
    """The turns of one process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._in_hand = 0
        self._taken = False
        self._rested_ms = 0
        """When the batch before has rested."""
        self._free = asyncio.Event()
        self._urgent, self._normal = _Urgent(self), _Normal(self)

    def of(self, urgent: bool) -> Turns:
        """Those of urgent work, or of all other."""
        return self._urgent if urgent else self._normal

    @asynccontextmanager
    async def before_others(self) -> AsyncIterator[None]:
        self._in_hand += 1
        try:
            yield
        finally:
            self._in_hand -= 1
            if not self._in_hand:
                self._free.set()

    @asynccontextmanager
    async def behind_the_urgent(self) -> AsyncIterator[None]:
        if not self._in_hand:
            yield
            return
        while rest_ms := self._rest_ms():
            self._free.clear()
            await self._clock.wait(self._free, rest_ms)  # a lock would stop a clock that is played
        self._taken = True
        begun_ms = self._clock.now_ms()
        try:
            yield
        finally:
            self._taken = False
            ended_ms = self._clock.now_ms()
            self._rested_ms = ended_ms + min(ended_ms - begun_ms, REST_MAX_MS)
            self._free.set()

    def _rest_ms(self) -> int:
        """How long the next must wait as things are, unless it is told before; 0: not at all."""
        if self._taken:
            return LOOK_MS
        return max(self._rested_ms - self._clock.now_ms(), 0) if self._in_hand else 0

    @property
    def is_urgent_in_hand(self) -> bool:
        return self._in_hand > 0


class _Urgent(AtOnce):
    def __init__(self, precedence: Precedence) -> None:
        self._precedence = precedence

    def turn(self) -> AbstractAsyncContextManager[None]:
        return self._precedence.before_others()


class _Normal:
    def __init__(self, precedence: Precedence) -> None:
        self._precedence = precedence

    def most(self, wanted: int) -> int:
        return min(wanted, SMALL) if self._precedence.is_urgent_in_hand else wanted

    def turn(self) -> AbstractAsyncContextManager[None]:
        return self._precedence.behind_the_urgent()


async def route_in_turns(river: River, turns: Turns, records: Sequence[Record]) -> None:
    """Route a slice, in as many batches as its turns make of it."""
    done = 0
    while done < len(records):
        async with turns.turn():
            some = records[done : done + turns.most(len(records))]
            await route(river, some)
        done += len(some)
