"""Group commit: the steps' own view of the journal, where their appends share a transaction."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from itertools import chain
from typing import Any, Protocol, TypeVar

from streams.clock import Clock
from streams.group_writer import Closed, GroupWriter
from streams.journal.base import Archived, Committed, Group, JournalStore, Row, Timer
from streams.journal.errors import JournalClosed, JournalLocked, JournalUnavailable

# Times the busy time-out of 5 s: a backup or a long command passes, a lock for ever does not.
LOCK_TRIES = 12


T = TypeVar("T")


class Aside(Protocol):
    """Runs a synchronous read where the bed wants it run, and answers with its result."""

    def __call__(self, ask: Callable[..., T], /, *args: Any) -> Awaitable[T]: ...


async def at_once(ask: Callable[..., T], /, *args: Any) -> T:
    """In the loop's own thread: for a database that answers faster than a thread is woken."""
    return ask(*args)


class GroupCommit:
    """`streams.journal.base.Journal` over a store, for the tasks of one event loop.

    Commits are confirmed in a thread of their own (see `streams.group_writer`), reads where
    ``aside`` has them run. A read sees every commit answered before it began. ``urgent`` is the
    same journal by a second writer, for urgent groups: they need not wait for a commit of others
    that is under way here; without it, they go first among those that wait. Errors:
    `streams.journal.errors`, and what an effect or ``look`` of the group raised.
    """

    def __init__(
        self,
        store: JournalStore,
        clock: Clock,
        aside: Aside = at_once,
        urgent: JournalStore | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._aside = aside
        self._head = store.head()
        self.timers = asyncio.Event()
        """Set when timers were written; whoever serves them clears it."""
        self._writer = self._writing(store)
        self._urgent = self._writing(urgent) if urgent else self._writer

    def _writing(self, store: JournalStore) -> GroupWriter[Group, Committed]:
        return GroupWriter(partial(self._begin, store), nobodys=JournalUnavailable)

    async def close(self) -> None:
        """Commit what waits. The stores stay open."""
        await self._urgent.close()
        await self._writer.close()

    async def append(self, group: Group) -> Committed:
        weight = sum([max(len(unit.rows), 1) for unit in group.units]) + len(group.archive)
        writer = self._urgent if group.urgent else self._writer
        try:
            committed = await writer.bring(group, max(weight, 1), urgent=group.urgent)
        except Closed as closed:
            raise JournalClosed("the journal is closed") from closed
        if any(unit.timers for unit in chain(group.units, committed.looked)):
            self.timers.set()
        return committed

    async def read(self, streams: Sequence[bytes]) -> dict[bytes, list[Row]]:
        return await self._aside(self._store.read, streams)

    async def lookup(
        self, keys: Sequence[tuple[bytes, bytes]]
    ) -> dict[tuple[bytes, bytes], list[bytes]]:
        return await self._aside(self._store.lookup, keys)

    async def page(
        self, keys: Sequence[bytes], sub: bytes, after: bytes, limit: int
    ) -> dict[bytes, list[bytes]]:
        return await self._aside(self._store.page, keys, sub, after, limit)

    async def counts(self, keys: Sequence[bytes]) -> dict[bytes, int]:
        return await self._aside(self._store.counts, keys)

    async def archived(self, keys: Sequence[bytes]) -> dict[bytes, Archived]:
        return await self._aside(self._store.archived, keys)

    async def lookups_since(self, pos: int, keys: Sequence[bytes]) -> dict[bytes, list[bytes]]:
        return await self._aside(self._store.lookups_since, pos, keys)

    async def due(self, now_ms: int, limit: int) -> list[Timer]:
        return await self._aside(self._store.due, now_ms, limit)

    async def delete_timers(self, timers: Sequence[Timer]) -> None:
        await self.append(Group(effects=(self._store.deletion(timers),)))

    @property
    def head(self) -> int:
        """A position that was committed: the one this process was told of last."""
        return self._head

    def _begin(self, store: JournalStore, groups: Sequence[Group]) -> Callable[[], list[Committed]]:
        try:
            finish = store.begin(groups, self._clock.now_ms())
        except JournalLocked:
            return partial(self._again, store, groups)
        return partial(self._finish, store, groups, finish)

    def _finish(
        self, store: JournalStore, groups: Sequence[Group], finish: Callable[[], list[Committed]]
    ) -> list[Committed]:
        try:
            return self._seen(finish())
        except JournalLocked:
            return self._again(store, groups)

    def _again(self, store: JournalStore, groups: Sequence[Group]) -> list[Committed]:
        """Another holds the database: it is asked again, since nothing was written."""
        for tries_left in reversed(range(LOCK_TRIES - 1)):
            try:
                answers = store.commit(groups, self._clock.now_ms())
            except JournalLocked:
                if not tries_left:
                    raise
            else:
                break
        return self._seen(answers)

    def _seen(self, answers: list[Committed]) -> list[Committed]:
        # Of two writers either may end first, and a server that took over may be behind: whoever
        # looks again from a lower position looks at more.
        self._head = answers[-1].pos
        return answers
