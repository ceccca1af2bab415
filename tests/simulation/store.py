"""The real journal on SQLite in memory, and what the steps of one worker see of it."""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from typing import Any

from sqlalchemy import Connection, Engine, StaticPool, create_engine

from preferences import addresses
from preferences import store as preference_store
from streams import lane_owner
from streams.journal import schema
from streams.journal.base import Archived, Committed, Group, Row, Timer
from streams.journal.proof import GENESIS
from streams.journal.sqlite import SHARD, SqliteStore
from streams.journal.sqlite_reads import Reads
from streams.journal.tail import Tail
from streams.journal.tops import CAREFUL_COMMITS, Tops
from streams.lane_owner import LaneLost
from tests.simulation.scheduler import Scheduler, point

TIMERS = "timers"


class _Answer(sqlite3.Cursor):
    """As much of SQLAlchemy's result as is asked of one."""

    def scalar(self) -> Any:
        rows = self.fetchall()
        return rows[0][0] if rows else None

    scalar_one = scalar


class _Direct(Connection):
    """What is said in the driver's words goes to the driver and nowhere else: SQLAlchemy's way
    there and back was a third of a run."""

    def __init__(self, engine: Engine, raw: sqlite3.Connection) -> None:
        super().__init__(engine)
        self._raw = raw

    def exec_driver_sql(self, statement: str, parameters: Any = None, *rest: Any) -> Any:
        if statement.startswith("PRAGMA"):  # by SQLAlchemy itself, of which it wants more
            return super().exec_driver_sql(statement, parameters, *rest)
        return self._raw.cursor(_Answer).execute(statement, parameters or ())


class MemoryStore(SqliteStore):
    """One connection for everything: nothing ever runs beside anything else here."""

    def __init__(self) -> None:
        self._raw = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self.engine = create_engine("sqlite://", creator=lambda: self._raw, poolclass=StaticPool)
        self.connection = _Direct(self.engine, self._raw)
        self.readers = self  # type: ignore[assignment]  # of an engine only `connect` is asked
        self._reads = nullcontext(Reads(self._raw))
        self._tail, self._tops, self._careful = Tail(), Tops(), CAREFUL_COMMITS
        schema.create(self.engine)
        for metadata in (preference_store.metadata, addresses.metadata, lane_owner.METADATA):
            metadata.create_all(self.engine)
        with self.transaction() as connection:
            connection.exec_driver_sql(
                "INSERT OR IGNORE INTO journal_head VALUES (?, 0, 0, ?)", (SHARD, GENESIS)
            )
        self._raw.execute("BEGIN")

    def reset(self) -> None:
        """A run is one transaction, and undone: its statements stay prepared for the next."""
        self._tail, self._tops, self._careful = Tail(), Tops(), CAREFUL_COMMITS
        self._raw.execute("ROLLBACK")
        self._raw.execute("BEGIN")

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Not by way of SQLAlchemy, whose connection from its pool cost more than what it did."""
        self._raw.execute("SAVEPOINT here")
        try:
            yield self.connection
        except BaseException:
            self._raw.execute("ROLLBACK TO here")
            raise
        finally:
            self._raw.execute("RELEASE here")

    def connect(self) -> AbstractContextManager[Connection]:
        """For reading, as of an engine."""
        return nullcontext(self.connection)

    def execute(self, sql: str, *values: object) -> list[Any]:
        """For tampering and for counting; no step comes here."""
        return self._raw.execute(sql, values).fetchall()

    def _reading(self) -> AbstractContextManager[Reads]:  # type: ignore[override]
        return self._reads


@cache
def the_store() -> MemoryStore:
    """One a process: making its tables costs more than a seed."""
    return MemoryStore()


class SimJournal:
    """``streams.journal.base.Journal`` of one worker: what its steps append at once is committed
    together, as group commit does."""

    def __init__(
        self, store: MemoryStore, scheduler: Scheduler, committed: Callable[[Sequence[Group]], None]
    ) -> None:
        self._store = store
        self._scheduler = scheduler
        self._committed = committed
        self._waiting: list[list[Any]] = []
        self._head = store.head()

    @property
    def head(self) -> int:
        return self._head

    async def append(self, group: Group) -> Committed:
        box: list[Any] = [group, None]
        self._waiting.append(box)
        await point("journal.append before")
        if box[1] is None:
            self._commit()
        await point("journal.append after")
        answer: Committed | Exception = box[1]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _commit(self) -> None:
        boxes, self._waiting = self._waiting, []
        groups = [box[0] for box in boxes]
        for box, answer in zip(boxes, self._answers(groups), strict=True):
            box[1] = answer

    def _answers(self, groups: Sequence[Group]) -> list[Committed | Exception]:
        """One group's fault is tracked down by halving, as group commit does."""
        try:
            return [*self._write(groups)]
        except LaneLost as error:
            if len(groups) == 1:
                self._scheduler.faults["lane lost"] += 1
                return [error]
        half = len(groups) // 2
        return self._answers(groups[:half]) + self._answers(groups[half:])

    def _write(self, groups: Sequence[Group]) -> list[Committed]:
        written = self._store.commit(groups, self._scheduler.now_ms)
        self._head = written[-1].pos
        if any(u.timers for g in groups for u in g.units) or any(a.looked for a in written):
            self._scheduler.ring(TIMERS)
        self._committed(groups)
        return written

    async def read(self, streams: Sequence[bytes]) -> dict[bytes, list[Row]]:
        return await self.aside(self._store.read, streams, name="journal.read")

    async def lookup(
        self, keys: Sequence[tuple[bytes, bytes]]
    ) -> Mapping[tuple[bytes, bytes], list[bytes]]:
        return await self.aside(self._store.lookup, keys, name="journal.lookup")

    async def page(
        self, keys: Sequence[bytes], sub: bytes, after: bytes, limit: int
    ) -> dict[bytes, list[bytes]]:
        page: dict[bytes, list[bytes]] = await self.aside(
            self._store.page, keys, sub, after, limit, name="journal.page"
        )
        return page

    async def counts(self, keys: Sequence[bytes]) -> Mapping[bytes, int]:
        return await self.aside(self._store.counts, keys, name="journal.counts")

    async def archived(self, keys: Sequence[bytes]) -> Mapping[bytes, Archived]:
        return await self.aside(self._store.archived, keys, name="journal.archived")

    async def lookups_since(self, pos: int, keys: Sequence[bytes]) -> Mapping[bytes, list[bytes]]:
        return await self.aside(self._store.lookups_since, pos, keys, name="journal.lookups_since")

    async def due(self, now_ms: int, limit: int) -> list[Timer]:
        return await self.aside(self._store.due, now_ms, limit, name="journal.due")

    async def delete_timers(self, timers: Sequence[Timer]) -> None:
        await self.aside(self._store.delete_timers, timers, name="journal.delete_timers")

    async def aside(self, ask: Callable[..., Any], *args: Any, name: str = "people.load") -> Any:
        await point(f"{name} before")
        answer = ask(*args)
        await point(f"{name} after")
        return answer
