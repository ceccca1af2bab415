"""A SQLite file that keeps what it was told: how one is opened, and what its errors mean."""

import sqlite3
from collections.abc import Sequence
from enum import Enum
from functools import lru_cache
from itertools import chain
from pathlib import Path

from sqlalchemy import Connection, Engine, QueuePool, create_engine, event
from sqlalchemy.exc import DBAPIError

# How long SQLite itself waits for another process (a backup, a command) to let go.
BUSY_MS = 5_000
# 32 MiB: the upper pages of the indexes over ten million messages, and the leaves of the last
# minutes; beyond that the system's cache helps. Twice as much was no faster.
CACHE_KIB = 32_768
# There may be several readers, and what they look for was mostly just written.
READER_CACHE_KIB = 8_192
# 64 MiB of log between two checkpoints: hot index pages are then copied once, not every commit.
CHECKPOINT_PAGES = 16_384


# Rows a statement inserts. Python hands the interpreter over at every step of a statement and takes
# it back after: for a thread beside a busy loop that is most of what a row costs.
_ROWS_AT_ONCE = (1024, 128, 16, 4, 1)


def insert_rows(
    connection: sqlite3.Connection, into: str, rows: Sequence[tuple[object, ...]]
) -> None:
    """Insert many rows by few statements; ``into`` ends before VALUES. Fixed sizes, so that each
    statement is prepared once."""
    start = 0
    for size in _ROWS_AT_ONCE:
        while len(rows) - start >= size:
            some = rows[start : start + size]
            connection.execute(_values(into, size, len(some[0])), list(chain.from_iterable(some)))
            start += size


@lru_cache(64)
def _values(into: str, rows: int, width: int) -> str:
    row = "(" + ", ".join("?" * width) + ")"
    return f"{into} VALUES {', '.join([row] * rows)}"


class Trouble(Enum):
    """What an error of the database says about trying again."""

    LOCKED = "another process holds the file"
    AWAY = "the disk or the file fails"
    REFUSED = "the values themselves are not taken"


_LOCKED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_AWAY = {
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_READONLY,
}
_REFUSED = (
    sqlite3.IntegrityError,
    sqlite3.InterfaceError,
    sqlite3.DataError,
    sqlite3.ProgrammingError,
    OverflowError,  # an integer beyond 64 bits
    UnicodeEncodeError,  # a lone surrogate
)


def trouble(error: BaseException) -> Trouble | None:
    """What a sqlite3 error (or SQLAlchemy's wrapping of one) means; None for any other error."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    code = getattr(cause, "sqlite_errorcode", 0) & 0xFF  # without its extension
    if code in _LOCKED:
        return Trouble.LOCKED
    if code in _AWAY:
        return Trouble.AWAY
    return Trouble.REFUSED if isinstance(cause, _REFUSED) else None


def connect(
    path: str | Path,
    *,
    read_only: bool = False,
    synced: bool = True,
    cache_kib: int = CACHE_KIB,
) -> sqlite3.Connection:
    """Open the file, durable at every commit; usable from any one thread at a time.

    Pages stay in a cache of ``cache_kib`` until others come: it fills, whether it is of use or not.

    Not ``synced``, a commit survives the process but not the machine: for what is only played.

    No transaction begins by itself: a deferred one that reads and then writes fails at once when
    another has written between, however long the busy time-out.
    """
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
    connection.execute("PRAGMA journal_mode = WAL")
    # NORMAL may lose the last commits with power
    connection.execute(f"PRAGMA synchronous = {'FULL' if synced else 'OFF'}")
    connection.execute(f"PRAGMA cache_size = -{READER_CACHE_KIB if read_only else cache_kib}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    connection.execute(f"PRAGMA query_only = {int(read_only)}")
    return connection


def engine(
    path: str | Path, *, connections: int = 1, read_only: bool = False, synced: bool = True
) -> Engine:
    """An engine on the file. One that writes has one connection: it is its own queue of writers."""
    made = create_engine(
        "sqlite://",
        creator=lambda: connect(path, read_only=read_only, synced=synced),
        poolclass=QueuePool,
        pool_size=connections,
        max_overflow=0,
    )

    @event.listens_for(made, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return made
