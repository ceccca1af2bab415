"""What is written stays: by trigger for the owner of the tables, by right for the hub's role."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from sqlalchemy import text

from streams.journal.base import Group, Timer
from streams.journal.postgres import PostgresStore
from streams.journal.postgres_schema import HUB_ROLE, grant_append_only
from streams.journal.proof import month_of
from tests.contracts.journal_contract import AT, event, name, unit

pytestmark = pytest.mark.cluster

KEPT = ("journal", "journal_batch", "lookup", "archive", "archive_key", "archive_removal")
EARLIER = AT - 90 * 86_400_000


@pytest.fixture
def store(database: str) -> Iterator[PostgresStore]:
    """A month of its archive is removed, so that every table has a row."""
    with closing(PostgresStore(database)) as store:
        store.commit([Group([unit(9, 1)], [event(9)])], EARLIER)
        store.remove_month(month_of(EARLIER), AT, 99)
        timed = unit(1, 1, keys=(7,))._replace(timers=(Timer(1, name(1), "release"),))
        store.commit([Group([timed], [event(1)])], AT)
        yield store


@pytest.mark.parametrize("table", KEPT)
@pytest.mark.parametrize("what", ["DELETE FROM {}", "UPDATE {} SET shard = 7", "TRUNCATE {}"])
def test_the_owner_is_held_back_by_triggers(store: PostgresStore, table: str, what: str) -> None:
    with pytest.raises(Exception, match="append-only"), store.transaction() as connection:
        connection.execute(text(what.format(table)))
    assert list(store.verify()) == []


def test_a_removed_month_may_go(store: PostgresStore) -> None:
    assert store.remove_month(month_of(AT), AT, 99) == 1
    assert store.archive_since(0, 9) == []


class TestTheHubsRole:
    @pytest.fixture
    def hub(self, database: str, store: PostgresStore) -> Iterator[PostgresStore]:
        """The same database, opened by who may only add to it."""
        with store.transaction() as connection:
            grant_append_only(connection)
            grant_append_only(connection)  # again is harmless
            connection.execute(text(f"ALTER ROLE {HUB_ROLE} LOGIN"))
        with closing(PostgresStore(database.replace("fenghuo@", f"{HUB_ROLE}@"))) as hub:
            yield hub

    def test_does_all_that_a_hub_does(self, hub: PostgresStore) -> None:
        for version in range(1, 20):
            group = Group([unit(2, version, keys=(8,)), unit(1, 1)], [event(version)])
            assert hub.commit([group], AT)[0].won == (True, False)
        hub.delete_timers(hub.due(1, 9))
        assert hub.next_due_ms() is None
        assert hub.remove_month(month_of(AT), AT, 99) == 19
        assert list(hub.verify()) == []

    @pytest.mark.parametrize("table", KEPT)
    @pytest.mark.parametrize("what", ["UPDATE {} SET shard = 7", "TRUNCATE {}", "DROP TABLE {}"])
    def test_may_not_change_what_is_written(
        self, hub: PostgresStore, table: str, what: str
    ) -> None:
        with pytest.raises(Exception, match=r"permission denied|must be owner"):
            self.do(hub, what.format(table))

    @pytest.mark.parametrize("table", ["journal", "journal_batch", "lookup", "archive_removal"])
    def test_may_not_delete(self, hub: PostgresStore, table: str) -> None:
        with pytest.raises(Exception, match="permission denied"):
            self.do(hub, f"DELETE FROM {table}")

    def test_may_delete_from_the_archive_only_what_was_removed(self, hub: PostgresStore) -> None:
        with pytest.raises(Exception, match="append-only"):
            self.do(hub, "DELETE FROM archive")

    @pytest.mark.parametrize(
        "way",
        [
            "ALTER TABLE journal DISABLE TRIGGER ALL",
            "SET session_replication_role = replica",
            "DROP TRIGGER journal_no_update ON journal",
            "UPDATE journal_other SET at_ms = 0",
        ],
    )
    def test_finds_no_way_around(self, hub: PostgresStore, way: str) -> None:
        with pytest.raises(Exception, match=r"permission denied|must be owner"):
            self.do(hub, way)

    def do(self, hub: PostgresStore, statement: str) -> None:
        with hub.transaction() as connection:
            connection.execute(text(statement))
