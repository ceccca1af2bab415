"""How many legs stand in each category, by everything a leg is counted by; and why the suppressed
ones are."""

from collections import Counter
from collections.abc import Mapping

from sqlalchemy import BigInteger, Column, Connection, Integer, MetaData, Table, Text

from streams.core import events as e
from streams.projections.counting import add, drop_zeros
from streams.projections.moves import Move, Place

COUNT = BigInteger().with_variant(Integer(), "sqlite")

STANDING = Table(
    "standing",
    MetaData(),
    Column("category", Text, primary_key=True),
    *(Column(name, Text, primary_key=True) for name in Place._fields),
    Column("count", COUNT, nullable=False),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

REASONS = Table(
    "suppressed_reason",
    MetaData(),
    Column("reason", Text, primary_key=True),
    Column("notice", Text, primary_key=True),
    Column("count", COUNT, nullable=False),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)


def count_standing(connection: Connection, table: Table, moves: Mapping[Move, int]) -> None:
    """Each leg leaves one counter for another."""
    deltas: Counter[tuple[str, ...]] = Counter()
    for move, n in moves.items():
        if move.left is not None:
            deltas[move.left.category, *move.left.place] -= n
        if move.entered is not None:
            deltas[move.entered.category, *move.entered.place] += n
    add(connection, table, {key: (n,) for key, n in deltas.items() if n})
    drop_zeros(connection, table, [key for key, n in deltas.items() if n < 0])


def count_reasons(connection: Connection, table: Table, moves: Mapping[Move, int]) -> None:
    """A suppressed leg stays so, so that its reason is counted once."""
    reasons: Counter[tuple[str, str]] = Counter()
    for move, n in moves.items():
        if move.kind is e.Suppressed:
            reasons[move.reason, move.place.notice] += n
    add(connection, table, {key: (n,) for key, n in reasons.items()})
