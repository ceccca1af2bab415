"""How the hub opens PostgreSQL, and what it takes its errors for."""

from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from streams.postgres import (
    PLANS_KEPT,
    ROWS_AT_ONCE,
    Names,
    Numbers,
    Words,
    driver_of,
    engine,
    insert_rows,
    trouble,
)
from streams.sqlite import Trouble
from tests.cluster.native_postgres import NativePostgres

pytestmark = pytest.mark.cluster


@pytest.fixture
def opened(database: str) -> Iterator[Engine]:
    made = engine(database, connections=1)
    yield made
    made.dispose()


def test_what_was_answered_survives(opened: Engine) -> None:
    with opened.connect() as connection:
        for name, value in (
            ("synchronous_commit", "on"),
            ("transaction_isolation", "read committed"),
            ("lock_timeout", "5s"),
            ("jit", "off"),
            ("plan_cache_mode", "force_generic_plan"),
        ):
            assert connection.scalar(text(f"SHOW {name}")) == value


def test_who_reads_sees_one_state_and_changes_nothing(database: str, opened: Engine) -> None:
    readers = engine(database, connections=1, read_only=True)
    with opened.begin() as writing:
        writing.execute(text("CREATE TABLE counted AS SELECT 1 AS n"))
    count = text("SELECT count(*) FROM counted")
    with readers.connect() as reading:
        before = reading.scalar(count)
        with opened.begin() as writing:
            writing.execute(text("INSERT INTO counted VALUES (2)"))
        assert (before, reading.scalar(count)) == (1, 1)
        with pytest.raises(DBAPIError, match="read-only"):
            reading.execute(text("DELETE FROM counted"))
    with readers.connect() as reading:
        assert reading.scalar(count) == 2
    readers.dispose()


def test_who_comes_is_lent_the_connection_used_last(database: str) -> None:
    readers = engine(database, connections=2, read_only=True)
    with readers.connect() as first:
        with readers.connect() as second:
            assert driver_of(first) is not driver_of(second)
        used_last = driver_of(first)
    with readers.connect() as again:
        assert driver_of(again) is used_last
    readers.dispose()


def test_what_a_reader_prepared_outlives_its_transaction(database: str) -> None:
    readers = engine(database, connections=1, read_only=True)
    prepared = text("SELECT count(*) FROM pg_prepared_statements")
    with readers.connect() as reading:
        driver_of(reading).execute("SELECT 1", prepare=True)
    with readers.connect() as reading:
        assert reading.scalar(prepared) == 1
        with pytest.raises(DBAPIError, match="does not exist"):
            reading.execute(text("SELECT 1 FROM nowhere"))
    with readers.connect() as reading:  # one that failed is ended as ever
        assert reading.scalar(text("SELECT 1")) == 1
    readers.dispose()


def test_a_plan_made_for_an_empty_table_is_not_kept_for_ever(opened: Engine) -> None:
    """And nothing but the plan is forgotten: the statement stays prepared."""

    def expected() -> int:
        """The rows that the plan at hand was made for."""
        with opened.begin() as connection:
            [(name,)] = driver_of(connection).execute("SELECT name FROM pg_prepared_statements")
            [(first,), *_] = driver_of(connection).execute(f"EXPLAIN EXECUTE {name}")
        return int(first.partition(" rows=")[2].partition(" ")[0])

    with opened.begin() as connection:
        connection.execute(text("CREATE TABLE kept (n int) WITH (autovacuum_enabled = false)"))
    with opened.begin() as connection:
        driver_of(connection).execute("SELECT n FROM kept", prepare=True).fetchall()
    with opened.begin() as connection:
        connection.execute(text("INSERT INTO kept SELECT generate_series(1, 100000)"))
    empty = expected()
    for _ in range(PLANS_KEPT):
        with opened.begin():
            pass
    assert empty < 10_000 < expected()


@pytest.mark.parametrize("end", [NativePostgres.stop, NativePostgres.kill])
def test_a_connection_that_died_unused_is_replaced(
    postgres: NativePostgres, opened: Engine, end: object
) -> None:
    def session() -> int:
        with opened.connect() as connection:
            assert connection.scalar(text("SELECT 1")) == 1
            return driver_of(connection).info.backend_pid

    first = session()
    assert session() == first
    end(postgres)  # type: ignore[operator]
    postgres.start()
    assert session() != first


def test_looking_whether_it_died_asks_the_server_nothing(database: str, opened: Engine) -> None:
    asked = text("SELECT query_start FROM pg_stat_activity WHERE pid = :pid")
    observer = engine(database, connections=1)
    with opened.connect() as connection:
        session = {"pid": driver_of(connection).info.backend_pid}
    with observer.connect() as other:
        before = other.scalar(asked, session)
    with opened.connect() as connection, observer.connect() as other:
        assert other.scalar(asked, session) == before
        connection.execute(text("SELECT 1"))
    with observer.connect() as other:
        assert other.scalar(asked, session) > before
    observer.dispose()


class TestTrouble:
    @pytest.mark.parametrize(
        ("statement", "means"),
        [
            ("SELECT 1 / 0", Trouble.REFUSED),
            ("INSERT INTO one VALUES (1)", Trouble.REFUSED),
            ("DO $$ BEGIN RAISE SQLSTATE '40P01'; END $$", Trouble.LOCKED),
            ("DO $$ BEGIN RAISE SQLSTATE '40001'; END $$", Trouble.LOCKED),
            ("DO $$ BEGIN RAISE SQLSTATE '53100'; END $$", Trouble.AWAY),
            ("DO $$ BEGIN RAISE SQLSTATE '58030'; END $$", Trouble.AWAY),
            ("SELECT pg_terminate_backend(pg_backend_pid())", Trouble.AWAY),
            ("SELECT nonsense", None),
        ],
    )
    def test_of_a_statement(self, opened: Engine, statement: str, means: Trouble | None) -> None:
        with opened.begin() as connection:
            connection.execute(text("CREATE TABLE one (n int PRIMARY KEY)"))
            connection.execute(text("INSERT INTO one VALUES (1)"))
        with pytest.raises(DBAPIError) as told, opened.begin() as connection:
            connection.execute(text(statement))
        assert trouble(told.value) is trouble(told.value.orig or told.value) is means

    @pytest.mark.parametrize(
        ("old", "new"),
        [("/test_", "/no_such_"), ("fenghuo@", "nobody_known@"), ("127.0.0.1:", "127.0.0.1:1")],
    )
    def test_of_an_address(self, database: str, old: str, new: str) -> None:
        elsewhere = engine(database.replace(old, new), connections=1)
        with pytest.raises(DBAPIError) as told:
            elsewhere.connect()
        assert trouble(told.value) is Trouble.AWAY

    def test_of_anything_else(self) -> None:
        assert trouble(ZeroDivisionError()) is None
        assert trouble(OverflowError()) is Trouble.REFUSED


@pytest.mark.parametrize(
    "names", [[], [b"a"], [b"ab", b"", b"ab"][::2], [bytes([n]) for n in range(200)]]
)
def test_names_arrive_as_they_are(opened: Engine, names: list[bytes]) -> None:
    with opened.connect() as connection:
        [found] = driver_of(connection).execute("SELECT %s", (Names(names),)).fetchone() or ()
    assert found == names


@pytest.mark.parametrize(
    "many",
    [
        Words(), Words(["", "烽火", "a", "烽火"]), Words(map(str, range(300))),
        Numbers(), Numbers([0, -1, 2**63 - 1, -(2**63)]), Numbers(range(300)),
    ],
    ids=lambda many: f"{type(many).__name__} {len(many)}",
)  # fmt: skip
def test_words_and_numbers_arrive_as_they_are(opened: Engine, many: list[object]) -> None:
    with opened.connect() as connection:
        [found] = driver_of(connection).execute("SELECT %s", (many,)).fetchone() or ()
    assert found == many


@pytest.mark.parametrize("count", [0, 1, ROWS_AT_ONCE, ROWS_AT_ONCE + 1])
def test_rows_are_inserted_few_or_many(opened: Engine, count: int) -> None:
    with opened.begin() as connection:
        connection.execute(text("CREATE TABLE one (n int)"))
        rows = [b"\0\1\0\0\0\4" + n.to_bytes(4, "big") for n in range(count)]
        insert_rows(driver_of(connection), "one (n)", rows)
        assert list(connection.scalars(text("SELECT n FROM one"))) == list(range(count))


def test_rows_that_are_not_taken_are_refused(opened: Engine) -> None:
    none = b"\0\1\xff\xff\xff\xff"
    with opened.connect() as connection:
        connection.execute(text("CREATE TABLE one (n int NOT NULL)"))
        with pytest.raises(psycopg.Error) as told:
            insert_rows(driver_of(connection), "one (n)", [none])
    assert trouble(told.value) is Trouble.REFUSED
