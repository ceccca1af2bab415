"""Which streams the sweep looks at: those that were set going a certain time ago.

Read from the journal itself, hour by hour, so that a message needs no timer of its own for its
escalation or its closing.
"""

from typing import NamedTuple

from sqlalchemy import BigInteger, Column, Engine, Integer, MetaData, Table, select, text

from streams.pipeline.sweep import BATCH, LOOKED_AT

_SPAN = text(
    "SELECT min(first), max(last) FROM journal_batch WHERE at_ms >= :start AND at_ms < :end"
)
_TYPES = ", ".join(f"'{name}'" for name in sorted(LOOKED_AT))
_PAGE = text(
    f"SELECT pos, stream FROM journal WHERE pos > :after AND pos <= :last AND type IN ({_TYPES})"  # noqa: S608 - our own constants
    " ORDER BY pos LIMIT :limit"
)
METADATA = MetaData()
SWEEP = Table(
    "sweep",
    METADATA,
    Column("one", Integer, primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
)
_SWEPT = select(SWEEP.c.at_ms)
_DONE = text(
    "INSERT INTO sweep (one, at_ms) VALUES (1, :at_ms)"
    " ON CONFLICT (one) DO UPDATE SET at_ms = excluded.at_ms"
)


class Page(NamedTuple):
    """Streams to look at, and the position to go on from; no streams: the end."""

    streams: list[bytes]
    after: int


class SqlSweeps:
    """``streams.local.Sweeps`` on the journal's database."""

    def __init__(self, readers: Engine, writer: Engine) -> None:
        self._readers = readers
        self._writer = writer

    def swept_ms(self) -> int:
        """Up to when the last sweep looked; 0 before the first."""
        with self._readers.connect() as connection:
            return connection.scalar(_SWEPT) or 0

    def page(self, start_ms: int, end_ms: int, after: int) -> Page:
        """The next streams whose row fell between these times."""
        with self._readers.connect() as connection:
            first, last = connection.execute(_SPAN, {"start": start_ms, "end": end_ms}).one()
            if first is None:
                return Page([], after)
            after = max(after, first - 1)
            values = {"after": after, "last": last, "limit": BATCH}
            rows = connection.execute(_PAGE, values).all()
        return Page([stream for _, stream in rows], rows[-1][0] if rows else after)

    def done(self, at_ms: int) -> None:
        """Remember up to when this sweep looked."""
        with self._writer.begin() as connection:
            connection.execute(_DONE, {"at_ms": at_ms})
