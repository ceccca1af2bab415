"""The legs that moved last, for pages that show the hub at work."""

from collections.abc import Sequence

from sqlalchemy import Column, Connection, Index, LargeBinary, MetaData, Table, Text, delete, select

from streams.projections.counting import insertion
from streams.projections.moves import Place, Seen
from streams.projections.standing import COUNT

KEPT = 2_000
"""Twenty pages; whoever looks for one leg searches by recipient or case."""

NEWEST = Table(
    "newest",
    MetaData(),
    Column("stream", LargeBinary, primary_key=True),
    Column("pos", COUNT, nullable=False),
    Column("at_ms", COUNT, nullable=False),
    Column("type", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("category", Text, nullable=False),
    *(Column(name, Text, nullable=False) for name in Place._fields),
    Index("newest_pos", "pos"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)


def keep_newest(connection: Connection, table: Table, seen: Sequence[Seen]) -> None:
    """Put in what moved, with its last move, and drop the oldest beyond :data:`KEPT`."""
    last = {one.row.stream: one for one in seen if one.entered is not None}
    newest = sorted(last.values(), key=lambda one: one.row.pos)[-KEPT:]
    if not newest:
        return
    names = [column.name for column in table.c]
    upsert = insertion(connection, table)
    upsert = upsert.on_conflict_do_update(
        index_elements=["stream"], set_={name: upsert.excluded[name] for name in names[1:]}
    )
    connection.execute(upsert, [dict(zip(names, _values(x), strict=True)) for x in newest])
    first_beyond = select(table.c.pos).order_by(table.c.pos.desc()).offset(KEPT).limit(1)
    connection.execute(delete(table).where(table.c.pos <= first_beyond.scalar_subquery()))


def _values(one: Seen) -> tuple[object, ...]:
    row, entered = one.row, one.entered
    assert entered is not None
    return (
        row.stream,
        row.pos,
        row.at_ms,
        one.kind.__name__,
        one.reason,
        entered.category,
        *entered.place,
    )
