"""A PostgreSQL database that keeps what it was told: how one is opened, what its errors mean, and
how many rows and many keys travel at once."""

import select
import struct
from collections.abc import Sequence
from itertools import chain, repeat
from typing import Any

import psycopg
from psycopg.adapt import Dumper
from psycopg.copy import LibpqWriter
from psycopg.pq import Format
from sqlalchemy import Connection, Engine, PoolProxiedConnection, QueuePool, create_engine, event
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry

from streams.sqlite import Trouble

# How long a statement waits for another's lock; whoever works holds one for milliseconds.
LOCK_MS = 5_000
# How long an answer to "are you there" may take, and the opening of a connection.
CONNECT_S = 5
# A server whose machine is gone sends no word: it is given up after 10 + 3 x 5 seconds of silence,
# or when what was sent to it stays unacknowledged for as long.
KEEPALIVES = {
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}

PLANS_KEPT = 128
"""A session is lent at most so often before it plans anew, and a new one after 8, 16, 32 times. A
plan made while a month was empty may take the wrong one of two indexes, and read the whole month
for a key when it is long full; to plan what a session asks takes some five milliseconds."""

_PLANNED_SOON = (8, 16, 32, 64)

_SESSION = {
    "synchronous_commit": "on",  # a commit that was answered survives the loss of power
    "default_transaction_isolation": r"read\ committed",
    # of no use to statements of a millisecond, and dear when an estimate is wrong
    "jit": "off",
    # To plan a statement over all months takes a millisecond, to carry it out often a tenth of it.
    # Left to itself, the server plans those of few keys, and those of a range, anew each time.
    "plan_cache_mode": "force_generic_plan",
    # The plan of a prepared statement is made while its tables are small, and kept: it would go on
    # reading a whole table for one key when that has long been large.
    "enable_seqscan": "off",
}


def engine(url: str, *, connections: int, read_only: bool = False) -> Engine:
    """An engine on the database, of at most so many connections.

    A reader's transaction sees one state of the database throughout. A connection whose server
    went away while nobody used it is replaced when it is asked for: that costs a look at its
    socket, and no round trip.
    """
    session = {
        **_SESSION,
        "lock_timeout": LOCK_MS,
        "default_transaction_read_only": "on" if read_only else "off",
    }
    made = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=connections,
        pool_use_lifo=True,  # by turns, each session would keep all plans, and none would be warm
        max_overflow=0,
        pool_timeout=LOCK_MS / 1_000,
        isolation_level="REPEATABLE READ" if read_only else "READ COMMITTED",
        connect_args={
            "connect_timeout": CONNECT_S,
            "options": " ".join([f"-c {name}={value}" for name, value in session.items()]),
            **KEEPALIVES,
        },
    )

    @event.listens_for(made, "connect")
    def _connected(driver: psycopg.Connection[Any], _: object) -> None:
        for many, dumper in _DUMPERS.items():
            driver.adapters.register_dumper(many, dumper)

    @event.listens_for(made, "checkout")
    def _lent(driver: psycopg.Connection[Any], lent: ConnectionPoolEntry, _: object) -> None:
        if driver.closed or _speaks(driver):
            raise DisconnectionError("the server went away")
        times = lent.info["times"] = lent.info.get("times", 0) + 1
        if times % PLANS_KEPT == 0 or times in _PLANNED_SOON:
            _plan_anew(driver)

    if read_only:
        # What only read may be ended either way; but after a ROLLBACK the driver makes the server
        # forget every statement it has prepared.
        made.dialect.do_rollback = made.dialect.do_commit  # type: ignore[method-assign]
    return made


def driver_of(connection: Connection | PoolProxiedConnection) -> psycopg.Connection[Any]:
    """The driver's own connection under SQLAlchemy's."""
    lent = connection.connection if isinstance(connection, Connection) else connection
    driver = lent.driver_connection
    assert isinstance(driver, psycopg.Connection)
    return driver


def _plan_anew(driver: psycopg.Connection[Any]) -> None:
    """Have the server forget its plans, not the statements they are of."""
    try:
        driver.autocommit = True
        driver.execute("DISCARD PLANS")
        driver.autocommit = False
    except psycopg.OperationalError as error:
        raise DisconnectionError("the server went away") from error


def _speaks(driver: psycopg.Connection[Any]) -> bool:
    """Nobody asked, so what an idle server says is good-bye."""
    poll = select.poll()
    poll.register(driver.fileno(), select.POLLIN)
    return bool(poll.poll(0))


# Errors

_LOCKED = {
    "40001",  # serialization failure
    "40P01",  # deadlock
    "55P03",  # the lock is not to be had in LOCK_MS
    "23514",  # the partition a row belongs to was made while it was on its way to another
}
_AWAY = {
    "25006",  # a standby, or a server in recovery
    "3D000",  # no such database
    "XX001",  # damaged data
    "XX002",  # damaged index
}
# connection, who are you, out of resources, shut down or cancelled, disk
_AWAY_CLASSES = {"08", "28", "53", "57", "58"}
_REFUSED_CLASSES = {"22", "23", "54"}  # data, constraints, limits such as the size of a key
_REFUSED = (
    psycopg.DataError,  # the driver's own, before the server saw it
    OverflowError,
    UnicodeEncodeError,  # a lone surrogate
    struct.error,  # an integer beyond its column
)


def trouble(error: BaseException) -> Trouble | None:
    """What a psycopg error (or SQLAlchemy's wrapping of one) means; None for any other error."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    code = getattr(cause, "sqlstate", None)
    if code is None:
        if isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError):
            return Trouble.AWAY  # the connection is lost, or none is to be had
        return Trouble.REFUSED if isinstance(cause, _REFUSED) else None
    if code in _LOCKED:
        return Trouble.LOCKED
    if code in _AWAY or code[:2] in _AWAY_CLASSES:
        return Trouble.AWAY
    return Trouble.REFUSED if code[:2] in _REFUSED_CLASSES else None


# Many at once

_BYTEA, _BYTEA_ARRAY = 17, 1001
_INT8, _INT8_ARRAY = 20, 1016
_TEXT, _TEXT_ARRAY = 25, 1009
_array_head = struct.Struct(">iiiii").pack


class Names(list[bytes]):
    """Byte strings of one length, sent as one bytea[].

    The driver's own way with a list takes ten times as long: this is most of what a look-up of
    many keys costs its caller.
    """


class _NamesDumper(Dumper):
    format = Format.BINARY
    oid = _BYTEA_ARRAY

    def dump(self, obj: Names) -> bytes:
        head = _array_of(_BYTEA, len(obj))
        return len(obj[0]).to_bytes(4, "big").join((head, *obj)) if obj else head


class Words(list[str]):
    """Texts, many of them the same, sent as one text[]."""


class _WordsDumper(Dumper):
    format = Format.BINARY
    oid = _TEXT_ARRAY

    def dump(self, obj: Words) -> bytes:
        raws = {word: word.encode() for word in set(obj)}
        packed = {word: len(raw).to_bytes(4, "big") + raw for word, raw in raws.items()}
        return _array_of(_TEXT, len(obj)) + b"".join([packed[word] for word in obj])


class Numbers(list[int]):
    """Integers, sent as one bigint[]."""


class _NumbersDumper(Dumper):
    format = Format.BINARY
    oid = _INT8_ARRAY

    def dump(self, obj: Numbers) -> bytes:
        packed = struct.pack(f">{'iq' * len(obj)}", *chain.from_iterable(zip(repeat(8), obj)))
        return _array_of(_INT8, len(obj)) + packed


_DUMPERS: dict[type, Any] = {Names: _NamesDumper, Words: _WordsDumper, Numbers: _NumbersDumper}


def _array_of(oid: int, count: int) -> bytes:
    return _array_head(1, 0, oid, count, 1) if count else struct.pack(">iii", 0, 0, oid)


# PostgreSQL's binary COPY: a signature, flags, the length of an extension; rows; an end
_COPY_START = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COPY_END = b"\xff\xff"
# PostgreSQL 15 and 16 keep a slot for each row of a COPY, up to 1,000, and what a slot costs grows
# with their number: a message of four rows took 2 of its 25 µs less this way.
ROWS_AT_ONCE = 350


def insert_rows(connection: psycopg.Connection[Any], into: str, rows: Sequence[bytes]) -> None:
    """Insert rows that are in COPY's binary form; ``into`` names the table and its columns."""
    copy = f"COPY {into} FROM STDIN (FORMAT binary)"
    for start in range(0, len(rows), ROWS_AT_ONCE):
        some = rows[start : start + ROWS_AT_ONCE]
        with connection.cursor() as cursor:
            at_end = LibpqWriter(cursor, flush_threshold=1 << 62)  # to wait once, not by the piece
            with cursor.copy(copy, writer=at_end) as copying:
                copying.write(b"".join((_COPY_START, *some, _COPY_END)))
