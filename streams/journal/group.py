"""Group commit: the steps' own view of the journal, where their appends share a transaction."""

from collections.abc import Sequence

from streams.clock import Clock
from streams.group_writer import Closed, GroupWriter
from streams.journal.base import Archived, Committed, Group, JournalStore, Row, Timer
from streams.journal.errors import JournalClosed, JournalLocked, JournalUnavailable

# Times the busy time-out of 5 s: a backup or a long command passes, a lock for ever does not.
LOCK_TRIES = 12


class GroupCommit:
    """`streams.journal.base.Journal` over a store, for the tasks of one event loop.

    Everything happens in the loop's own thread (see `streams.group_writer` for why). A read sees
    every commit answered before it began. Errors: `streams.journal.errors`, and what an effect or
    ``look`` of the group raised.
    """

    def __init__(self, store: JournalStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._head = store.head()
        self._writer = GroupWriter[Group, Committed](self._commit, nobodys=JournalUnavailable)

    async def close(self) -> None:
        """Commit what waits. The store stays open."""
        self._writer.close()

    async def append(self, group: Group) -> Committed:
        weight = sum([max(len(unit.rows), 1) for unit in group.units]) + len(group.archive)
        try:
            return await self._writer.bring(group, max(weight, 1), urgent=group.urgent)
        except Closed as closed:
            raise JournalClosed("the journal is closed") from closed

    async def read(self, streams: Sequence[bytes]) -> dict[bytes, list[Row]]:
        return self._store.read(streams)

    async def lookup(
        self, keys: Sequence[tuple[bytes, bytes]]
    ) -> dict[tuple[bytes, bytes], list[bytes]]:
        return self._store.lookup(keys)

    async def counts(self, keys: Sequence[bytes]) -> dict[bytes, int]:
        return self._store.counts(keys)

    async def archived(self, keys: Sequence[bytes]) -> dict[bytes, Archived]:
        return self._store.archived(keys)

    async def lookups_since(self, pos: int, keys: Sequence[bytes]) -> dict[bytes, list[bytes]]:
        return self._store.lookups_since(pos, keys)

    async def due(self, now_ms: int, limit: int) -> list[Timer]:
        return self._store.due(now_ms, limit)

    async def delete_timers(self, timers: Sequence[Timer]) -> None:
        self._store.delete_timers(timers)

    @property
    def head(self) -> int:
        """The last position this process has seen committed."""
        return self._head

    def _commit(self, groups: Sequence[Group]) -> list[Committed]:
        for tries_left in reversed(range(LOCK_TRIES)):
            try:
                answers = self._store.commit(groups, self._clock.now_ms())
            except JournalLocked:
                if not tries_left:
                    raise
            else:
                self._head = answers[-1].pos
                break
        return answers
