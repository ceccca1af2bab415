"""Journals written by hand: what tests of readers read."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from streams.core import codec
from streams.core.events import JournalEvent
from streams.core.identity import Index
from streams.journal.base import Entry, Group, Lookup, Unit
from streams.journal.sqlite import SqliteStore

INDEX = Index(b"index")


@contextmanager
def journal(folder: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(folder / "hub.db")
    yield store
    store.close()


def write(
    store: SqliteStore, stream: bytes, *events: JournalEvent, at_ms: int, kind: str = ""
) -> None:
    """Append events to a stream as its next rows; ``kind`` has it found by that look-up."""
    first = len(store.read([stream]).get(stream, ())) + 1
    entries = [Entry(stream, v, *codec.encode(event)) for v, event in enumerate(events, first)]
    lookups = (Lookup(INDEX.kind(kind), b"", stream),) if kind else ()
    commit(store, [Unit(tuple(entries), lookups)], at_ms)


def commit(store: SqliteStore, units: Sequence[Unit], at_ms: int) -> None:
    [done] = store.commit([Group(units)], at_ms)
    assert all(done.won)
