"""Counters in a table: a batch's deltas are added up first, then written by one statement."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    Column,
    ColumnElement,
    Connection,
    Delete,
    Table,
    bindparam,
    cast,
    delete,
    func,
    select,
    tuple_,
)
from sqlalchemy.dialects import postgresql, sqlite

STATEMENTS_KEPT = 32
"""Two a table, and as many again while it is rebuilt. Building one costs more than running it."""


def add(
    connection: Connection, table: Table, deltas: Mapping[tuple[object, ...], Sequence[int]]
) -> None:
    """Add ``deltas``, by the table's primary key, to its other columns in their order."""
    # in one order: of two who write the same rows, none waits for what the other waits for
    rows = sorted((*key, *counts) for key, counts in deltas.items())
    _execute(connection, _upsert, table, table.c, rows)


def drop_zeros(connection: Connection, table: Table, keys: Sequence[tuple[object, ...]]) -> None:
    """Delete those of ``keys`` whose only counter came to nothing, so that the rows do not depend
    on how the journal was cut into batches."""
    _execute(connection, _deletion, table, table.primary_key, sorted(keys))


def _execute(
    connection: Connection,
    statement: Any,
    table: Table,
    columns: Iterable[Column[Any]],
    rows: Sequence[tuple[object, ...]],
) -> None:
    """PostgreSQL is given all rows at once, a column an array; SQLite, which has no arrays and no
    round trips, runs a prepared statement for each."""
    if not rows:
        return
    names = [f"of_{column.name}" for column in columns]
    dialect = connection.dialect.name
    if dialect == "sqlite":
        values: Any = [dict(zip(names, row, strict=True)) for row in rows]
    else:
        values = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    connection.execute(statement(table, dialect), values)


@lru_cache(STATEMENTS_KEPT)
def _upsert(table: Table, dialect: str) -> sqlite.Insert | postgresql.Insert:
    insert: sqlite.Insert | postgresql.Insert
    if dialect == "sqlite":
        insert = sqlite.insert(table).values({c.name: bindparam(f"of_{c.name}") for c in table.c})
    else:
        given = select(*_each(table.c))
        insert = postgresql.insert(table).from_select([c.name for c in table.c], given)
    counts = [column.name for column in table.c if not column.primary_key]
    return insert.on_conflict_do_update(
        index_elements=list(table.primary_key),
        set_={name: table.c[name] + insert.excluded[name] for name in counts},
    )


@lru_cache(STATEMENTS_KEPT)
def _deletion(table: Table, dialect: str) -> Delete:
    [count] = [column for column in table.c if not column.primary_key]
    key = list(table.primary_key)
    if dialect == "sqlite":
        here = [column == bindparam(f"of_{column.name}") for column in key]
        return delete(table).where(count == 0, *here)
    return delete(table).where(count == 0, tuple_(*key).in_(select(*_each(key))))


def _each(columns: Iterable[Column[Any]]) -> list[ColumnElement[Any]]:
    """Arrays as rows: what stands at the same place in each is one row."""
    return [
        func.unnest(cast(bindparam(f"of_{column.name}"), ARRAY(column.type))) for column in columns
    ]
