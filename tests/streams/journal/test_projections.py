"""A projection counts every row once, and equals its replay, on both databases."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import (
    Column,
    Connection,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    inspect,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite

from streams.journal.base import Group, Row, Store
from streams.journal.errors import JournalUnavailable
from streams.journal.postgres import PostgresStore
from streams.journal.projections import Projection, Read, checkpoints, create, follow, rebuild
from tests.contracts.journal_contract import AT, unit


class Kinds:
    """How many rows of each type: as small as a projection can be."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.table = Table(
            name,
            MetaData(),
            Column("type", Text, primary_key=True),
            Column("count", Integer, nullable=False),
            Index(f"{name}_count", "count"),
        )
        self.tables = [self.table]
        self.poisoned = False
        self.before: Callable[[Connection], object] = lambda connection: None
        self.calls: list[int] = []

    def apply(
        self, connection: Connection, tables: Mapping[str, Table], rows: Sequence[Row], read: Read
    ) -> None:
        self.calls.append(len(rows))
        self.before(connection)
        table = tables[self.name]
        dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
        upsert = dialect.insert(table)
        upsert = upsert.on_conflict_do_update(
            index_elements=["type"], set_={"count": table.c.count + upsert.excluded.count}
        )
        counts = Counter(row.type for row in rows)
        connection.execute(upsert, [{"type": kind, "count": n} for kind, n in counts.items()])
        if self.poisoned:
            raise ValueError("poison")

    def read(self, store: Store) -> dict[str, int]:
        with store.readers.connect() as connection:
            return dict(connection.execute(select(self.table)).all())


def fill(store: Store, streams: range) -> None:
    kinds = ["Routed", "Held"]
    store.commit([Group([unit(n, 1, kind=kinds[n % 2]) for n in streams])], AT)


@pytest.fixture
def kinds(store: Store) -> Kinds:
    kinds = Kinds("kinds")
    create(store, [kinds])
    return kinds


def test_every_row_counts_once(store: Store, kinds: Kinds) -> None:
    projection: Projection = kinds
    fill(store, range(5))
    assert [follow(store, [projection], 3) for _ in range(3)] == [3, 2, 0]
    assert kinds.read(store) == {"Routed": 3, "Held": 2}
    assert checkpoints(store) == {"kinds": 5}
    create(store, [kinds])  # changes nothing
    assert kinds.read(store) == {"Routed": 3, "Held": 2}


def test_one_that_raises_stops_no_other(store: Store, kinds: Kinds) -> None:
    bad = Kinds("bad")
    create(store, [bad])
    bad.poisoned = True
    fill(store, range(4))
    with pytest.raises(ExceptionGroup) as raised:
        follow(store, [bad, kinds], 10)
    assert raised.value.exceptions[0].__notes__ == ["projection bad, rows 1 to 4"]
    assert (bad.read(store), kinds.read(store)) == ({}, {"Routed": 2, "Held": 2})
    assert checkpoints(store) == {"bad": 0, "kinds": 4}
    bad.poisoned = False
    fill(store, range(10, 12))
    assert follow(store, [bad, kinds], 10) == 6
    assert bad.read(store) == kinds.read(store) == {"Routed": 3, "Held": 3}


def test_of_two_followers_one_moves_it(store: Store, kinds: Kinds) -> None:
    fill(store, range(4))

    class Raced:
        transaction = store.transaction
        read = store.read

        def since(self, pos: int, limit: int) -> list[Row]:
            rows = store.since(pos, limit)
            follow(store, [kinds], limit)  # the other is faster
            return rows

    follow(Raced(), [kinds], 10)
    assert kinds.read(store) == {"Routed": 2, "Held": 2}


@pytest.mark.cluster
def test_a_database_that_goes_away_is_no_projection_s_fault(database: str) -> None:
    store, kinds, other = PostgresStore(database), Kinds("kinds"), Kinds("other")
    create(store, [kinds, other])
    fill(store, range(4))

    def shut_down(connection: Connection) -> None:
        """As if an administrator had ended the session."""
        connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    kinds.before = shut_down
    with pytest.raises(JournalUnavailable):
        follow(store, [kinds, other], 10)
    kinds.before = lambda connection: None
    assert follow(store, [kinds, other], 10) == 4
    assert kinds.read(store) == other.read(store) == {"Routed": 2, "Held": 2}
    store.close()


def test_many_followers_at_once_count_every_row_once(store: Store, kinds: Kinds) -> None:
    """While others write, and while it is made again."""

    def write(first: int) -> None:
        for n in range(20):
            fill(store, range(first + 10 * n, first + 10 * n + 10))

    def follow_to(end: int) -> None:
        while checkpoints(store).get("kinds", 0) < end:
            follow(store, [kinds], 7)

    with ThreadPoolExecutor(5) as pool:
        done = [pool.submit(write, first) for first in (1_000, 2_000)]
        done += [pool.submit(follow_to, 400) for _ in range(2)]
        done.append(pool.submit(lambda: [*rebuild(store, kinds, 30)]))
        for one in done:
            one.result()
    follow_to(400)
    assert kinds.read(store) == {"Routed": 200, "Held": 200}


def replayed(store: Store) -> dict[str, int]:
    return dict(Counter(row.type for row in store.since(0, 1_000)))


@pytest.mark.parametrize("times", [1, 2, 3])  # the second meets the names the first left
def test_rebuilt_beside_live_traffic(store: Store, kinds: Kinds, times: int) -> None:
    fill(store, range(10))
    follow(store, [kinds], 100)
    with store.transaction() as connection:
        connection.execute(kinds.table.update().values(count=99))  # a fault of an older version
    for streams in [range(100 * n, 100 * n + 3) for n in range(1, times + 1)]:
        kinds.calls.clear()
        for pos in rebuild(store, kinds, 4):
            if pos == 4:
                fill(store, streams)  # which the live one need not have seen yet
        assert max(kinds.calls) == 4
        assert kinds.read(store) == replayed(store)
    fill(store, range(900, 910))
    follow(store, [kinds], 100)
    assert kinds.read(store) == replayed(store)


def test_a_rebuild_that_was_stopped_begins_again(store: Store, kinds: Kinds) -> None:
    fill(store, range(10))
    follow(store, [kinds], 100)
    stopped = rebuild(store, kinds, 4)
    next(stopped)
    stopped.close()
    assert kinds.read(store) == {"Routed": 5, "Held": 5}
    assert list(rebuild(store, kinds, 4)) == [4, 8, 10]
    assert kinds.read(store) == {"Routed": 5, "Held": 5}
    assert checkpoints(store) == {"kinds": 10}
    with store.readers.connect() as connection:
        tables = inspect(connection)
        left = [name for name in tables.get_table_names() if "kinds" in name]
        indexes = [index["name"] for index in tables.get_indexes("kinds")]
    assert left == ["kinds"]
    assert indexes == ["kinds_count_again"]
