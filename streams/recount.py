"""The accounts, made twice: from the projections, and from nothing but the journal itself.

Both must come to the same. The recount folds every stream in the order of streams, so that it
holds one leg in memory at a time, however long the journal is.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from operator import itemgetter

from sqlalchemy import Connection, FromClause, func, select

from streams.core import codec
from streams.core.events import Accepted
from streams.core.lifecycle import BUCKETS, Journalled, fold
from streams.journal.base import Store
from streams.journal.schema import projection_checkpoint as checkpoint
from streams.journal.tables import rows_of
from streams.projections.costs import COSTS
from streams.projections.legs import Legs
from streams.projections.moves import Place, Standing, standing
from streams.projections.standing import STANDING
from streams.views import Cost, Parts, Report

ROWS_AT_ONCE = 1_000
"""Rows held while reading in order; a stream has about four."""

_ENDS = frozenset(BUCKETS.values())


def counted(connection: Connection) -> Counter[Standing]:
    """Where the legs stand, as the projection has it."""
    return Counter(
        {
            Standing(row[0], Place(*row[1:-1])): row[-1]
            for row in connection.execute(select(STANDING))
        }
    )


def reached(connection: Connection) -> int:
    """The row of the journal up to which the projection has followed."""
    return connection.scalar(select(checkpoint.c.pos).where(checkpoint.c.name == Legs.name)) or 0


def folded(store: Store, last: int | None = None) -> Counter[Standing]:
    """Where the legs stand, by folding every stream of the journal, up to the row ``last``."""
    return _read_again(store, last)[0]


def recount(store: Store, last: int | None = None) -> Report:
    """The accounts from the journal. Reads all of it, or what stands up to the row ``last``:
    beside a running hub the read models are always a little behind."""
    return report(*_read_again(store, last))


def charged(connection: Connection) -> dict[str, Cost]:
    """What carriers charge, by notice, as the projection has it."""
    sums = [func.sum(COSTS.c[name]) for name in Cost.__struct_fields__]
    rows = connection.execute(select(COSTS.c.notice, *sums).group_by(COSTS.c.notice))
    return {row[0]: Cost(*map(int, row[1:])) for row in rows}


def _read_again(store: Store, last: int | None) -> tuple[Counter[Standing], dict[str, Cost]]:
    """Where the legs stand, and what every acceptance that was charged came to, by notice."""
    counts: Counter[Standing] = Counter()
    costs: dict[str, Cost] = {}
    with store.readers.connect() as connection:
        for rows in _streams(connection, rows_of(store), last):
            if here := standing(fold(rows)):
                counts[here] += 1
            for row in rows:
                if isinstance(row.event, Accepted) and row.event.cost:
                    notice = _notice(rows)
                    costs[notice] = _and(costs.get(notice, Cost()), row.event)
    return counts, costs


def _notice(rows: list[Journalled]) -> str:
    heads = (getattr(row.event, "head", None) for row in rows)
    return next((head.notice for head in heads if head), "")


def _and(known: Cost, more: Accepted) -> Cost:
    return Cost(known.messages + 1, known.segments + more.segments, known.cost + more.cost)


def report(standings: Mapping[Standing, int], costs: Mapping[str, Cost]) -> Report:
    """The accounts of legs that stand like this, and what they cost."""
    return Report(
        cost=Cost(*(sum(getattr(c, n) for c in costs.values()) for n in Cost.__struct_fields__)),
        costs=dict(sorted(costs.items())),
        total=_parts(standings.items()),
        by_channel=_by(standings, "channel"),
        by_carrier=_by(standings, "carrier"),
        by_notice=_by(standings, "notice"),
    )


def _by(standings: Mapping[Standing, int], name: str) -> dict[str, Parts]:
    groups: dict[str, list[tuple[Standing, int]]] = {}
    for here, count in standings.items():
        groups.setdefault(getattr(here.place, name), []).append((here, count))
    return {key: _parts(group) for key, group in sorted(groups.items())}


def _parts(group: Iterable[tuple[Standing, int]]) -> Parts:
    parts: Counter[str] = Counter()
    for here, count in group:
        parts[here.category if here.category in _ENDS else "in_flight"] += count
    return Parts(notifications=parts.total(), **parts)


def _streams(
    connection: Connection, journal: FromClause, last: int | None
) -> Iterator[list[Journalled]]:
    """Each stream's rows up to a position, decoded, in the order of streams and versions."""
    c = journal.c
    query = select(c.stream, c.version, c.type, c.at_ms, c.data).order_by(c.stream, c.version)
    if last is not None:
        query = query.where(c.pos <= last)
    rows = connection.execution_options(yield_per=ROWS_AT_ONCE).execute(query)
    for _, group in groupby(rows, key=itemgetter(0)):
        yield [
            Journalled(version, at_ms, codec.decode(type_, data))
            for _, version, type_, at_ms, data in group
        ]
