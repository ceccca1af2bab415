"""Items of quarantine open and close."""

from pathlib import Path

from sqlalchemy import select

from streams.core import codec
from streams.core import events as e
from streams.journal.base import Entry, Group, Unit
from streams.journal.sqlite import SqliteStore
from streams.projections import following
from streams.projections.quarantine import ITEMS


def unit(stream: bytes, version: int, event: e.Base) -> Unit:
    name, data = codec.encode(event)
    return Unit((Entry(stream, version, name, data),))


def test_items_open_and_close(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "hub.db")
    following.create(store)
    found = e.Quarantined(where="events", field="time", expected="a time", sealed=b"?", source="s")
    streams = [bytes([n]) * 16 for n in range(3)]
    store.commit([Group([unit(s, 1, found) for s in streams])], 1_000)
    dropped = e.QuarantineClosed(how="dropped", by="staff:li", reason="a test")
    store.commit([Group([unit(streams[1], 2, dropped)])], 2_000)
    follower = following.Follower(store)
    while follower.follow(2):
        pass
    with store.readers.connect() as connection:
        rows = connection.execute(select(ITEMS).order_by(ITEMS.c.pos)).mappings().all()
    assert [row["state"] for row in rows] == ["open", "dropped", "open"]
    assert (rows[1]["closed_ms"], rows[1]["by"], rows[1]["reason"]) == (2_000, "staff:li", "a test")
    assert (rows[0]["at_ms"], rows[0]["field"], rows[0]["source"]) == (1_000, "time", "s")
    store.close()
