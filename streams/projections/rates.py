"""What happened a minute, by place: the events a delivery rate over any span of time is made of.

Minutes are kept for :data:`MINUTES_KEPT_MS` and then added up to hours: a year of minutes would be
fifty million rows, and nobody asks last month which minute it was.
"""

from collections import defaultdict
from collections.abc import Mapping

from sqlalchemy import Column, Connection, Index, MetaData, Table, Text, delete, func, select

from streams.core import events as e
from streams.core.policy import DAY_MS, HOUR_MS, MINUTE_MS
from streams.projections.counting import add
from streams.projections.moves import Move, Place
from streams.projections.standing import COUNT

MINUTES_KEPT_MS = 8 * DAY_MS
"""A week to compare with, and a day to look back from it."""

COUNTED: dict[type[e.Base], str] = {
    e.Routed: "routed",
    e.Released: "routed",
    e.Held: "held",
    e.Suppressed: "suppressed",
    e.Escalated: "escalated",
    e.AttemptIntended: "intended",
    e.Accepted: "accepted",
    e.Throttled: "throttled",
    e.NotSent: "not_sent",
    e.Refused: "refused",
    e.Unknown: "unknown",
    e.Delivered: "delivered",
    e.Undelivered: "undelivered",
    e.Read: "read",
    e.Unconfirmed: "unconfirmed",
    e.NoReceipt: "unconfirmed",
    e.Failed: "failed",
    e.Expired: "expired",
    e.Cancelled: "cancelled",
}
"""Under which name each event is counted. What is only reported on the way is counted nowhere: the
acceptance was."""

NAMES = tuple(dict.fromkeys(COUNTED.values()))
_INDEX = {kind: NAMES.index(name) for kind, name in COUNTED.items()}
_NONE = (0,) * len(NAMES)

RATES = Table(
    "rate",
    MetaData(),
    Column("start_ms", COUNT, primary_key=True, autoincrement=False),
    Column("span_ms", COUNT, primary_key=True, autoincrement=False),
    *(Column(name, Text, primary_key=True) for name in Place._fields),
    *(Column(name, COUNT, nullable=False) for name in NAMES),
    Index("rate_span", "span_ms", "start_ms"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
"""An intent names its lane and nothing else of its place."""


def count_rates(connection: Connection, table: Table, moves: Mapping[Move, int]) -> None:
    """Add a batch to its minutes, then what has become old to its hours."""
    deltas: dict[tuple[object, ...], list[int]] = defaultdict(lambda: list(_NONE))
    for move, n in moves.items():
        if move.kind in _INDEX:
            deltas[move.start_ms, MINUTE_MS, *move.place][_INDEX[move.kind]] += n
    add(connection, table, deltas)
    _add_up(connection, table)


def _add_up(connection: Connection, table: Table) -> None:
    """Minutes before the oldest kept hour become part of their hours. The oldest is reckoned from
    the newest minute ever counted, so that a rebuild comes to the same rows."""
    c = table.c
    is_minute = c.span_ms == MINUTE_MS
    first, last = connection.execute(
        select(
            select(func.min(c.start_ms)).where(is_minute).scalar_subquery(),
            select(func.max(c.start_ms)).where(is_minute).scalar_subquery(),
        )
    ).one()
    if first is None or first >= (oldest := _hour(last - MINUTES_KEPT_MS)):
        return
    old = connection.execute(select(table).where(is_minute, c.start_ms < oldest)).all()
    hours: dict[tuple[object, ...], list[int]] = defaultdict(lambda: list(_NONE))
    keys = len(table.primary_key)
    for row in old:
        total = hours[_hour(row.start_ms), HOUR_MS, *row[2:keys]]
        for index, count in enumerate(row[keys:]):
            total[index] += count
    connection.execute(delete(table).where(is_minute, c.start_ms < oldest))
    add(connection, table, hours)


def _hour(at_ms: int) -> int:
    return at_ms - at_ms % HOUR_MS
