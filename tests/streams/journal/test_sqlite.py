"""The journal in a SQLite file keeps the contract."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.journal.sqlite import SqliteStore
from tests.contracts.journal_contract import JournalContract


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "journal.db")
    yield store
    store.close()


class TestSqlite(JournalContract):
    pass
