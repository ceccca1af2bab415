"""The projection of everything about legs.

One, and not one a table: rows are read once for all of them, and a page that shows two tables
shows them as of the same position.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, Table

from streams.journal.base import Row
from streams.projections.moves import moves
from streams.projections.newest import NEWEST, keep_newest
from streams.projections.rates import RATES, count_rates
from streams.projections.standing import REASONS, STANDING, count_reasons, count_standing


class Legs:
    """Where they stand, what happens to them a minute, which moved last, why some never went."""

    name = "legs"
    tables = (STANDING, REASONS, RATES, NEWEST)

    def apply(
        self, connection: Connection, tables: Mapping[str, Table], rows: Sequence[Row]
    ) -> None:
        seen = moves(connection, rows)
        count_standing(connection, tables[STANDING.name], seen)
        count_reasons(connection, tables[REASONS.name], seen)
        count_rates(connection, tables[RATES.name], seen)
        keep_newest(connection, tables[NEWEST.name], seen)
