"""Which streams a sweep is shown, and that it knows where it was."""

import pytest
from sqlalchemy import func, select

from preferences.links import REFERENCE_CHARS, Link, find_link, link, save_links
from streams.journal.base import Group, Store
from streams.journal.postgres import PostgresStore
from streams.pipeline.sweep import BATCH, Swept
from streams.sweeps import Page, SqlSweeps, swept_since
from tests.contracts.journal_contract import AT, name, unit

INBOX = Link("inbox", "P1", "", AT + 1)


def commit(store: Store, at_ms: int, *streams: int, kind: str = "Routed.1") -> None:
    store.commit([Group([unit(stream, 1, kind=kind) for stream in streams])], at_ms)


@pytest.fixture
def sweeps(hub_store: Store) -> SqlSweeps:
    return SqlSweeps(hub_store)


def test_an_hour_s_streams_are_shown(hub_store: Store, sweeps: SqlSweeps) -> None:
    for hour in range(4):
        commit(hub_store, AT + hour, 10 * hour + 1, 10 * hour + 2)
    assert sweeps.page(AT + 1, AT + 3, 0) == Page([name(11), name(12), name(21), name(22)], 6)
    assert sweeps.page(AT + 1, AT + 3, 4) == Page([name(21), name(22)], 6)
    assert sweeps.page(AT + 1, AT + 3, 6).streams == []
    assert sweeps.page(AT + 9, AT + 99, 0) == Page([], 0)


def test_only_rows_that_set_a_leg_going_count(hub_store: Store, sweeps: SqlSweeps) -> None:
    commit(hub_store, AT, 1)
    commit(hub_store, AT, 2, kind="Delivered.1")
    commit(hub_store, AT, 3, kind="Held.1")
    assert sweeps.page(AT, AT + 1, 0).streams == [name(1), name(3)]


def test_many_come_in_pages(hub_store: Store, sweeps: SqlSweeps) -> None:
    commit(hub_store, AT, *range(1, BATCH + 3))
    first = sweeps.page(AT, AT + 1, 0)
    assert len(first.streams) == BATCH
    assert len(sweeps.page(AT, AT + 1, first.after).streams) == 2


def test_it_knows_up_to_when_it_looked(sweeps: SqlSweeps) -> None:
    assert sweeps.swept_ms() == 0
    sweeps.done(AT, Swept())
    sweeps.done(AT + 5, Swept())
    sweeps.done(AT + 1, Swept())  # another process was slower
    assert sweeps.swept_ms() == AT + 5


def test_links_that_expired_go(hub_store: Store, sweeps: SqlSweeps) -> None:
    old, new = "a" * REFERENCE_CHARS, "b" * REFERENCE_CHARS
    with hub_store.transaction() as connection:
        save_links(connection, [(old, Link("inbox", "P1", "", AT)), (new, INBOX)])
    sweeps.done(AT, Swept())
    with hub_store.readers.connect() as connection:
        assert connection.execute(select(func.count()).select_from(link)).scalar_one() == 1
        assert find_link(connection, new, "inbox", AT) == INBOX


def test_what_they_did_adds_up(hub_store: Store, sweeps: SqlSweeps) -> None:
    assert swept_since(hub_store, 0) == Swept()
    sweeps.done(AT, Swept(escalated=3, closed=2))
    sweeps.done(AT + 5, Swept(caught=1))
    sweeps.done(AT + 5, Swept(closed=4, caught=2))  # two processes swept the same hour
    assert swept_since(hub_store, 0) == Swept(escalated=3, closed=6, caught=3)
    assert swept_since(hub_store, AT) == Swept(closed=4, caught=3)


@pytest.mark.cluster
def test_another_shard_s_rows_are_not_shown(database: str) -> None:
    own, other = PostgresStore(database), PostgresStore(database, shard=1)
    commit(own, AT, 1)
    commit(other, AT, 2, 3)
    commit(own, AT, 4)
    assert SqlSweeps(own).page(AT, AT + 1, 0) == Page([name(1), name(4)], 2)
    assert SqlSweeps(other).page(AT, AT + 1, 0) == Page([name(2), name(3)], 2)
    own.close()
    other.close()
