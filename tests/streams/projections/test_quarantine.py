"""Items of quarantine open and close."""

from collections.abc import Sequence

from sqlalchemy import RowMapping, select

from streams.core import codec
from streams.core import events as e
from streams.journal.base import Entry, Group, Store, Unit
from streams.projections import following
from streams.projections.quarantine import ITEMS


def unit(stream: bytes, version: int, event: e.Base) -> Unit:
    name, data = codec.encode(event)
    return Unit((Entry(stream, version, name, data),))


def test_items_open_and_close(hub_store: Store) -> None:
    found = e.Quarantined(where="events", field="time", expected="a time", sealed=b"?", source="s")
    streams = [bytes([n]) * 16 for n in range(3)]
    hub_store.commit([Group([unit(s, 1, found) for s in streams])], 1_000)
    dropped = e.QuarantineClosed(how="dropped", by="staff:li", reason="a test")
    hub_store.commit([Group([unit(streams[1], 2, dropped)])], 2_000)
    rows = followed(hub_store)
    assert [row["state"] for row in rows] == ["open", "dropped", "open"]
    assert (rows[1]["closed_ms"], rows[1]["by"], rows[1]["reason"]) == (2_000, "staff:li", "a test")
    assert (rows[0]["at_ms"], rows[0]["field"], rows[0]["source"]) == (1_000, "time", "s")


def test_what_strangers_wrote_is_shown_without_a_nul(hub_store: Store) -> None:
    found = e.Quarantined(
        where="events", field="id", expected="a\0b", sealed=b"?", source="a\0", event_id="\0"
    )
    hub_store.commit([Group([unit(bytes(16), 1, found)])], 1_000)
    [row] = followed(hub_store)
    assert (row["expected"], row["source"], row["event_id"]) == ("a\ufffdb", "a\ufffd", "\ufffd")


def followed(store: Store) -> Sequence[RowMapping]:
    follower = following.Follower(store)
    while follower.follow(2):
        pass
    with store.readers.connect() as connection:
        return connection.execute(select(ITEMS).order_by(ITEMS.c.pos)).mappings().all()
