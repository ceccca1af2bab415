"""Who goes first in a process that does urgent and other work on one loop.

A loop does not interrupt anything. With twenty partitions at work, each on a batch of five hundred,
whoever waits for a turn of the loop waits for a second, and a warning needs half a dozen of them.
So while something urgent is in hand, the others go one at a time and in small batches; for the rest
of the time they overlap, and share commits.
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

    @asynccontextmanager
    async def behind_the_urgent(self) -> AsyncIterator[None]:
        if not self._in_hand:
            yield
            return
        while self._taken:
            self._free.clear()
            await self._clock.wait(self._free, LOOK_MS)  # a lock would stop a clock that is played
        self._taken = True
        try:
            yield
        finally:
            self._taken = False
            self._free.set()

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
