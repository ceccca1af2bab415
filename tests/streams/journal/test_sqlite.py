"""The journal in a SQLite file keeps the contract, on a full disk and through a killed process."""

import random
import resource
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from streams import sqlite
from streams.journal.base import Group
from streams.journal.errors import JournalLocked, JournalUnavailable
from streams.journal.sqlite import SqliteStore
from streams.journal.tops import CAREFUL_COMMITS
from tests.contracts.journal_contract import AT, JournalContract, commit, event, name, unit
from tests.streams.journal import endless_writer

ROOT = Path(__file__).parents[3]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def store(file: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(file)
    yield store
    store.close()


class TestSqlite(JournalContract):
    pass


@contextmanager
def no_pages_left(store: SqliteStore, file: Path) -> Iterator[None]:
    """The database may not grow: refused while rows are inserted."""
    set_limit(store, sqlite_pages(store))
    yield
    set_limit(store, 1_000_000)


@contextmanager
def no_disk_left(store: SqliteStore, file: Path) -> Iterator[None]:
    """The log may not grow: refused when the transaction commits."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (Path(f"{file}-wal").stat().st_size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def sqlite_pages(store: SqliteStore) -> int:
    with store.transaction() as connection:
        return int(connection.exec_driver_sql("PRAGMA page_count").scalar_one())


def set_limit(store: SqliteStore, pages: int) -> None:
    with store.transaction() as connection:
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")


@pytest.mark.parametrize("full", [no_pages_left, no_disk_left])
def test_a_full_disk_writes_nothing_and_loses_nothing(
    store: SqliteStore,
    file: Path,
    full: Callable[[SqliteStore, Path], AbstractContextManager[None]],
) -> None:
    commit(store, unit(1, 1, keys=(7,)))
    large = Group([unit(n, 1, keys=(7,)) for n in range(2, 500)], [event(1, bytes(9_000))])
    with full(store, file):
        for _ in range(3):
            with pytest.raises(JournalUnavailable):
                store.commit([large], AT)
        assert store.head() == 1
        assert store.counts([name(7)]) == {name(7): 1}
        assert store.archived([name(1)]) == {}
    answer = store.commit([large], AT)[0]
    assert (all(answer.won), answer.archived, answer.pos) == (True, (True,), 499)
    assert list(store.verify()) == []


def test_a_lock_held_too_long_is_told(
    store: SqliteStore, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with store.transaction() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout = 1")
    other = sqlite.connect(file)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(JournalLocked):
        commit(store, unit(1, 1))
    assert store.read([name(1)]) == {}  # reading goes on
    other.close()
    assert commit(store, unit(1, 1)).won == (True,)


def test_a_file_that_is_no_database_is_unavailable(file: Path) -> None:
    file.write_bytes(b"something else entirely" * 100)
    with pytest.raises(JournalUnavailable):
        SqliteStore(file)


def test_readers_cannot_write(store: SqliteStore) -> None:
    with (
        pytest.raises(Exception, match="readonly"),
        store.readers.begin() as connection,
    ):
        connection.exec_driver_sql("DELETE FROM timer")


def test_it_is_all_there_after_a_restart(store: SqliteStore, file: Path) -> None:
    commit(store, unit(1, 1, keys=(7,)))
    store.close()
    again = SqliteStore(file)
    assert commit(again, unit(1, 1), unit(1, 2)).won == (False, True)
    assert list(again.verify()) == []
    again.close()


@pytest.mark.crash
@pytest.mark.parametrize("seed", range(6))
def test_killed_at_any_moment_it_keeps_what_it_answered(file: Path, seed: int) -> None:
    for _ in range(2):  # the second process starts on what the first left
        answered = kill_a_writer(file, random.Random(seed).uniform(0.2, 1.5))
        store = SqliteStore(file)
        assert store.head() >= answered
        rows = store.since(0, 1_000_000)
        assert [row.pos for row in rows] == [*range(1, store.head() + 1)]
        streams = list({row.stream for row in rows})
        assert len(streams) * endless_writer.ROWS_A_UNIT == len(rows)
        assert store.counts(streams) == dict.fromkeys(streams, 1)
        assert {timer.stream for timer in store.due(1, 1_000_000)} == set(streams)
        assert list(store.verify()) == []
        store.close()
    integrity = sqlite3.connect(file).execute("PRAGMA integrity_check").fetchone()
    assert integrity == ("ok",)


def kill_a_writer(file: Path, after_s: float) -> int:
    """The last position a writer said was safe before it was killed."""
    writer = subprocess.Popen(
        [sys.executable, "-m", endless_writer.__name__, file], cwd=ROOT, stdout=subprocess.PIPE
    )
    assert writer.stdout is not None
    first = writer.stdout.readline()
    time.sleep(after_s)
    writer.kill()
    complete = [line for line in writer.stdout.readlines() if line.endswith(b"\n")]
    writer.stdout.close()
    writer.wait()
    return int([first, *complete][-1])


def test_what_another_wrote_meanwhile_wins_though_nobody_asked(
    store: SqliteStore, file: Path
) -> None:
    """A store that met no conflict for a while stops asking; the database tells it all the same."""
    for number in range(CAREFUL_COMMITS):
        commit(store, unit(100 + number, 1))
    commit(store, unit(1, 1))
    other = SqliteStore(file)
    other.commit([Group([unit(1, 2), unit(2, 1)], [event(1)])], AT)
    groups = [Group([unit(1, 2), unit(2, 1), unit(3, 1)], [event(1), event(2)])]
    [answer] = store.commit(groups, AT)
    assert answer.won == (False, False, True)
    assert answer.archived == (False, True)
    assert store.commit([Group([unit(1, 3), unit(2, 2)])], AT)[0].won == (True, True)
    assert list(store.verify()) == []
    other.close()
