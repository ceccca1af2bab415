"""All projections, and what moves them along."""

from collections.abc import Iterator, Mapping

from streams.journal import projections as framework
from streams.journal.base import Store
from streams.lane_loads import per_second
from streams.projections.legs import Legs
from streams.projections.quarantine import Quarantine

ALL: tuple[framework.Projection, ...] = (Legs(), Quarantine())


def create(store: Store) -> None:
    """Make the tables that are missing."""
    framework.create(store, ALL)


def rebuild(store: Store, name: str, limit: int) -> Iterator[int]:
    """Make one again beside live traffic, ``limit`` rows at a time, yielding the position reached.

    Raises:
        KeyError: there is no projection of that name.
    """
    by_name = {projection.name: projection for projection in ALL}
    return framework.rebuild(store, by_name[name], limit)


class Follower:
    """Moves every projection along."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def follow(self, limit: int) -> int:
        """Take in up to ``limit`` rows; how many there were."""
        return framework.follow(self._store, ALL, limit)

    def loads(self, now_ms: int) -> Mapping[str, int]:
        """Calls a second that each lane makes, as counted so far."""
        return per_second(self._store.readers, now_ms)
