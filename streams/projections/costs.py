"""What carriers charge for what they accepted, by day, notice and lane; free ones are left out."""

from collections import defaultdict
from collections.abc import Mapping

from sqlalchemy import Column, Connection, MetaData, Table, Text

from streams.core.policy import DAY_MS
from streams.projections.counting import add
from streams.projections.moves import Move
from streams.projections.standing import COUNT

COSTS = Table(
    "cost",
    MetaData(),
    Column("day_ms", COUNT, primary_key=True, autoincrement=False),
    Column("notice", Text, primary_key=True),
    Column("lane", Text, primary_key=True),
    Column("messages", COUNT, nullable=False),
    Column("segments", COUNT, nullable=False),
    Column("cost", COUNT, nullable=False),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
"""Days are those of UTC; ``cost`` is in 1/10000 of the currency unit."""


def count_costs(connection: Connection, table: Table, moves: Mapping[Move, int]) -> None:
    """Add what a batch cost."""
    deltas: dict[tuple[object, ...], list[int]] = defaultdict(lambda: [0, 0, 0])
    for move, n in moves.items():
        if move.cost:
            day_ms = move.start_ms - move.start_ms % DAY_MS
            charged = deltas[day_ms, move.place.notice, move.place.lane]
            for i, count in enumerate((1, move.segments, move.cost)):
                charged[i] += n * count
    if deltas:
        add(connection, table, deltas)
