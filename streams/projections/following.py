"""All projections, and what moves them along."""

from collections.abc import Callable, Iterator

from streams.journal import projections as framework
from streams.journal.base import Store
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
    """Moves every projection along. ``others`` look for news in the journal at the same pace."""

    def __init__(self, store: Store, *others: Callable[[], object]) -> None:
        self._store = store
        self._others = others

    def follow(self, limit: int) -> int:
        """Take in up to ``limit`` rows; how many there were."""
        for look in self._others:
            look()
        return framework.follow(self._store, ALL, limit)
