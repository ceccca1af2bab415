"""The end of the journal as this process wrote it."""

from collections.abc import Callable, Sequence

from streams.journal.base import Row


class Tail:
    """The rows this process committed last, for who follows close behind: read back from the file
    they cost as much as they did to write."""

    KEPT = 40_000
    """Some twenty MB: what a busy second writes, and more than a follower falls behind by."""

    def __init__(self) -> None:
        self._rows: list[Row] = []

    def add(self, rows: Sequence[Row]) -> None:
        """Rows that were committed, in order. After another process's, those before count no
        more: the positions have no gaps."""
        kept = self._rows
        if kept and rows and rows[0].pos != kept[-1].pos + 1:
            kept = []
        elif len(kept) > 2 * self.KEPT:
            kept = kept[-self.KEPT :]
        kept += rows
        self._rows = kept

    def since(self, pos: int, limit: int, read: Callable[[int, int], list[Row]]) -> list[Row]:
        """Rows that follow a position; those from before, or another process's, are read."""
        rows = self._rows
        start = pos + 1 - rows[0].pos if rows else -1
        found = rows[start : start + limit] if start >= 0 else []
        if len(found) < limit:
            found += read(found[-1].pos if found else pos, limit - len(found))
        return found
