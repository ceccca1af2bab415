"""The projection of everything about legs.

One, and not one a table: rows are read once for all of them, and a page that shows two tables
shows them as of the same position. Which legs moved last is no table: written for every leg, it
cost more than all the others, and the end of the journal says it for nothing.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, Table

from streams.journal.base import Row
from streams.journal.projections import Read
from streams.projections.costs import COSTS, count_costs
from streams.projections.moves import tally
from streams.projections.rates import RATES, count_rates
from streams.projections.standing import REASONS, STANDING, count_reasons, count_standing


class Legs:
    """Where they stand, why some never went, what happens to them a minute, and what they cost."""

    name = "legs"
    tables = (STANDING, REASONS, RATES, COSTS)

    def apply(
        self, connection: Connection, tables: Mapping[str, Table], rows: Sequence[Row], read: Read
    ) -> None:
        moves = tally(rows, read)
        count_standing(connection, tables[STANDING.name], moves)
        count_reasons(connection, tables[REASONS.name], moves)
        count_rates(connection, tables[RATES.name], moves)
        count_costs(connection, tables[COSTS.name], moves)
