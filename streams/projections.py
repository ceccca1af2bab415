"""The read models that follow the journal."""

from streams.journal import projections as framework
from streams.journal.sqlite import SqliteStore

ALL: tuple[framework.Projection, ...] = ()


def create(store: SqliteStore) -> None:
    framework.create(store, ALL)


class Follower:
    """Moves every projection along."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store

    def follow(self, limit: int) -> int:
        return framework.follow(self._store, ALL, limit)
