"""What is asked of the journal in SQLite, on one connection, inside a transaction or outside.

Many keys are asked for in one statement: they travel as one value, cut apart by SQLite itself.
Measured against a statement a key, that is a quarter of the time.
"""

# ruff: noqa: S608 - every statement is made of this module's own constants

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from streams.journal.base import KEY_BYTES, STREAM_BYTES, Archived, Row, Timer
from streams.journal.proof import GENESIS, Batch, Head

# ?1: the keys, one after another; ?2: how many
_EACH = "WITH RECURSIVE each(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM each WHERE i + 1 < ?2) "
_KEY = "substr(?1, i * 16 + 1, 16)"

_READ = _EACH + (
    "SELECT pos, stream, version, type, at_ms, data FROM each"
    f" CROSS JOIN journal ON stream = {_KEY} ORDER BY i, version"
)
_VERSIONS = _EACH + f"SELECT (SELECT max(version) FROM journal WHERE stream = {_KEY}) FROM each"
_LOOKUP = _EACH + f"SELECT i, stream FROM each CROSS JOIN lookup ON key = {_KEY}"
_LOOKUP_SUB = _LOOKUP + " AND sub = substr(?3, i * ?4 + 1, ?4)"
_LOOKUP_SINCE = _EACH + (
    f"SELECT key, stream FROM each CROSS JOIN lookup ON key = {_KEY} WHERE pos > ?3"
)
_PAGE = "SELECT stream FROM lookup WHERE key = ? AND sub = ? AND stream > ? ORDER BY stream LIMIT ?"
_COUNTS = _EACH + (f"SELECT key, count(*) FROM each CROSS JOIN lookup ON key = {_KEY} GROUP BY i")
_ARCHIVE = _EACH + (
    f"SELECT key, digest, at_ms, type, recipient, data FROM each CROSS JOIN archive ON key = {_KEY}"
)
_ARCHIVE_KEYS = _EACH + f"SELECT key FROM each CROSS JOIN archive ON key = {_KEY}"

_SINCE = (
    "SELECT pos, stream, version, type, at_ms, data FROM journal WHERE pos > ? ORDER BY pos LIMIT ?"
)
_ARCHIVE_SINCE = (
    "SELECT number, key, digest, at_ms, type, recipient, data FROM archive"
    " WHERE number > ? ORDER BY number LIMIT ?"
)
_HEAD = (
    "SELECT pos, archive, chain, (SELECT coalesce(max(number), 0) FROM journal_batch)"
    " FROM journal_head"
)
_STANDING = (
    "SELECT pos, archive, chain, (SELECT coalesce(min(pos), 0) FROM journal),"
    " (SELECT coalesce(max(pos), 0) FROM journal),"
    " (SELECT coalesce(max(number), 0) FROM archive) FROM journal_head"
)
_BATCHES = (
    "SELECT number, first, last, archive_first, archive_last, at_ms, root, archive_root,"
    " marks, archive_marks, chain FROM journal_batch"
)
_BATCHES_SINCE = _BATCHES + " WHERE number > ? ORDER BY number LIMIT ?"
_BATCH_OF = _BATCHES + " WHERE last >= ? ORDER BY last, number LIMIT 1"
# Text is read as bytes where rows are proved: what is no longer UTF-8 must still be readable.
_ROWS_BETWEEN = (
    "SELECT pos, stream, version, CAST(type AS BLOB), at_ms, data FROM journal"
    " WHERE pos BETWEEN ? AND ? ORDER BY pos"
)
_ARCHIVE_BETWEEN = (
    "SELECT number, key, digest, at_ms, CAST(type AS BLOB), CAST(recipient AS BLOB), data"
    " FROM archive WHERE number BETWEEN ? AND ?"
)


class Reads:
    """`streams.journal.base.Reader` and what the store answers beside it, on one connection."""

    def __init__(self, raw: sqlite3.Connection) -> None:
        self._raw = raw

    def read(self, streams: Sequence[bytes]) -> dict[bytes, list[Row]]:
        found: dict[bytes, list[Row]] = {}
        for row in map(Row._make, self._each(_READ, streams, STREAM_BYTES)):
            found.setdefault(row.stream, []).append(row)
        return found

    def lookup(self, keys: Sequence[tuple[bytes, bytes]]) -> dict[tuple[bytes, bytes], list[bytes]]:
        by_width: dict[int, list[tuple[bytes, bytes]]] = defaultdict(list)
        for pair in dict.fromkeys(keys):
            by_width[len(pair[1])].append(pair)
        found: dict[tuple[bytes, bytes], list[bytes]] = {}
        for width, pairs in by_width.items():
            joined, count = _joined([key for key, _ in pairs], KEY_BYTES)
            if width:
                subs = b"".join([sub for _, sub in pairs])
                rows = self._all(_LOOKUP_SUB, joined, count, subs, width)
            else:
                rows = self._all(_LOOKUP, joined, count)
            for index, stream in rows:
                found.setdefault(pairs[index], []).append(stream)
        return found

    def page(
        self, keys: Sequence[bytes], sub: bytes, after: bytes, limit: int
    ) -> dict[bytes, list[bytes]]:
        found: dict[bytes, list[bytes]] = {}
        for key in dict.fromkeys(keys):
            if rows := self._all(_PAGE, key, sub, after, limit):
                found[key] = [stream for (stream,) in rows]
        return found

    def counts(self, keys: Sequence[bytes]) -> dict[bytes, int]:
        return dict(self._each(_COUNTS, keys, KEY_BYTES))

    def archived(self, keys: Sequence[bytes]) -> dict[bytes, Archived]:
        rows = self._each(_ARCHIVE, keys, KEY_BYTES)
        return {row[0]: Archived._make(row) for row in rows}

    def archive_keys(self, keys: Sequence[bytes]) -> set[bytes]:
        """Which of these are archived."""
        return {key for (key,) in self._each(_ARCHIVE_KEYS, keys, KEY_BYTES)}

    def versions(self, streams: Iterable[bytes]) -> dict[bytes, int]:
        """The last version of each stream, 0 for none."""
        wanted = list(dict.fromkeys(streams))
        tops = self._each(_VERSIONS, wanted, STREAM_BYTES)
        return {stream: top or 0 for stream, (top,) in zip(wanted, tops, strict=True)}

    def since(self, pos: int, limit: int) -> list[Row]:
        return [Row._make(row) for row in self._all(_SINCE, pos, limit)]

    def archive_since(self, rowid: int, limit: int) -> list[tuple[int, Archived]]:
        rows = self._all(_ARCHIVE_SINCE, rowid, limit)
        return [(row[0], Archived._make(row[1:])) for row in rows]

    def lookups_since(self, pos: int, keys: Sequence[bytes]) -> dict[bytes, list[bytes]]:
        found: dict[bytes, list[bytes]] = {}
        for key, stream in self._each(_LOOKUP_SINCE, keys, KEY_BYTES, pos):
            found.setdefault(key, []).append(stream)
        return found

    def due(self, now_ms: int, limit: int) -> list[Timer]:
        sql = "SELECT due_ms, stream, kind FROM timer WHERE due_ms <= ? ORDER BY due_ms LIMIT ?"
        return [Timer._make(row) for row in self._all(sql, now_ms, limit)]

    def next_due_ms(self) -> int | None:
        due: int | None = self._all("SELECT min(due_ms) FROM timer")[0][0]
        return due

    # what proof.faults asks for

    def head(self) -> tuple[int, int, bytes, int]:
        """The last position, archive row, chain value and commit."""
        head: tuple[int, int, bytes, int] = self._all(_HEAD)[0]
        return head

    def batch_of(self, pos: int) -> tuple[Batch, bytes] | None:
        """The commit that wrote a row, and the chain before it."""
        rows = self._all(_BATCH_OF, pos)
        if not rows:
            return None
        batch = Batch._make(rows[0])
        before = self._all("SELECT chain FROM journal_batch WHERE number = ?", batch.number - 1)
        return batch, before[0][0] if before else GENESIS

    def chains_at(self, pos: int) -> list[bytes]:
        """The chain values of the commits that ended at a position."""
        return [row[0] for row in self._all("SELECT chain FROM journal_batch WHERE last = ?", pos)]

    def standing(self) -> Head:
        return Head._make(self._all(_STANDING)[0])

    def batches_since(self, number: int, limit: int) -> list[Batch]:
        return [Batch._make(row) for row in self._all(_BATCHES_SINCE, number, limit)]

    def rows_between(self, first: int, last: int) -> list[Row]:
        return [
            Row(pos, stream, version, _text(kind), at_ms, data)
            for pos, stream, version, kind, at_ms, data in self._all(_ROWS_BETWEEN, first, last)
        ]

    def archive_between(self, first: int, last: int) -> list[tuple[int, Archived]]:
        return [
            (number, Archived(key, digest, at_ms, _text(kind), _text(recipient), data))
            for number, key, digest, at_ms, kind, recipient, data in self._all(
                _ARCHIVE_BETWEEN, first, last
            )
        ]

    def archived_months(self) -> dict[int, int]:
        return dict(self._all("SELECT month, count(*) FROM archive GROUP BY month ORDER BY month"))

    def month_removed(self, month: int) -> bool:
        return bool(self._all("SELECT 1 FROM archive_removal WHERE month = ?", month))

    def _all(self, sql: str, *values: object) -> list[Any]:
        return self._raw.execute(sql, values).fetchall()

    def _each(
        self, sql: str, keys: Iterable[bytes], width: int, *more: object
    ) -> list[tuple[Any, ...]]:
        joined, count = _joined(list(dict.fromkeys(keys)), width)
        return self._all(sql, joined, count, *more) if count else []


def _joined(keys: list[bytes], width: int) -> tuple[bytes, int]:
    if not set(map(len, keys)) <= {width}:
        raise ValueError(f"a key or stream has {width} bytes, not {sorted(set(map(len, keys)))}")
    return b"".join(keys), len(keys)


def _text(raw: bytes) -> str:
    return raw.decode(errors="surrogateescape")
