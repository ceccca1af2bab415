"""The months of the journal in PostgreSQL: made ahead, and checked.

Nothing is lost without them: rows of a month that was not made lie in ``journal_other`` and
``archive_other``, and are moved when it is made.
"""

# ruff: noqa: S608 - every statement is made of this module's own constants

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import Connection, text

from streams.journal.postgres_schema import MAKING
from streams.journal.proof import month_of

# The door stamps an event anew that claims to be older than 400 days.
PAST_MS = 400 * 86_400_000
# Whoever is told that the next month is missing has a quarter of a year to make it.
MONTHS_AHEAD = 3


class _Month(NamedTuple):
    table: str
    name: str
    bounds: str
    """As PostgreSQL says which rows belong to it."""
    holds: str
    """The same as a condition."""


def ensure_partitions(connection: Connection, now_ms: int, ahead: int = MONTHS_AHEAD) -> list[str]:
    """Make the months that are missing up to ``ahead`` after this one; answers their names.

    Who reads or writes waits until the transaction ends, some milliseconds a month. Only the owner
    of the tables may.
    """
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MAKING})
    missing = [*_missing(connection, now_ms, ahead)]
    for month in missing:
        _make(connection, month)
    return [month.name for month in missing]


def missing_partitions(connection: Connection, now_ms: int, ahead: int = MONTHS_AHEAD) -> list[str]:
    """The months that should be there and are not."""
    return [month.name for month in _missing(connection, now_ms, ahead)]


def _missing(connection: Connection, now_ms: int, ahead: int) -> Iterator[_Month]:
    attached = text("SELECT inhrelid::regclass::text FROM pg_inherits")
    known = set(connection.scalars(attached))
    wanted = [
        *map(_journal_month, _months(now_ms - PAST_MS, now_ms, ahead)),
        *map(_archive_month, _months(now_ms, now_ms, ahead)),
    ]
    return (month for month in wanted if month.name not in known)


def _make(connection: Connection, month: _Month) -> None:
    """Made apart, filled, and then attached: its rows must be out of the other partition first."""
    other = f"{month.table}_other"
    connection.exec_driver_sql(f"CREATE TABLE {month.name} (LIKE {month.table} INCLUDING ALL)")
    connection.exec_driver_sql(f"LOCK TABLE {other} IN ACCESS EXCLUSIVE MODE")
    moved = connection.exec_driver_sql(
        f"INSERT INTO {month.name} SELECT * FROM {other} WHERE {month.holds}"
    )
    if moved.rowcount:
        connection.exec_driver_sql(f"ALTER TABLE {other} DISABLE TRIGGER USER")
        connection.exec_driver_sql(f"DELETE FROM {other} WHERE {month.holds}")
        connection.exec_driver_sql(f"ALTER TABLE {other} ENABLE TRIGGER USER")
    connection.exec_driver_sql(
        f"ALTER TABLE {month.table} ATTACH PARTITION {month.name} FOR VALUES {month.bounds}"
    )


def _journal_month(month: int) -> _Month:
    first, end = (f"'\\x{_start_ms(m).to_bytes(6, 'big').hex()}'" for m in (month, _next(month)))
    bounds = f"FROM ({first}) TO ({end})"
    return _Month("journal", f"journal_{month}", bounds, f"stream >= {first} AND stream < {end}")


def _archive_month(month: int) -> _Month:
    return _Month("archive", f"archive_{month}", f"IN ({month})", f"month = {month}")


def _months(since_ms: int, now_ms: int, ahead: int) -> list[int]:
    months, last = [month_of(since_ms)], month_of(now_ms)
    while ahead or months[-1] < last:
        if months[-1] >= last:
            ahead -= 1
        months.append(_next(months[-1]))
    return months


def _next(month: int) -> int:
    return month + 1 if month % 100 < 12 else month + 89


def _start_ms(month: int) -> int:
    return int(datetime(month // 100, month % 100, 1, tzinfo=UTC).timestamp()) * 1_000
