"""What an error of SQLite is taken to mean, and what a connection promises."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from streams.sqlite import CACHE_KIB, READER_CACHE_KIB, Trouble, connect, engine, trouble


@pytest.mark.parametrize(
    ("sql", "values", "meaning"),
    [
        ("INSERT INTO t VALUES (1)", (), Trouble.REFUSED),
        ("INSERT INTO t VALUES ('one')", (), Trouble.REFUSED),
        ("INSERT INTO t VALUES (?)", (2**70,), Trouble.REFUSED),
        ("INSERT INTO t VALUES (?)", ("\ud800",), Trouble.REFUSED),
        ("INSERT INTO t VALUES (?)", (object(),), Trouble.REFUSED),
        ("INSERT INTO t VALUES (zeroblob(2000000000))", (), Trouble.REFUSED),
        ("INSERT INTO nowhere VALUES (1)", (), None),
    ],
)
def test_values_and_mistakes(
    tmp_path: Path, sql: str, values: tuple[object, ...], meaning: Trouble | None
) -> None:
    connection = connect(tmp_path / "file.db")
    connection.execute("CREATE TABLE t (a INTEGER PRIMARY KEY) STRICT")
    connection.execute("INSERT INTO t VALUES (1)")
    with pytest.raises((sqlite3.Error, OverflowError, UnicodeEncodeError)) as raised:
        connection.execute(sql, values)
    assert trouble(raised.value) is meaning
    connection.close()


def test_a_lock_and_its_wrapping(tmp_path: Path) -> None:
    holder = connect(tmp_path / "file.db")
    holder.execute("BEGIN IMMEDIATE")
    other = engine(tmp_path / "file.db")
    with other.connect() as connection:
        connection.connection.driver_connection.execute("PRAGMA busy_timeout = 1")
        with pytest.raises(DBAPIError) as raised, connection.begin():
            pass
    assert trouble(raised.value) is Trouble.LOCKED
    holder.close()
    other.dispose()


def test_what_is_not_sqlite_s_is_none_of_its_trouble() -> None:
    assert trouble(ZeroDivisionError()) is None


def test_every_commit_is_durable(tmp_path: Path) -> None:
    connection = connect(tmp_path / "file.db")
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_a_connection_keeps_as_many_pages_in_memory_as_it_is_told(tmp_path: Path) -> None:
    def kept_kib(connection: sqlite3.Connection) -> int:
        with closing(connection):
            [(kib,)] = connection.execute("PRAGMA cache_size")  # negative: not in pages
        return -int(kib)

    file = tmp_path / "file.db"
    assert kept_kib(connect(file)) == CACHE_KIB
    assert kept_kib(connect(file, cache_kib=512)) == 512
    assert kept_kib(connect(file, read_only=True)) == READER_CACHE_KIB


def test_a_reading_engine_does_not_write(tmp_path: Path) -> None:
    connect(tmp_path / "file.db").close()
    reading = engine(tmp_path / "file.db", read_only=True)
    with pytest.raises(DBAPIError, match="readonly"), reading.begin() as connection:
        connection.execute(text("CREATE TABLE t (a)"))
    reading.dispose()
