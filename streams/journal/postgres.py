"""One shard of the journal in PostgreSQL: writers of many processes, readers beside them.

A commit locks the shard's head first, so positions come in the order of commits and without gaps,
and whoever writes to a stream is alone with it. Before the head stands a door, where all wait but
those who go first: one at most is let through at a time, and whoever goes first waits for no more
than the commit that is under way. Then it writes at once, without asking which
versions there are: nearly always nobody was faster, and if somebody was, the database says so.
"""

# ruff: noqa: S608 - every statement is made of this module's own constants

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from itertools import islice
from typing import Any

import psycopg
from psycopg.errors import UniqueViolation
from sqlalchemy import Connection
from sqlalchemy.event import listen
from sqlalchemy.exc import TimeoutError as PoolTimeout

from streams import postgres
from streams.journal import postgres_schema as schema
from streams.journal.asked import AskedStore
from streams.journal.base import Archived, Committed, Group, Row, Timer, Unit
from streams.journal.errors import JournalLocked, JournalRefused, JournalUnavailable
from streams.journal.placing import Placing, Taken, offer
from streams.journal.postgres_reads import Reads
from streams.journal.postgres_rows import (
    ARCHIVE,
    ARCHIVE_KEY,
    JOURNAL,
    LOOKUP,
    TIMER,
    archive_key_rows,
    archive_rows,
    check_names,
    journal_rows,
    lookup_rows,
    timer_rows,
)
from streams.journal.proof import (
    GENESIS,
    Stored,
    archive_leaf,
    leaf,
    month_of,
    seal,
)
from streams.journal.tail import Tail
from streams.journal.tops import CAREFUL_COMMITS, Tops
from streams.postgres import Names
from streams.sqlite import Trouble

READERS = 4
"""As many as group commit has reading threads."""

WRITERS = 4
"""The writer thread, and beside it whoever follows, serves timers or answers a citizen."""

DOOR = 0x66656E67
"""Names the doors among the database's advisory locks; the second number is the shard's, or that of
the threshold behind its door."""
# Who waits for a row is not let on in the order of asking: whoever comes through the door when a
# commit ends would race those who go first, and have waited. At a threshold nobody is overtaken.
_ENTER = "SELECT pg_advisory_xact_lock(%s, %s), pg_advisory_xact_lock(%s, %s)"
_GO_FIRST = "SELECT pg_advisory_xact_lock_shared(%s, %s)"
_LOCK_HEAD = (
    "UPDATE journal_head SET pos = pos WHERE shard = %s RETURNING pos, archive, number, chain"
)
_SEAL = (
    "WITH sealed AS (INSERT INTO journal_batch (shard, number, first, last, archive_first,"
    " archive_last, at_ms, root, archive_root, marks, archive_marks, chain)"
    " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s))"
    " UPDATE journal_head SET pos = %s, archive = %s, number = %s, chain = %s WHERE shard = %s"
)
_OPEN_HEAD = "INSERT INTO journal_head VALUES (0, 0, 0, %s, %s) ON CONFLICT DO NOTHING"
_DELETE_TIMERS = (
    "DELETE FROM timer WHERE ctid = ANY (ARRAY (SELECT found.ctid"
    " FROM unnest(%s::bigint[], %s, %s::text[]) AS served (due, name, what)"
    " CROSS JOIN LATERAL (SELECT ctid FROM timer WHERE shard = %s AND due_ms = due"
    " AND stream = name AND kind = what OFFSET 0) AS found))"
)
_NOTE_REMOVAL = (
    "INSERT INTO archive_removal (shard, month, at_ms, rows)"
    " SELECT %s, %s, %s, count(*) FROM archive WHERE shard = %s AND month = %s"
)
# an event that came again after its key went has it back, in another month
_REMOVE = (
    "WITH gone AS (DELETE FROM archive WHERE shard = %s AND month = %s AND number <="
    " (SELECT max(number) FROM (SELECT number FROM archive WHERE shard = %s AND month = %s"
    " ORDER BY number LIMIT %s) AS first) RETURNING key)"
    " DELETE FROM archive_key WHERE shard = %s AND key = ANY (ARRAY (SELECT key FROM gone))"
    " AND month = %s"
)
# Who holds a head, a door or a lane and has made its server wait for as long as others wait for the
# lock was stopped or cut off in the middle of a commit. What it wrote is rolled back with its
# session.
_EVICT = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'ClientRead'"
    " AND state_change < now() - %s * interval '1 ms' AND pid IN (SELECT pid FROM pg_locks"
    " WHERE (relation IN ('journal_head'::regclass, to_regclass('lane_owner'))"
    " AND mode = 'RowExclusiveLock')"
    f" OR (locktype = 'advisory' AND classid = {DOOR} AND granted))"
)


class PostgresStore(AskedStore):
    """`streams.journal.base.Store` on a database; the tables are made when there are none.

    For one writing thread and some reading ones. ``engine`` is for who writes beside the journal,
    ``readers`` for reading. ``goes_first``: its commits wait at no door. Errors:
    `streams.journal.errors`. If the connection is lost while a commit is being answered, it may be
    written although `JournalUnavailable` is raised; brought again it then loses against itself, as
    after the death of a process.
    """

    def __init__(self, url: str, *, shard: int = 0, goes_first: bool = False) -> None:
        self.shard = shard
        self._goes_first = goes_first
        self.engine = postgres.engine(url, connections=WRITERS)
        self.readers = postgres.engine(url, connections=READERS, read_only=True)
        self._tail = Tail()
        self._tops = Tops()
        self._careful = CAREFUL_COMMITS
        listen(self.engine, "connect", self._forget)
        try:
            with _translated():
                schema.create(self.engine)
            with self.transaction() as connection:
                postgres.driver_of(connection).execute(_OPEN_HEAD, (shard, GENESIS))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the database."""
        self.readers.dispose()
        self.engine.dispose()

    # writing

    def begin(self, groups: Sequence[Group], at_ms: int) -> Callable[[], list[Committed]]:
        """All of it is in the second half: whoever begins must not wait for a server."""
        return partial(self.commit, groups, at_ms)

    def _forget(self, *_: object) -> None:
        """Whoever answers next may know less than the one before: a server that took over, or was
        restored."""
        self._tail, self._tops, self._careful = Tail(), Tops(), CAREFUL_COMMITS

    def commit(self, groups: Sequence[Group], at_ms: int) -> list[Committed]:
        try:
            if not self._careful:
                with suppress(Taken):
                    return self._commit(groups, at_ms, careful=False)
                self._careful = CAREFUL_COMMITS
            answers = self._commit(groups, at_ms, careful=True)
        except JournalUnavailable:
            self._forget()
            raise
        self._careful -= 1
        return answers

    def _commit(self, groups: Sequence[Group], at_ms: int, *, careful: bool) -> list[Committed]:
        with self.transaction() as connection:
            raw = postgres.driver_of(connection)
            threshold = (DOOR, ~self.shard)
            if self._goes_first:
                raw.execute(_GO_FIRST, threshold, prepare=True)
            else:
                raw.execute(_ENTER, (DOOR, self.shard, *threshold), prepare=True)
            writing = _Transaction(connection, raw, self.shard, at_ms, self._tops, careful)
            archived = writing.archive(groups)
            won = iter(writing.write(offer(groups, archived)))
            for group in groups:
                for effect in group.effects:
                    effect(connection)
            looked = [writing.look(group) for group in groups]
            pos = writing.seal()
        self._tops.learn(writing.tops)
        self._tail.add(writing.written)
        return [
            Committed(tuple(islice(won, len(group.units))), kept, seen, pos)
            for group, kept, seen in zip(groups, archived, looked, strict=True)
        ]

    def delete_timers(self, timers: Sequence[Timer]) -> None:
        with self.transaction() as connection:
            self.deletion(timers)(connection)

    def deletion(self, timers: Sequence[Timer]) -> Callable[[Connection], None]:
        def delete(connection: Connection) -> None:
            if timers:
                due, streams, kinds = zip(*timers, strict=True)
                values = (list(due), Names(streams), list(kinds), self.shard)
                postgres.driver_of(connection).execute(_DELETE_TIMERS, values)

        return delete

    def remove_month(self, month: int, at_ms: int, most: int) -> int:
        here = (self.shard, month)
        with self.transaction() as connection:
            raw = postgres.driver_of(connection)
            if not Reads(raw, self.shard).month_removed(month):
                raw.execute(_NOTE_REMOVAL, (*here, at_ms, *here))
            return raw.execute(_REMOVE, (*here, *here, most, *here)).rowcount

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A transaction beside the journal, for what is read from it. Where it waits for a lock
        in vain, a process that was stopped in the middle of a commit does not stop the next try."""
        with _translated(), self.engine.connect() as connection:
            try:
                with connection.begin():
                    yield connection
            except BaseException as error:
                if connection.invalidated:
                    raise
                raw = postgres.driver_of(connection)
                if raw.closed:
                    connection.invalidate()
                elif postgres.trouble(error) is Trouble.LOCKED:
                    raw.execute(_EVICT, (postgres.LOCK_MS,))
                raise

    # reading

    def head(self) -> int:
        with self._reading() as reads:
            return reads.pos()

    @contextmanager
    def _reading(self) -> Iterator[Reads]:
        """Each statement by itself: nothing is sent to begin or end a transaction."""
        with _translated():
            lent = self.readers.raw_connection()
            driver = postgres.driver_of(lent)
            try:
                driver.autocommit = True
                yield Reads(driver, self.shard)
            finally:
                if driver.closed:
                    lent.invalidate()
                else:
                    driver.autocommit = False
                    lent.close()


class _Transaction(Placing):
    """One commit as it is written: what won so far, and the positions it was given."""

    def __init__(
        self,
        connection: Connection,
        raw: psycopg.Connection[Any],
        shard: int,
        at_ms: int,
        known: Tops,
        careful: bool,
    ) -> None:
        self._connection = connection
        self._raw = raw
        self._shard = shard
        self._head = self._lock()
        pos, self._archived = self._head[:2]
        super().__init__(Reads(raw, shard), pos, at_ms, known, careful)
        self.written: list[Row] = []
        self._leaves: list[bytes] = []
        self._archive_leaves: list[bytes] = []

    def _lock(self) -> tuple[int, int, int, bytes]:
        with self._raw.cursor(binary=True) as cursor:
            head = cursor.execute(_LOCK_HEAD, (self._shard,), prepare=True).fetchone()
        assert head is not None, "opening the store made the head"
        pos, archived, number, chain = head
        return pos, archived, number, chain

    def archive(self, groups: Sequence[Group]) -> list[tuple[bool, ...]]:
        """Insert the events whose key is new, and say for each group which were."""
        keys = [event.key for group in groups for event in group.archive]
        check_names(keys)
        known = self._reads.archive_keys(keys) if self._careful and keys else set()
        rows: list[tuple[int, Archived]] = []
        answers = []
        for group in groups:
            won = []
            for event in group.archive:
                won.append(event.key not in known)
                if won[-1]:
                    known.add(event.key)
                    self._archived += 1
                    rows.append((self._archived, event))
            answers.append(tuple(won))
        month = month_of(self.at_ms)
        with self._refusing():
            key_rows = archive_key_rows(self._shard, month, rows)
            postgres.insert_rows(self._raw, ARCHIVE_KEY, key_rows)
            postgres.insert_rows(self._raw, ARCHIVE, archive_rows(self._shard, month, rows))
        self._archive_leaves += [archive_leaf(*row) for row in rows]
        return answers

    def write(self, offered: Sequence[tuple[Unit, bool]]) -> list[bool]:
        """Insert the units that win among those that may, and say which did."""
        firsts = [unit.rows[0] for unit, _ in offered if unit.rows]
        self._learn(firsts)
        check_names([entry.stream for entry in firsts])
        won: list[bool] = []
        rows: list[Row] = []
        lookups: list[tuple[bytes, bytes, bytes, int]] = []
        timers: list[Timer] = []
        effects: list[Callable[[Connection], None]] = []
        for unit, may_win in offered:
            wins = may_win and self._place(unit, rows)
            won.append(wins)
            if wins:
                if unit.lookups:  # most have none of these
                    lookups += [(*lookup, self._pos) for lookup in unit.lookups]
                if unit.timers:
                    timers += unit.timers
                if unit.effects:
                    effects += unit.effects
        self._insert(rows, lookups, timers)
        self.written += rows
        for effect in effects:
            effect(self._connection)
        self._careful = True  # what follows is decided on what is there, so it can be asked for
        return won

    def _insert(
        self,
        rows: Sequence[Stored],
        lookups: list[tuple[bytes, bytes, bytes, int]],
        timers: Sequence[Timer],
    ) -> None:
        check_names([name for key, _, stream, _ in lookups for name in (key, stream)])
        check_names([stream for _, stream, _ in timers])
        lookups.sort()  # neighbours share pages
        with self._refusing():
            made = journal_rows(self._shard, self.at_ms, rows)
            postgres.insert_rows(self._raw, JOURNAL, made)
            postgres.insert_rows(self._raw, LOOKUP, lookup_rows(self._shard, lookups))
            postgres.insert_rows(self._raw, TIMER, timer_rows(self._shard, timers))
        self._leaves += map(leaf, rows)

    def look(self, group: Group) -> tuple[Unit, ...]:
        """Let a group look at what is written now; the further units that won."""
        if group.look is None:
            return ()
        units = group.look(self._reads)
        won = self.write([(unit, True) for unit in units])
        return tuple(unit for unit, wins in zip(units, won, strict=True) if wins)

    def seal(self) -> int:
        """Close the chain over what was written; returns the last position."""
        pos, archived, number, chain = self._head
        if self._leaves or self._archive_leaves:
            firsts = (pos + 1, archived + 1)
            batch = seal(
                chain,
                self._shard,
                number + 1,
                firsts,
                self._leaves,
                self._archive_leaves,
                self.at_ms,
            )
            head = (batch.last, batch.archive_last, batch.number, batch.chain)
            self._raw.execute(
                _SEAL, (self._shard, *batch, *head, self._shard), prepare=True, binary=True
            )
        return self._pos

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        """Around our own statements: a value that is not taken is the caller's."""
        try:
            yield
        except UniqueViolation as error:
            if not self._careful:
                raise Taken from error
            raise JournalRefused(str(error)) from error
        except Exception as error:
            if postgres.trouble(error) is Trouble.REFUSED:
                raise JournalRefused(str(error)) from error
            raise


@contextmanager
def _translated() -> Iterator[None]:
    """What the database raises, in the words of `streams.journal.errors`; others pass."""
    try:
        yield
    except PoolTimeout as error:
        raise JournalLocked("every connection to the journal is in use") from error
    except Exception as error:
        match postgres.trouble(error):
            case Trouble.LOCKED:
                raise JournalLocked(str(error)) from error
            case Trouble.AWAY:
                raise JournalUnavailable(str(error)) from error
        raise
