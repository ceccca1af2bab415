"""Counters in a table: deltas of a whole batch are added up first, then written once a key."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, Table, and_, bindparam, delete
from sqlalchemy.dialects import postgresql, sqlite


def insertion(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that may say what to do on a conflict: each database has its own."""
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


def add(
    connection: Connection, table: Table, deltas: Mapping[tuple[object, ...], Sequence[int]]
) -> None:
    """Add ``deltas``, by the table's primary key, to its other columns in their order."""
    if not deltas:
        return
    keys = [column.name for column in table.primary_key]
    counts = [column.name for column in table.c if not column.primary_key]
    upsert = insertion(connection, table)
    upsert = upsert.on_conflict_do_update(
        index_elements=keys, set_={name: table.c[name] + upsert.excluded[name] for name in counts}
    )
    names = [*keys, *counts]
    connection.execute(
        upsert, [dict(zip(names, (*key, *values), strict=True)) for key, values in deltas.items()]
    )


def drop_zeros(connection: Connection, table: Table, keys: Sequence[tuple[object, ...]]) -> None:
    """Delete those of ``keys`` whose only counter came to nothing, so that the rows do not depend
    on how the journal was cut into batches."""
    if not keys:
        return
    columns = list(table.primary_key)
    [count] = [column for column in table.c if not column.primary_key]
    here = and_(count == 0, *[column == bindparam(f"is_{column.name}") for column in columns])
    names = [f"is_{column.name}" for column in columns]
    connection.execute(
        delete(table).where(here), [dict(zip(names, key, strict=True)) for key in keys]
    )
