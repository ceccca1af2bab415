"""Rows of the journal as PostgreSQL's binary COPY takes them. Pure.

A row is the number of its columns, then each column's length and bytes. Everything of fixed length
goes in one piece: that is half of what the driver's own way costs.
"""

import struct
from collections.abc import Iterable

from streams.journal.base import KEY_BYTES, STREAM_BYTES, Archived, Timer
from streams.journal.proof import Stored

JOURNAL = "journal (shard, pos, version, at_ms, stream, type, data)"
LOOKUP = "lookup (shard, pos, key, stream, sub)"
TIMER = "timer (shard, due_ms, stream, kind)"
ARCHIVE = "archive (shard, number, month, at_ms, key, digest, type, recipient, data)"
ARCHIVE_KEY = "archive_key (shard, number, month, key)"

_journal = struct.Struct(">12s q 4s i 16s 16s i").pack
_journal_start = struct.Struct(">h ih i").pack
_journal_between = struct.Struct(">iq i").pack
_lookup = struct.Struct(">h ih iq i16s i16s i").pack
_timer = struct.Struct(">h ih iq i16s i").pack
_archive = struct.Struct(">h ih iq ii iq i16s i").pack
_archive_key = struct.Struct(">h ih iq ii i16s").pack
_length = struct.Struct(">i").pack


def journal_rows(shard: int, at_ms: int, rows: Iterable[Stored]) -> list[bytes]:
    """Those of one commit: they have one time."""
    made = []
    start, four, between = (
        _journal_start(7, 2, shard, 8),
        _length(4),
        _journal_between(8, at_ms, 16),
    )
    for pos, stream, version, type_, _, data in rows:
        kind = type_.encode()
        head = _journal(start, pos, four, version, between, stream, len(kind))
        made.append(b"".join((head, kind, _length(len(data)), data)))
    return made


def lookup_rows(shard: int, rows: Iterable[tuple[bytes, bytes, bytes, int]]) -> list[bytes]:
    """Key, sub-key and stream, and the position they belong to."""
    return [
        _lookup(5, 2, shard, 8, pos, 16, key, 16, stream, len(sub)) + sub
        for key, sub, stream, pos in rows
    ]


def timer_rows(shard: int, rows: Iterable[Timer]) -> list[bytes]:
    made = []
    for due_ms, stream, kind in rows:
        raw = kind.encode()
        made.append(_timer(4, 2, shard, 8, due_ms, 16, stream, len(raw)) + raw)
    return made


def archive_rows(shard: int, month: int, rows: Iterable[tuple[int, Archived]]) -> list[bytes]:
    """Each with its number."""
    made = []
    for number, (key, digest, at_ms, type_, recipient, data) in rows:
        kind, whose = type_.encode(), recipient.encode()
        head = _archive(9, 2, shard, 8, number, 4, month, 8, at_ms, 16, key, len(digest))
        kinds = (digest, _length(len(kind)), kind, _length(len(whose)), whose)
        made.append(b"".join((head, *kinds, _length(len(data)), data)))
    return made


def archive_key_rows(shard: int, month: int, rows: Iterable[tuple[int, Archived]]) -> list[bytes]:
    return [_archive_key(4, 2, shard, 8, number, 4, month, 16, row.key) for number, row in rows]


def check_names(names: Iterable[bytes]) -> None:
    """ValueError for a stream or key of another length: packed, it would be cut or filled."""
    assert KEY_BYTES == STREAM_BYTES
    widths = set(map(len, names))
    if not widths <= {STREAM_BYTES}:
        raise ValueError(f"a key or stream has {STREAM_BYTES} bytes, not {sorted(widths)}")
