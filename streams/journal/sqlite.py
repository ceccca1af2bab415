"""The journal in one SQLite file: one shard, one writer, readers beside it."""

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import islice
from pathlib import Path

from sqlalchemy import Connection, PoolProxiedConnection
from sqlalchemy.exc import TimeoutError as PoolTimeout

from streams import sqlite
from streams.journal import schema
from streams.journal.asked import AskedStore
from streams.journal.base import Archived, Committed, Group, Row, Timer, Unit
from streams.journal.errors import JournalLocked, JournalRefused, JournalUnavailable
from streams.journal.placing import Placing, Taken, offer
from streams.journal.proof import (
    GENESIS,
    archive_leaf,
    leaf,
    month_of,
    seal,
)
from streams.journal.sqlite_reads import Reads
from streams.journal.tail import Tail
from streams.journal.tops import CAREFUL_COMMITS, Tops
from streams.sqlite import Trouble

SHARD = 0
READERS = 4  # as many as group commit has reading threads

_INSERT_ROWS = "INSERT INTO journal (pos, stream, version, type, at_ms, data)"
# A row written again is a new fact to whoever looks for what came since: it moves to the new pos.
_INSERT_LOOKUPS = "INSERT OR REPLACE INTO lookup (key, sub, stream, pos)"
_INSERT_TIMERS = "INSERT OR IGNORE INTO timer (due_ms, stream, kind)"
_DELETE_TIMERS = "DELETE FROM timer WHERE due_ms = ? AND stream = ? AND kind = ?"
_NOTE_REMOVAL = (
    "INSERT INTO archive_removal (month, at_ms, rows)"
    " SELECT ?, ?, count(*) FROM archive WHERE month = ?"
)
_REMOVE = (
    "DELETE FROM archive WHERE number IN"
    " (SELECT number FROM archive WHERE month = ? ORDER BY number LIMIT ?)"
)
_INSERT_ARCHIVE = "INSERT INTO archive (number, month, key, digest, at_ms, type, recipient, data)"
_INSERT_BATCH = (
    "INSERT INTO journal_batch (number, first, last, archive_first, archive_last, at_ms, root,"
    " archive_root, marks, archive_marks, chain) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


class SqliteStore(AskedStore):
    """`streams.journal.base.JournalStore` on a file, which is made when it is missing.

    ``engine`` is the one connection that writes: others who use it wait for their turn and must
    not hold it. ``readers`` is for reading. Errors: `streams.journal.errors`.
    """

    shard = SHARD

    def __init__(self, path: str | Path, *, synced: bool = True) -> None:
        self._path = path
        self._own = threading.local()
        self._lent: list[sqlite3.Connection] = []
        self._tail = Tail()
        self._tops = Tops()
        self._careful = CAREFUL_COMMITS
        self.engine = sqlite.engine(path, synced=synced)
        self.readers = sqlite.engine(path, connections=READERS, read_only=True)
        with _translated():
            schema.create(self.engine)
        with self.transaction() as connection:
            connection.exec_driver_sql(
                "INSERT OR IGNORE INTO journal_head VALUES (?, 0, 0, ?)", (SHARD, GENESIS)
            )

    def close(self) -> None:
        """Let go of the file."""
        for raw in self._lent:
            raw.close()
        self.readers.dispose()
        self.engine.dispose()

    # writing

    def begin(self, groups: Sequence[Group], at_ms: int) -> Callable[[], list[Committed]]:
        careful = self._careful > 0
        with ExitStack() as undone:
            connection = undone.enter_context(self.transaction())
            writing = _Transaction(connection, at_ms, self._tops, careful)
            archived = [writing.archive(group.archive) for group in groups]
            won = writing.write(offer(groups, archived))
            rest = undone.pop_all()
        return partial(self._finish, rest, connection, writing, groups, archived, won)

    def commit(self, groups: Sequence[Group], at_ms: int) -> list[Committed]:
        return self.begin(groups, at_ms)()

    def _finish(
        self,
        transaction: ExitStack,
        connection: Connection,
        writing: "_Transaction",
        groups: Sequence[Group],
        archived: Sequence[list[bool]],
        won: Sequence[bool],
    ) -> list[Committed]:
        """The second half of a commit: its statements, and what looks at what they wrote."""
        try:
            with transaction:
                writing.flush()
                for group in groups:
                    for effect in group.effects:
                        effect(connection)
                looked = [writing.look(group) for group in groups]
                pos = writing.seal()
        except Taken:
            self._tops, self._careful = Tops(), CAREFUL_COMMITS
            return self.commit(groups, writing.at_ms)
        self._careful = max(self._careful - 1, 0)
        self._tops.learn(writing.tops)
        self._tail.add(writing.written)
        each = iter(won)
        return [
            Committed(tuple(islice(each, len(group.units))), tuple(kept), seen, pos)
            for group, kept, seen in zip(groups, archived, looked, strict=True)
        ]

    def delete_timers(self, timers: Sequence[Timer]) -> None:
        with self.transaction() as connection:
            self.deletion(timers)(connection)

    def deletion(self, timers: Sequence[Timer]) -> Callable[[Connection], None]:
        def delete(connection: Connection) -> None:
            _raw(connection).executemany(_DELETE_TIMERS, timers)

        return delete

    def remove_month(self, month: int, at_ms: int, most: int) -> int:
        with self.transaction() as connection:
            raw = _raw(connection)
            if not Reads(raw).month_removed(month):
                raw.execute(_NOTE_REMOVAL, (month, at_ms, month))
            return raw.execute(_REMOVE, (month, most)).rowcount

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A transaction beside the journal, for what is read from it. Commits wait meanwhile."""
        with _translated(), self.engine.begin() as connection:
            yield connection

    # reading

    def head(self) -> int:
        return self.standing().pos

    @contextmanager
    def _reading(self) -> Iterator[Reads]:
        with _translated():
            yield self._own_reads()

    def _own_reads(self) -> Reads:
        """This thread's own connection: lent by a pool, it cost as much as a small question."""
        reads: Reads | None = getattr(self._own, "reads", None)
        if reads is None:
            raw = sqlite.connect(self._path, read_only=True)
            self._lent.append(raw)
            reads = self._own.reads = Reads(raw)
        return reads


class _Transaction(Placing):
    """One commit as it is written: what won so far, the positions it was given, and the rows that
    wait for their statement."""

    def __init__(self, connection: Connection, at_ms: int, known: Tops, careful: bool) -> None:
        self._connection = connection
        self._raw = _raw(connection)
        reads = Reads(self._raw)
        self._head = reads.head()
        pos, self._archived = self._head[:2]
        super().__init__(reads, pos, at_ms, known, careful)
        self._kept: set[bytes] = set()
        self._leaves: list[bytes] = []
        self._archive_leaves: list[bytes] = []
        self._rows: list[Row] = []
        self.written: list[Row] = []
        self._lookups: list[tuple[bytes, bytes, bytes, int]] = []
        self._timers: list[Timer] = []
        self._archive: list[tuple[object, ...]] = []
        self._effects: list[Callable[[Connection], None]] = []

    def write(self, offered: Sequence[tuple[Unit, bool]]) -> list[bool]:
        """Place the units that win among those that may, and say which did."""
        self._learn([unit.rows[0] for unit, _ in offered if unit.rows])
        placed = len(self._rows)
        won: list[bool] = []
        for unit, may_win in offered:
            wins = may_win and self._place(unit, self._rows)
            won.append(wins)
            if wins:
                if unit.lookups:  # most have none of these
                    self._lookups += [(*lookup, self._pos) for lookup in unit.lookups]
                if unit.timers:
                    self._timers += unit.timers
                if unit.effects:
                    self._effects += unit.effects
        self._leaves += map(leaf, self._rows[placed:])
        return won

    def flush(self) -> None:
        """Insert what was placed, then call the effects of the units that won."""
        self._lookups.sort()  # neighbours share pages
        with _refusing(self._careful):
            sqlite.insert_rows(self._raw, _INSERT_ARCHIVE, self._archive)
            sqlite.insert_rows(self._raw, _INSERT_ROWS, self._rows)
            sqlite.insert_rows(self._raw, _INSERT_LOOKUPS, self._lookups)
            sqlite.insert_rows(self._raw, _INSERT_TIMERS, self._timers)
        effects = self._effects
        self.written += self._rows
        self._careful = True  # what follows is decided on what is there, so it can be asked for
        self._rows, self._lookups, self._timers = [], [], []
        self._archive, self._effects = [], []
        for effect in effects:
            effect(self._connection)

    def archive(self, events: Sequence[Archived]) -> list[bool]:
        """Take the events whose key is new, and say which were."""
        known = self._kept
        if self._careful:
            known |= self._reads.archive_keys([event.key for event in events])
        month = month_of(self.at_ms)
        won: list[bool] = []
        for event in events:
            won.append(event.key not in known)
            if won[-1]:
                known.add(event.key)
                self._archived += 1
                self._archive.append((self._archived, month, *event))
                self._archive_leaves.append(archive_leaf(self._archived, event))
        return won

    def look(self, group: Group) -> tuple[Unit, ...]:
        """Let a group look at what is written now; the further units that won."""
        if group.look is None:
            return ()
        units = group.look(self._reads)
        won = self.write([(unit, True) for unit in units])
        self.flush()
        return tuple(unit for unit, wins in zip(units, won, strict=True) if wins)

    def seal(self) -> int:
        """Close the chain over what was written; returns the last position."""
        pos, archived, chain, number = self._head
        if self._leaves or self._archive_leaves:
            batch = seal(
                chain,
                SHARD,
                number + 1,
                (pos + 1, archived + 1),
                self._leaves,
                self._archive_leaves,
                self.at_ms,
            )
            self._raw.execute(_INSERT_BATCH, batch)
            self._raw.execute(
                "UPDATE journal_head SET pos = ?, archive = ?, chain = ?",
                (batch.last, batch.archive_last, batch.chain),
            )
        return self._pos


def _raw(connection: Connection) -> sqlite3.Connection:
    return _driver(connection.connection)


def _driver(lent: PoolProxiedConnection) -> sqlite3.Connection:
    driver = lent.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    return driver


@contextmanager
def _translated() -> Iterator[None]:
    """What the database raises, in the words of `streams.journal.errors`; others pass."""
    try:
        yield
    except PoolTimeout as error:
        raise JournalLocked("another thread holds the journal's connection") from error
    except Exception as error:
        match sqlite.trouble(error):
            case Trouble.LOCKED:
                raise JournalLocked(str(error)) from error
            case Trouble.AWAY:
                raise JournalUnavailable(str(error)) from error
        raise


@contextmanager
def _refusing(careful: bool) -> Iterator[None]:
    """Around our own statements: a value that is not taken is the caller's, a place that is taken
    may be what nobody asked for."""
    try:
        yield
    except Exception as error:
        if not careful and isinstance(error, sqlite3.IntegrityError):
            raise Taken from error
        if sqlite.trouble(error) is Trouble.REFUSED:
            raise JournalRefused(str(error)) from error
        raise
