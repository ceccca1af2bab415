"""What could not be understood, and what became of it."""

from collections.abc import Mapping, Sequence

from sqlalchemy import (
    Column,
    Connection,
    Index,
    LargeBinary,
    MetaData,
    Table,
    Text,
    bindparam,
    insert,
    update,
)

from streams.core import events as e
from streams.core.codec import decode
from streams.journal.base import Row
from streams.journal.projections import Read
from streams.projections.standing import COUNT

ITEMS = Table(
    "quarantine_item",
    MetaData(),
    Column("stream", LargeBinary, primary_key=True),
    Column("pos", COUNT, nullable=False),
    Column("at_ms", COUNT, nullable=False),
    Column("where", Text, nullable=False),
    Column("field", Text, nullable=False),
    Column("expected", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("state", Text, nullable=False),  # open, replayed, dropped
    Column("closed_ms", COUNT, nullable=False),  # 0: it is open
    Column("by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Index("quarantine_item_state", "state", "pos"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

_KINDS = ("Quarantined.", "QuarantineClosed.")


class Quarantine:
    """One row an item; its original bytes stay sealed in the journal."""

    name = "quarantine"
    tables = (ITEMS,)

    def apply(
        self, connection: Connection, tables: Mapping[str, Table], rows: Sequence[Row], read: Read
    ) -> None:
        table = tables[ITEMS.name]
        opened, closed = [], []
        for row in rows:
            if row.type.startswith(_KINDS):
                match decode(row.type, row.data):
                    case e.Quarantined() as found:
                        opened.append(_opened(row, found))
                    case e.QuarantineClosed() as said:
                        closed.append(_closed(row, said))
        if opened:
            connection.execute(insert(table), opened)
        if closed:
            item = update(table).where(table.c.stream == bindparam("of"))
            connection.execute(item, closed)


def _opened(row: Row, found: e.Quarantined) -> dict[str, object]:
    return {
        "stream": row.stream,
        "pos": row.pos,
        "at_ms": row.at_ms,
        "where": found.where,
        "field": _plain(found.field),
        "expected": _plain(found.expected),
        "source": _plain(found.source),
        "event_id": _plain(found.event_id),
        "state": "open",
        "closed_ms": 0,
        "by": "",
        "reason": "",
    }


def _closed(row: Row, closed: e.QuarantineClosed) -> dict[str, object]:
    return {
        "of": row.stream,
        "state": closed.how,
        "closed_ms": row.at_ms,
        "by": _plain(closed.by),
        "reason": _plain(closed.reason),
    }


def _plain(text: str) -> str:
    """What strangers wrote may hold a NUL, which PostgreSQL keeps in no text."""
    return text.replace("\0", "\ufffd")
