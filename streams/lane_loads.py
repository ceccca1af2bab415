"""How much each lane carries now, as the read models count it."""

from collections.abc import Mapping

from sqlalchemy import Engine, func, select

from streams.core.policy import MINUTE_MS
from streams.projections.rates import RATES


def per_second(readers: Engine, now_ms: int) -> Mapping[str, int]:
    """Calls a second of each lane in the last whole minute, or in the one that runs if they were
    more; lanes without any are left out."""
    start_ms = now_ms - now_ms % MINUTE_MS - MINUTE_MS
    calls = func.sum(RATES.c.intended)
    query = (
        select(RATES.c.lane, RATES.c.start_ms, calls)
        .where(RATES.c.span_ms == MINUTE_MS, RATES.c.start_ms >= start_ms)
        .group_by(RATES.c.lane, RATES.c.start_ms)
    )
    most: dict[str, int] = {}
    with readers.connect() as connection:
        for lane, _, count in connection.execute(query):
            most[lane] = max(most.get(lane, 0), int(count or 0))
    return {lane: count * 1_000 // MINUTE_MS for lane, count in most.items() if count}
