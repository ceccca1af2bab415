"""However old the statistics are, what is asked of a long journal is looked up in an index."""

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from psycopg.sql import SQL, Identifier
from sqlalchemy import text

from streams.journal.postgres import PostgresStore
from streams.journal.postgres_partitions import ensure_partitions
from streams.journal.postgres_reads import Reads
from streams.postgres import driver_of
from tests.cluster.native_postgres import NativePostgres
from tests.contracts.journal_contract import name

pytestmark = pytest.mark.cluster

NOW_MS = 1_795_485_600_000
STREAMS = 30_000
SMALL = (" on journal_head ", " on archive_removal ", "(cost=0.00..0.00 ")
"""Tables of a few rows, and partitions of none, where looking at all is the right thing."""

ROWS = f"""
    CREATE TEMPORARY TABLE made AS SELECT n, decode(lpad(to_hex({NOW_MS} - n * 1000000::bigint), 12,
        '0') || substr(md5(n::text), 1, 20), 'hex') AS stream, decode(md5('key' || n), 'hex') AS key
    FROM generate_series(1, {STREAMS}) AS n;
    INSERT INTO journal (shard, pos, version, at_ms, stream, type, data)
        SELECT 0, 4 * n + v, v, 0, stream, 'Routed.1', '{{}}' FROM made, generate_series(1, 4) AS v;
    INSERT INTO lookup (shard, pos, key, sub, stream)
        SELECT 0, 4 * n + v, key, decode(repeat('6e', v), 'hex'), stream
        FROM made, generate_series(0, 3) AS v;
    INSERT INTO timer (shard, due_ms, stream, kind)
        SELECT 0, {NOW_MS} + n, stream, 'release' FROM made;
    INSERT INTO archive (shard, number, month, at_ms, key, digest, type, recipient, data)
        SELECT 0, n, 202611 + n % 2, 0, key, key, 't', 'r', key FROM made;
    INSERT INTO archive_key (shard, number, month, key) SELECT 0, n, 202611 + n % 2, key FROM made;
    INSERT INTO journal_batch (shard, number, first, last, archive_first, archive_last, at_ms, root,
        archive_root, marks, archive_marks, chain)
        SELECT 0, n, n, n, n, n, 0, key, key, key, key, key FROM made
"""


Few = tuple[list[bytes], list[bytes]]
_LAST_PREPARED = "SELECT name FROM pg_prepared_statements ORDER BY prepare_time DESC LIMIT 1"


class Explained(Reads):
    """Says how each statement was carried out: by the plan that is kept of it."""

    def __init__(self, store: PostgresStore, raw: Any) -> None:
        super().__init__(raw, store.shard)
        self.plans: list[str] = []

    def _all(self, sql: str, *values: object) -> list[Any]:
        answer = super()._all(sql, *values)
        [name] = self._raw.execute(_LAST_PREPARED).fetchone() or ()
        given = SQL(", ").join([list(v) if isinstance(v, list) else v for v in values])
        explain = SQL("EXPLAIN EXECUTE {} ({})").format(Identifier(name), given)
        self.plans += ["\n".join([line for (line,) in self._raw.execute(explain)])]
        return answer


@pytest.fixture(scope="module")
def long(postgres: NativePostgres) -> Iterator[PostgresStore]:
    database = "reads"
    with closing(PostgresStore(postgres.create_database(database))) as store:
        with store.transaction() as connection:
            connection.execute(text("SET LOCAL lock_timeout = 0"))
            ensure_partitions(connection, NOW_MS)
            driver_of(connection).execute(ROWS)
        yield store
    postgres.drop_database(database)


@pytest.fixture
def some(long: PostgresStore) -> Few:
    """Streams and keys that are there, and one of each that is not."""
    query = text("SELECT stream, key FROM lookup WHERE pos % 400 = 0")
    with long.readers.connect() as connection:
        found = connection.execute(query).all()
    assert len(found) > 200
    return [row[0] for row in found] + [name(1)], [row[1] for row in found] + [name(2)]


Asked = Callable[[Reads, list[bytes], list[bytes]], object]
READS: dict[str, Asked] = {
    "read": lambda r, streams, keys: r.read(streams),
    "versions": lambda r, streams, keys: r.versions(streams),
    "lookup": lambda r, streams, keys: r.lookup([(key, b"") for key in keys]),
    "narrowed": lambda r, streams, keys: r.lookup([(key, b"nn") for key in keys]),
    "counts": lambda r, streams, keys: r.counts(keys),
    "lookups since": lambda r, streams, keys: r.lookups_since(4 * STREAMS - 9, keys),
    "archived": lambda r, streams, keys: r.archived(keys),
    "archive keys": lambda r, streams, keys: r.archive_keys(keys),
    "since": lambda r, streams, keys: r.since(60_000, 500),
    "archive since": lambda r, streams, keys: r.archive_since(20_000, 500),
    "due": lambda r, streams, keys: r.due(NOW_MS + STREAMS, 100),
    "next due": lambda r, streams, keys: r.next_due_ms(),
    "head": lambda r, streams, keys: r.pos(),
    "standing": lambda r, streams, keys: r.standing(),
    "chains at": lambda r, streams, keys: r.chains_at(100),
    "batch of": lambda r, streams, keys: r.batch_of(100),
    "batches since": lambda r, streams, keys: r.batches_since(100, 64),
    "rows between": lambda r, streams, keys: r.rows_between(60_000, 61_000),
    "archive between": lambda r, streams, keys: r.archive_between(20_000, 20_500),
    "month removed": lambda r, streams, keys: r.month_removed(202611),
}


@pytest.mark.parametrize("analysed", [False, True], ids=["never analysed", "analysed"])
@pytest.mark.parametrize("asked", READS.values(), ids=READS)
def test_no_table_is_read_whole(
    long: PostgresStore, some: Few, analysed: bool, asked: Asked
) -> None:
    with long.engine.connect() as connection:
        if analysed:
            connection.exec_driver_sql("ANALYZE")
        reads = Explained(long, driver_of(connection))
        asked(reads, *some)
    whole = [
        line.strip()
        for plan in reads.plans
        for line in plan.splitlines()
        if "Seq Scan" in line and not any(small in line for small in SMALL)
    ]
    assert (whole, len(reads.plans) > 0) == ([], True)


@pytest.mark.parametrize("asked", READS.values(), ids=READS)
def test_no_statement_is_planned_anew(long: PostgresStore, some: Few, asked: Asked) -> None:
    few = some[0][:2], some[1][:2]
    with long.engine.connect() as connection:
        raw = driver_of(connection)
        for _ in range(7):  # left to itself, the server makes up its mind at the sixth
            asked(Reads(raw, long.shard), *few)
        planned = raw.execute("SELECT custom_plans, generic_plans FROM pg_prepared_statements")
        assert {(anew, kept) for anew, kept in planned if kept} == {(0, 7)}


def test_answers_are_whole(long: PostgresStore, some: Few) -> None:
    streams, keys = some
    rows = long.read(streams)
    assert set(rows) == set(streams) - {name(1)}
    assert {tuple(row.version for row in found) for found in rows.values()} == {(1, 2, 3, 4)}
    assert set(long.counts(keys).values()) == {4}
    assert len(long.archived(keys)) == len(set(keys)) - 1
    found = long.lookup([(key, sub) for key in keys for sub in (b"", b"nn")])
    assert {len(streams) for (_, sub), streams in found.items() if sub} == {1}
    assert {len(streams) for (_, sub), streams in found.items() if not sub} == {4}
    assert [row.pos for row in long.since(60_000, 500)] == [*range(60_001, 60_501)]
