"""Projections: tables that follow the journal, and can be made again from it at any time.

A projection's rows and its checkpoint change in one transaction, so every journal row counts
exactly once, whatever dies in between.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from sqlalchemy import (
    Connection,
    MetaData,
    Table,
    insert,
    inspect,
    quoted_name,
    select,
    text,
    update,
)

from streams import postgres, sqlite
from streams.journal.base import Row
from streams.journal.schema import projection_checkpoint as checkpoint
from streams.sqlite import Trouble

_FRESH = "_fresh"

Read = Callable[[Sequence[bytes]], Mapping[bytes, Sequence[Row]]]
"""A journal's ``read``: the rows of streams, those taken in and perhaps later ones."""


class Projection(Protocol):
    """One read model. It holds nothing in memory between two calls.

    ``tables`` are its own, by the names it knows them by. ``apply`` writes to the tables it is
    given and to no others: during a rebuild they are a second set under other names.
    """

    @property
    def name(self) -> str: ...

    @property
    def tables(self) -> Sequence[Table]: ...

    def apply(
        self, connection: Connection, tables: Mapping[str, Table], rows: Sequence[Row], read: Read
    ) -> None:
        """Take in rows that follow, by position, all rows taken in before."""


class FollowedStore(Protocol):
    """What following needs of a journal store."""

    def since(self, pos: int, limit: int) -> list[Row]: ...

    def read(self, streams: Sequence[bytes]) -> Mapping[bytes, Sequence[Row]]: ...

    def transaction(self) -> AbstractContextManager[Connection]: ...


def create(store: FollowedStore, projections: Sequence[Projection]) -> None:
    """Make the tables that are missing, to be filled from the first row of the journal on."""
    with store.transaction() as connection:
        known = set(connection.scalars(select(checkpoint.c.name)))
        for projection in projections:
            if projection.name not in known:
                _start(connection, projection.name, projection.tables)


def checkpoints(store: FollowedStore) -> dict[str, int]:
    """Up to where each projection has followed."""
    with store.transaction() as connection:
        rows = connection.execute(select(checkpoint.c.name, checkpoint.c.pos))
        return {name: pos for name, pos in rows if not name.endswith(_FRESH)}


def follow(store: FollowedStore, projections: Sequence[Projection], limit: int) -> int:
    """Take in up to ``limit`` rows per projection; returns how many the furthest behind took in.

    One that raises stays where it is and stops no other; afterwards what they raised is raised
    together, as an ExceptionGroup. Of several followers at once one moves a projection. A database
    that fails is told of as `streams.journal.errors` has it.
    """
    stands = checkpoints(store)
    together = defaultdict(list)
    for projection in projections:
        together[stands[projection.name]].append(projection)
    taken = 0
    failures: list[Exception] = []
    for pos, those in sorted(together.items()):
        rows = store.since(pos, limit)
        if rows:
            failures += _advance(store, those, pos, rows)
        taken = max(taken, len(rows))
    if failures:
        raise ExceptionGroup("projections stand still", failures)
    return taken


def _advance(
    store: FollowedStore, projections: Sequence[Projection], pos: int, rows: Sequence[Row]
) -> list[Exception]:
    failures: list[Exception] = []
    with store.transaction() as connection:
        for projection in projections:
            tables = {table.name: table for table in projection.tables}
            try:
                with connection.begin_nested():
                    if _move(connection, projection.name, pos, rows[-1].pos):
                        projection.apply(connection, tables, rows, store.read)
            except Exception as error:
                if _of_the_database(error):
                    raise
                error.add_note(f"projection {projection.name}, rows {pos + 1} to {rows[-1].pos}")
                failures.append(error)
    return failures


def _of_the_database(error: Exception) -> bool:
    """Whether the database is away or locked: then it is no projection's fault."""
    return bool({postgres.trouble(error), sqlite.trouble(error)} & {Trouble.AWAY, Trouble.LOCKED})


def rebuild(store: FollowedStore, projection: Projection, limit: int) -> Iterator[int]:
    """Make a projection again beside the one in use, then put it in its place.

    Takes in ``limit`` rows at a time and yields the position reached; whoever iterates sets the
    pace, and may stop. The checkpoint changes with the names, so nothing is missed between.
    """
    name = projection.name + _FRESH
    with store.transaction() as connection:
        fresh = _fresh_tables(connection, projection.tables)
        connection.execute(checkpoint.delete().where(checkpoint.c.name == name))
        _start(connection, name, list(fresh.values()))
    pos = 0
    while rows := store.since(pos, limit):
        with store.transaction() as connection:
            projection.apply(connection, fresh, rows, store.read)
            _move(connection, name, pos, rows[-1].pos)
        pos = rows[-1].pos
        yield pos
    with store.transaction() as connection:
        _swap(connection, projection, fresh, pos)


def _start(connection: Connection, name: str, tables: Sequence[Table]) -> None:
    for table in tables:
        table.create(connection)
    connection.execute(insert(checkpoint).values(name=name, pos=0))


def _move(connection: Connection, name: str, old: int, new: int) -> bool:
    """Move a checkpoint, if it stands where it was seen."""
    here = update(checkpoint).where(checkpoint.c.name == name, checkpoint.c.pos == old)
    return connection.execute(here.values(pos=new)).rowcount == 1


def _fresh_tables(connection: Connection, tables: Sequence[Table]) -> dict[str, Table]:
    """Copies under other names; indexes share one space of names, so theirs differ, too."""
    metadata = MetaData()
    fresh = {}
    for table in tables:
        copy = table.to_metadata(metadata, name=table.name + _FRESH)
        used = {index["name"] for index in inspect(connection).get_indexes(table.name)}
        for index in copy.indexes:
            if index.name in used:
                index.name = quoted_name(f"{index.name}_again", quote=None)
        copy.drop(connection, checkfirst=True)  # of a rebuild that was stopped
        fresh[table.name] = copy
    return fresh


def _swap(
    connection: Connection, projection: Projection, fresh: Mapping[str, Table], pos: int
) -> None:
    # the checkpoint first, as who follows does: neither waits for what the other holds
    names = (projection.name, projection.name + _FRESH)
    connection.execute(checkpoint.delete().where(checkpoint.c.name.in_(names)))
    for table in projection.tables:
        made = fresh[table.name].name
        table.drop(connection)
        connection.execute(text(f"ALTER TABLE {made} RENAME TO {table.name}"))
        if connection.dialect.name != "sqlite":  # where an index of the table has a name of its own
            connection.execute(text(f"ALTER INDEX {made}_pkey RENAME TO {table.name}_pkey"))
    connection.execute(insert(checkpoint).values(name=projection.name, pos=pos))
