"""Months are made ahead, and what came before its month was made finds its way into it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from sqlalchemy import text

from streams import door
from streams.core.identity import named_stream, stream_id
from streams.journal.base import Entry, Group, Unit
from streams.journal.errors import JournalLocked
from streams.journal.postgres import PostgresStore
from streams.journal.postgres_partitions import (
    PAST_MS,
    ensure_partitions,
    missing_partitions,
)
from tests.contracts.journal_contract import event

pytestmark = pytest.mark.cluster

DAY_MS = 86_400_000
NOW_MS = 1_795_485_600_000
"""The 24th of November 2026."""


@pytest.fixture
def store(database: str) -> Iterator[PostgresStore]:
    with closing(PostgresStore(database)) as store:
        yield store


def ensure(store: PostgresStore, now_ms: int, ahead: int = 1) -> list[str]:
    with store.transaction() as connection:
        made = ensure_partitions(connection, now_ms, ahead)
        assert missing_partitions(connection, now_ms, ahead) == []
        return made


def leg(event_ms: int, number: int = 1) -> bytes:
    return stream_id(event_ms, bytes(16), "notice", str(number))


def row(stream: bytes, version: int = 1) -> Unit:
    return Unit((Entry(stream, version, "Routed", b"{}"),))


def where(store: PostgresStore, table: str = "journal") -> dict[str, int]:
    """How many rows each partition holds."""
    query = text(f"SELECT tableoid::regclass::text, count(*) FROM {table} GROUP BY 1")
    with store.readers.connect() as connection:
        return {row[0]: row[1] for row in connection.execute(query)}


def told(store: PostgresStore, query: str) -> object:
    """What the server says now, and not when a transaction began."""
    with store.readers.connect() as connection:
        return connection.scalar(text(query))


def test_the_months_an_event_may_be_of_and_those_to_come(store: PostgresStore) -> None:
    made = ensure(store, NOW_MS, 2)
    assert made[:2] == ["journal_202510", "journal_202511"]  # 400 days ago it was October
    assert made[-5:] == [
        "journal_202612", "journal_202701", "archive_202611", "archive_202612", "archive_202701",
    ]  # fmt: skip
    assert len(made) == 16 + 3
    assert ensure(store, NOW_MS, 2) == []


def test_what_is_missing_is_said_before_it_is_needed(store: PostgresStore) -> None:
    ensure(store, NOW_MS, 1)
    with store.transaction() as connection:
        assert missing_partitions(connection, NOW_MS, 1) == []
        later = NOW_MS + 10 * DAY_MS
        assert missing_partitions(connection, later, 1) == ["journal_202701", "archive_202701"]


def test_months_begin_and_end_with_their_first_millisecond(store: PostgresStore) -> None:
    ensure(store, NOW_MS)
    december_ms = 1_796_083_200_000
    store.commit([Group([row(leg(december_ms - 1)), row(leg(december_ms))])], NOW_MS)
    assert where(store) == {"journal_202611": 1, "journal_202612": 1}


def test_streams_without_a_time_lie_apart(store: PostgresStore) -> None:
    ensure(store, NOW_MS)
    names = [named_stream("preferences", str(n)) for n in range(50)]
    store.commit([Group([row(name) for name in names])], NOW_MS)
    found = where(store)
    assert found["journal_named"] > 45
    assert set(found) <= {"journal_named", "journal_other"}
    assert set(store.read(names)) == set(names)


def test_a_month_made_late_takes_its_rows_over(store: PostgresStore) -> None:
    early = [leg(NOW_MS, n) for n in range(3)]
    other = leg(NOW_MS - 3 * PAST_MS)
    store.commit([Group([row(stream) for stream in [*early, other]], [event(1)])], NOW_MS)
    assert where(store) == {"journal_other": 4}
    assert where(store, "archive") == {"archive_other": 1}
    ensure(store, NOW_MS)
    assert where(store) == {"journal_202611": 3, "journal_other": 1}
    assert where(store, "archive") == {"archive_202611": 1}
    answer = store.commit([Group([row(early[0]), row(early[0], 2)], [event(1)])], NOW_MS)[0]
    assert (answer.won, answer.archived) == ((False, True), (False,))
    assert list(store.verify()) == []


@pytest.mark.parametrize("table", ["journal_202611", "journal_other", "archive_202611"])
@pytest.mark.parametrize("what", ["DELETE FROM {}", "UPDATE {} SET at_ms = 0"])
def test_each_is_append_only_by_itself(store: PostgresStore, table: str, what: str) -> None:
    ensure(store, NOW_MS)
    streams = [leg(NOW_MS), leg(NOW_MS - 3 * PAST_MS)]
    store.commit([Group([row(stream) for stream in streams], [event(1)])], NOW_MS)
    with pytest.raises(Exception, match="append-only"), store.transaction() as connection:
        connection.execute(text(what.format(table)))


def test_a_commit_waits_until_its_month_is_made_and_is_tried_again(store: PostgresStore) -> None:
    group = Group([row(leg(NOW_MS))], [event(1)])
    waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    with ThreadPoolExecutor(1) as pool:
        with store.transaction() as connection:
            ensure_partitions(connection, NOW_MS)
            writing = pool.submit(store.commit, [group], NOW_MS)
            while not told(store, waits):
                assert not writing.done()
        with pytest.raises(JournalLocked):  # it was on its way to where the month is no more
            writing.result()
    assert store.commit([group], NOW_MS)[0].won == (True,)
    assert where(store) == {"journal_202611": 1}


def test_two_may_make_them_at_once(store: PostgresStore) -> None:
    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(ensure, [store] * 2, [NOW_MS] * 2))
    assert sorted(map(bool, made)) == [False, True]


def test_the_past_is_as_long_as_the_door_s() -> None:
    assert PAST_MS == door.OLDEST_MS
