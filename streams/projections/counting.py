"""Counters in a table: deltas of a whole batch are added up first, then written once a key."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

from sqlalchemy import Connection, Delete, Table, bindparam, delete
from sqlalchemy.dialects import postgresql, sqlite

STATEMENTS_KEPT = 32
"""Two a table, and as many again while it is rebuilt. Building one costs more than running it."""


def add(
    connection: Connection, table: Table, deltas: Mapping[tuple[object, ...], Sequence[int]]
) -> None:
    """Add ``deltas``, by the table's primary key, to its other columns in their order."""
    if deltas:
        names = [column.name for column in table.c]
        rows = [dict(zip(names, (*key, *n), strict=True)) for key, n in deltas.items()]
        connection.execute(_upsert(table, connection.dialect.name), rows)


@lru_cache(STATEMENTS_KEPT)
def _upsert(table: Table, dialect: str) -> sqlite.Insert | postgresql.Insert:
    insert = sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)
    counts = [column.name for column in table.c if not column.primary_key]
    return insert.on_conflict_do_update(
        index_elements=list(table.primary_key),
        set_={name: table.c[name] + insert.excluded[name] for name in counts},
    )


def drop_zeros(connection: Connection, table: Table, keys: Sequence[tuple[object, ...]]) -> None:
    """Delete those of ``keys`` whose only counter came to nothing, so that the rows do not depend
    on how the journal was cut into batches."""
    if keys:
        names = [f"is_{column.name}" for column in table.primary_key]
        rows = [dict(zip(names, key, strict=True)) for key in keys]
        connection.execute(_deletion(table), rows)


@lru_cache(STATEMENTS_KEPT)
def _deletion(table: Table) -> Delete:
    here = [column == bindparam(f"is_{column.name}") for column in table.primary_key]
    [count] = [column for column in table.c if not column.primary_key]
    return delete(table).where(count == 0, *here)
