"""Counters in a table: a batch's deltas are added up first, then written by one statement."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import compress
from typing import Any

from sqlalchemy import (
    ARRAY,
    Column,
    ColumnElement,
    Connection,
    Dialect,
    Executable,
    Table,
    Text,
    bindparam,
    cast,
    delete,
    func,
    literal_column,
    select,
    tuple_,
)
from sqlalchemy.dialects import postgresql, sqlite

from streams.postgres import Numbers, Words, driver_of

STATEMENTS_KEPT = 128
"""One for each set of counters that batches move together, and as many again while a table is
rebuilt. Building one costs more than running it."""


def add(
    connection: Connection, table: Table, deltas: Mapping[tuple[object, ...], Sequence[int]]
) -> None:
    """Add ``deltas``, by the table's primary key, to its other columns in their order."""
    key = [column.name for column in table.primary_key]
    counts = [column.name for column in table.c if not column.primary_key]
    moved = [any(column) for column in zip(*deltas.values(), strict=True)]
    live = tuple(compress(counts, moved))
    # in one order: of two who write the same rows, none waits for what the other waits for
    rows = sorted((*of, *compress(numbers, moved)) for of, numbers in deltas.items())
    if live:
        _execute(connection, _upsert(table, live, connection.dialect), table, (*key, *live), rows)


def drop_zeros(connection: Connection, table: Table, keys: Sequence[tuple[object, ...]]) -> None:
    """Delete those of ``keys`` whose only counter came to nothing, so that the rows do not depend
    on how the journal was cut into batches."""
    names = [column.name for column in table.primary_key]
    if keys:
        _execute(connection, _deletion(table, connection.dialect), table, names, sorted(keys))


def _execute(
    connection: Connection,
    statement: str | Executable,
    table: Table,
    names: Sequence[str],
    rows: Sequence[tuple[object, ...]],
) -> None:
    """PostgreSQL is given all rows at once, a column an array; SQLite, which has no arrays and no
    round trips, runs a prepared statement for each."""
    if isinstance(statement, str):
        arrays = {
            f"of_{name}": Words(values) if isinstance(table.c[name].type, Text) else Numbers(values)
            for name, values in zip(names, zip(*rows, strict=True), strict=True)
        }
        driver_of(connection).execute(statement, arrays, prepare=True)
    else:
        given = [f"of_{name}" for name in names]
        connection.execute(statement, [dict(zip(given, row, strict=True)) for row in rows])


@lru_cache(STATEMENTS_KEPT)
def _upsert(table: Table, live: tuple[str, ...], dialect: Dialect) -> str | Executable:
    """Adds to the counters that are ``live``; a row that is new begins at 0 in the others."""
    given = [column for column in table.c if column.primary_key or column.name in live]
    zeros = [column.name for column in table.c if column not in given]
    insert: sqlite.Insert | postgresql.Insert
    if dialect.name == "sqlite":
        values: dict[str, Any] = dict.fromkeys(zeros, literal_column("0"))
        values |= {column.name: bindparam(f"of_{column.name}") for column in given}
        insert = sqlite.insert(table).values(values)
    else:
        names = [column.name for column in given] + zeros
        each = select(*_each(given), *(literal_column("0") for _ in zeros))
        insert = postgresql.insert(table).from_select(names, each)
    upsert = insert.on_conflict_do_update(
        index_elements=list(table.primary_key),
        set_={name: table.c[name] + insert.excluded[name] for name in live},
    )
    return upsert if dialect.name == "sqlite" else str(upsert.compile(dialect=dialect))


@lru_cache(STATEMENTS_KEPT)
def _deletion(table: Table, dialect: Dialect) -> str | Executable:
    [count] = [column for column in table.c if not column.primary_key]
    key = list(table.primary_key)
    if dialect.name == "sqlite":
        here = [column == bindparam(f"of_{column.name}") for column in key]
        return delete(table).where(count == literal_column("0"), *here)
    among = tuple_(*key).in_(select(*_each(key)))
    gone = delete(table).where(count == literal_column("0"), among)
    return str(gone.compile(dialect=dialect))


def _each(columns: Iterable[Column[Any]]) -> list[ColumnElement[Any]]:
    """Arrays as rows: what stands at the same place in each is one row."""
    return [
        func.unnest(cast(bindparam(f"of_{column.name}"), ARRAY(column.type))) for column in columns
    ]
