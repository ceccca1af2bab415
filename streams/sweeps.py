"""Which streams the sweep looks at: those that were set going a certain time ago.

Read from the journal itself, hour by hour, so that a message needs no timer of its own for its
escalation or its closing.
"""

from typing import NamedTuple

from sqlalchemy import BigInteger, Column, Integer, MetaData, Table, func, select, text

from preferences.links import remove_expired
from streams.journal.base import Store
from streams.journal.tables import batches_of, rows_of
from streams.pipeline.sweep import BATCH, LOOKED_AT, Swept

METADATA = MetaData()
_Int = BigInteger().with_variant(Integer(), "sqlite")
SWEEP_HOUR = Table(
    "sweep_hour",
    METADATA,
    Column("at_ms", _Int, primary_key=True, autoincrement=False),
    Column("escalated", _Int, nullable=False),
    Column("closed", _Int, nullable=False),
    Column("caught", _Int, nullable=False),
    sqlite_strict=True,
)
_HOUR = SWEEP_HOUR.c
_SWEPT = select(func.max(_HOUR.at_ms))
# two who sweep at once each say what they did themselves
_DONE = text(
    "INSERT INTO sweep_hour (at_ms, escalated, closed, caught)"
    " VALUES (:at_ms, :escalated, :closed, :caught) ON CONFLICT (at_ms) DO UPDATE SET"
    " escalated = sweep_hour.escalated + excluded.escalated,"
    " closed = sweep_hour.closed + excluded.closed, caught = sweep_hour.caught + excluded.caught"
)


class Page(NamedTuple):
    """Streams to look at, and the position to go on from; no streams: the end."""

    streams: list[bytes]
    after: int


class SqlSweeps:
    """``streams.local.Sweeps`` on the journal's database."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._rows = rows_of(store).c
        self._batches = batches_of(store).c

    def swept_ms(self) -> int:
        """Up to when the last sweep looked; 0 before the first."""
        with self._store.readers.connect() as connection:
            return connection.scalar(_SWEPT) or 0

    def page(self, start_ms: int, end_ms: int, after: int) -> Page:
        """The next streams whose row fell between these times."""
        rows, batches = self._rows, self._batches
        span = select(func.min(batches.first), func.max(batches.last)).where(
            batches.at_ms >= start_ms, batches.at_ms < end_ms
        )
        with self._store.readers.connect() as connection:
            first, last = connection.execute(span).one()
            if first is None:
                return Page([], after)
            after = max(after, first - 1)
            page = (
                select(rows.pos, rows.stream)
                .where(rows.pos > after, rows.pos <= last, rows.type.in_(sorted(LOOKED_AT)))
                .order_by(rows.pos)
                .limit(BATCH)
            )
            found = connection.execute(page).all()
        return Page([stream for _, stream in found], found[-1][0] if found else after)

    def done(self, at_ms: int, swept: Swept) -> None:
        """Remember up to when this sweep looked, and what it did; links that have expired go."""
        with self._store.transaction() as connection:
            connection.execute(_DONE, {"at_ms": at_ms, **swept._asdict()})
            remove_expired(connection, at_ms)


def swept_since(store: Store, start_ms: int) -> Swept:
    """What the sweeps did that looked up to a later time than this."""
    sums = [func.coalesce(func.sum(_HOUR[name]), 0) for name in Swept._fields]
    with store.readers.connect() as connection:
        row = connection.execute(select(*sums).where(_HOUR.at_ms > start_ms)).one()
    return Swept(*map(int, row))
