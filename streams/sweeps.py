"""Which streams the sweep looks at: those that were set going a certain time ago.

Read from the journal itself, hour by hour, so that a message needs no timer of its own for its
escalation or its closing.
"""

from typing import NamedTuple

from sqlalchemy import BigInteger, Column, Integer, MetaData, Table, func, select, text

from streams.journal.base import Store
from streams.journal.tables import batches_of, rows_of
from streams.pipeline.sweep import BATCH, LOOKED_AT

METADATA = MetaData()
SWEEP = Table(
    "sweep",
    METADATA,
    Column("one", Integer, primary_key=True, autoincrement=False),
    Column("at_ms", BigInteger, nullable=False),
)
_SWEPT = select(SWEEP.c.at_ms)
# of two who sweep at once, the slower one does not set it back
_DONE = text(
    "INSERT INTO sweep (one, at_ms) VALUES (1, :at_ms)"
    " ON CONFLICT (one) DO UPDATE SET at_ms = excluded.at_ms WHERE sweep.at_ms < excluded.at_ms"
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

    def done(self, at_ms: int) -> None:
        """Remember up to when this sweep looked."""
        with self._store.transaction() as connection:
            connection.execute(_DONE, {"at_ms": at_ms})
