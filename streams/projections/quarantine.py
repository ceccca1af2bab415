"""What could not be understood, and what became of it."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Column, Connection, Index, LargeBinary, MetaData, Table, Text, insert, update

from streams.core import events as e
from streams.core.codec import decode
from streams.journal.base import Row
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
        self, connection: Connection, tables: Mapping[str, Table], rows: Sequence[Row]
    ) -> None:
        table = tables[ITEMS.name]
        for row in rows:
            if not row.type.startswith(_KINDS):
                continue
            match decode(row.type, row.data):
                case e.Quarantined() as found:
                    connection.execute(insert(table).values(_opened(row, found)))
                case e.QuarantineClosed() as closed:
                    item = update(table).where(table.c.stream == row.stream)
                    connection.execute(item.values(_closed(row, closed)))


def _opened(row: Row, found: e.Quarantined) -> dict[str, object]:
    return {
        "stream": row.stream,
        "pos": row.pos,
        "at_ms": row.at_ms,
        "where": found.where,
        "field": found.field,
        "expected": found.expected,
        "source": found.source,
        "event_id": found.event_id,
        "state": "open",
        "closed_ms": 0,
        "by": "",
        "reason": "",
    }


def _closed(row: Row, closed: e.QuarantineClosed) -> dict[str, object]:
    return {
        "state": closed.how,
        "closed_ms": row.at_ms,
        "by": closed.by,
        "reason": closed.reason,
    }
