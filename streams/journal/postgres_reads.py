"""What is asked of the journal in PostgreSQL, on one connection, inside a transaction or outside.

Many keys are asked for in one statement: they travel as one array, and each is looked for by
itself in an index. ``LATERAL … OFFSET 0`` keeps it so: left to itself, the planner joins, and reads
the whole table where its statistics are old. What one key finds is put in order here, and rows that
lie there twice are made one: a sort in the statement is set up anew for every key, and took half of
its time.
"""

# ruff: noqa: S608 - every statement is made of this module's own constants

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import psycopg

from streams.journal.base import Archived, Row, Timer
from streams.journal.postgres_rows import check_names
from streams.journal.proof import GENESIS, Batch, Head
from streams.postgres import Names

_EACH = "FROM unnest(%s) AS each (name) CROSS JOIN LATERAL"

_READ = (
    f"SELECT pos, name, version, type, at_ms, data {_EACH} (SELECT * FROM journal"
    " WHERE shard = %s AND stream = name OFFSET 0) AS found"
)
_VERSIONS = (
    f"SELECT name, version {_EACH} (SELECT version FROM journal"
    " WHERE shard = %s AND stream = name ORDER BY version DESC LIMIT 1) AS found"
)
_HITS = "SELECT sub, stream FROM lookup WHERE shard = %s AND key = name"
_LOOKUP = f"SELECT name, sub, stream {_EACH} ({_HITS} OFFSET 0) AS found"
_LOOKUP_SINCE = f"SELECT name, sub, stream {_EACH} ({_HITS} AND pos > %s OFFSET 0) AS found"
_LOOKUP_SUB = (
    "SELECT name, sub, stream FROM unnest(%s, %s) AS each (name, narrow)"
    f" CROSS JOIN LATERAL ({_HITS} AND sub = narrow OFFSET 0) AS found"
)
# The index ends with the key: every page looks at all that follow, so a page is a large one.
_PAGE = (
    f"SELECT name, stream {_EACH} (SELECT DISTINCT stream FROM lookup"
    " WHERE shard = %s AND key = name AND sub = %s AND stream > %s ORDER BY stream LIMIT %s)"
    " AS found"
)
_ARCHIVE_KEYS = (
    f"SELECT name {_EACH}"
    " (SELECT FROM archive_key WHERE shard = %s AND key = name OFFSET 0) AS found"
)
_ARCHIVE = (
    f"SELECT key, digest, at_ms, type, recipient, data {_EACH} (SELECT number, month"
    " FROM archive_key WHERE shard = %s AND key = name OFFSET 0) AS at CROSS JOIN LATERAL"
    " (SELECT * FROM archive WHERE shard = %s AND number = at.number AND month = at.month"
    " OFFSET 0) AS found"
)

# Positions have no gaps, so that a range is as good as a limit. Asked for the first of all that
# follow, in order, the planner sorts them all as long as it has no statistics.
_SINCE = (
    "SELECT pos, stream, version, type, at_ms, data FROM journal"
    " WHERE shard = %s AND pos > %s AND pos <= %s"
)
_ARCHIVE_SINCE = (
    "SELECT number, key, digest, at_ms, type, recipient, data FROM archive"
    " WHERE shard = %s AND number > %s ORDER BY number LIMIT %s"
)
_DUE = (
    "SELECT DISTINCT due_ms, stream, kind FROM (SELECT due_ms, stream, kind FROM timer"
    " WHERE shard = %s AND due_ms <= %s ORDER BY due_ms, stream LIMIT %s) AS first"
    " ORDER BY due_ms, stream, kind"
)
_NEXT_DUE = "SELECT min(due_ms) FROM timer WHERE shard = %s"
_POS = "SELECT pos FROM journal_head WHERE shard = %s"
_STANDING = (
    "SELECT pos, archive, chain,"
    " (SELECT coalesce(min(pos), 0) FROM journal WHERE shard = head.shard),"
    " (SELECT coalesce(max(pos), 0) FROM journal WHERE shard = head.shard),"
    " (SELECT coalesce(max(number), 0) FROM archive WHERE shard = head.shard)"
    " FROM journal_head AS head WHERE shard = %s"
)
_BATCHES = (
    "SELECT number, first, last, archive_first, archive_last, at_ms, root, archive_root,"
    " marks, archive_marks, chain FROM journal_batch WHERE shard = %s"
)
_BATCHES_SINCE = f"{_BATCHES} AND number > %s ORDER BY number LIMIT %s"
_BATCH_OF = f"{_BATCHES} AND last >= %s ORDER BY last, number LIMIT 1"
_CHAIN_OF = "SELECT chain FROM journal_batch WHERE shard = %s AND number = %s"
_CHAINS_AT = "SELECT chain FROM journal_batch WHERE shard = %s AND last = %s"
_ROWS_BETWEEN = (
    "SELECT pos, stream, version, type, at_ms, data FROM journal"
    " WHERE shard = %s AND pos BETWEEN %s AND %s ORDER BY pos"
)
_ARCHIVE_BETWEEN = (
    "SELECT number, key, digest, at_ms, type, recipient, data FROM archive"
    " WHERE shard = %s AND number BETWEEN %s AND %s"
)
_MONTHS = "SELECT month, count(*) FROM archive WHERE shard = %s GROUP BY month ORDER BY month"
_REMOVED = "SELECT FROM archive_removal WHERE shard = %s AND month = %s"


class Reads:
    """`streams.journal.base.Reader` and what the store answers beside it, on one connection."""

    def __init__(self, raw: psycopg.Connection[Any], shard: int) -> None:
        self._raw = raw
        self._shard = shard

    def read(self, streams: Sequence[bytes]) -> dict[bytes, list[Row]]:
        found: dict[bytes, list[Row]] = {}
        for row in map(Row._make, self._each(_READ, streams)):
            found.setdefault(row.stream, []).append(row)
        for rows in found.values():
            rows.sort()  # by position: that is by version
        return found

    def lookup(self, keys: Sequence[tuple[bytes, bytes]]) -> dict[tuple[bytes, bytes], list[bytes]]:
        by_width: dict[int, list[tuple[bytes, bytes]]] = defaultdict(list)
        for pair in dict.fromkeys(keys):
            by_width[len(pair[1])].append(pair)
        found: dict[tuple[bytes, bytes], list[bytes]] = {}
        for width, pairs in by_width.items():
            names = _names([key for key, _ in pairs])
            if width:
                subs = Names([sub for _, sub in pairs])
                for key, sub, stream in _once(self._all(_LOOKUP_SUB, names, subs, self._shard)):
                    found.setdefault((key, sub), []).append(stream)
            else:
                for key, _, stream in _once(self._all(_LOOKUP, names, self._shard)):
                    found.setdefault((key, b""), []).append(stream)
        return found

    def page(
        self, keys: Sequence[bytes], sub: bytes, after: bytes, limit: int
    ) -> dict[bytes, list[bytes]]:
        found: dict[bytes, list[bytes]] = {}
        for key, stream in sorted(self._each(_PAGE, keys, sub, after, limit)):
            found.setdefault(key, []).append(stream)
        return found

    def counts(self, keys: Sequence[bytes]) -> dict[bytes, int]:
        return dict(Counter([key for key, _, _ in _once(self._each(_LOOKUP, keys))]))

    def archived(self, keys: Sequence[bytes]) -> dict[bytes, Archived]:
        rows = self._each(_ARCHIVE, keys, self._shard)
        return {row[0]: Archived._make(row) for row in rows}

    def archive_keys(self, keys: Sequence[bytes]) -> set[bytes]:
        """Which of these are archived."""
        return {key for (key,) in self._each(_ARCHIVE_KEYS, keys)}

    def versions(self, streams: Iterable[bytes]) -> dict[bytes, int]:
        """The last version of each stream, 0 for none."""
        wanted = list(streams)
        return {**dict.fromkeys(wanted, 0), **dict(self._each(_VERSIONS, wanted))}

    def since(self, pos: int, limit: int) -> list[Row]:
        return [Row._make(row) for row in sorted(self._all(_SINCE, self._shard, pos, pos + limit))]

    def archive_since(self, rowid: int, limit: int) -> list[tuple[int, Archived]]:
        rows = self._all(_ARCHIVE_SINCE, self._shard, rowid, limit)
        return [(row[0], Archived._make(row[1:])) for row in rows]

    def lookups_since(self, pos: int, keys: Sequence[bytes]) -> dict[bytes, list[bytes]]:
        found: dict[bytes, list[bytes]] = {}
        for key, _, stream in _once(self._each(_LOOKUP_SINCE, keys, pos)):
            found.setdefault(key, []).append(stream)
        return found

    def due(self, now_ms: int, limit: int) -> list[Timer]:
        return [Timer._make(row) for row in self._all(_DUE, self._shard, now_ms, limit)]

    def next_due_ms(self) -> int | None:
        due: int | None = self._all(_NEXT_DUE, self._shard)[0][0]
        return due

    def pos(self) -> int:
        """The last position."""
        pos: int = self._all(_POS, self._shard)[0][0]
        return pos

    # what proof.faults asks for

    def batch_of(self, pos: int) -> tuple[Batch, bytes] | None:
        """The commit that wrote a row, and the chain before it."""
        rows = self._all(_BATCH_OF, self._shard, pos)
        if not rows:
            return None
        batch = Batch._make(rows[0])
        before = self._all(_CHAIN_OF, self._shard, batch.number - 1)
        return batch, before[0][0] if before else GENESIS

    def chains_at(self, pos: int) -> list[bytes]:
        """The chain values of the commits that ended at a position."""
        return [row[0] for row in self._all(_CHAINS_AT, self._shard, pos)]

    def standing(self) -> Head:
        return Head._make(self._all(_STANDING, self._shard)[0])

    def batches_since(self, number: int, limit: int) -> list[Batch]:
        return [Batch._make(row) for row in self._all(_BATCHES_SINCE, self._shard, number, limit)]

    def rows_between(self, first: int, last: int) -> list[Row]:
        return [Row._make(row) for row in self._all(_ROWS_BETWEEN, self._shard, first, last)]

    def archive_between(self, first: int, last: int) -> list[tuple[int, Archived]]:
        rows = self._all(_ARCHIVE_BETWEEN, self._shard, first, last)
        return [(row[0], Archived._make(row[1:])) for row in rows]

    def archived_months(self) -> dict[int, int]:
        return dict(self._all(_MONTHS, self._shard))

    def month_removed(self, month: int) -> bool:
        return bool(self._all(_REMOVED, self._shard, month))

    def _all(self, sql: str, *values: object) -> list[Any]:
        with self._raw.cursor(binary=True) as cursor:
            return cursor.execute(sql, values, prepare=True).fetchall()

    def _each(self, sql: str, keys: Iterable[bytes], *more: object) -> list[tuple[Any, ...]]:
        names = _names(dict.fromkeys(keys))
        return self._all(sql, names, self._shard, *more) if names else []


def _once(hits: list[tuple[bytes, bytes, bytes]]) -> list[tuple[bytes, bytes, bytes]]:
    """Each hit (key, sub, stream) once, in their order: a row that was written again lies there
    twice."""
    return sorted(set(hits)) if len(hits) > 1 else hits


def _names(keys: Iterable[bytes]) -> Names:
    names = Names(keys)
    check_names(names)
    return names
