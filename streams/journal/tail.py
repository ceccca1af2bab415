"""The stretch of the journal that was in this process's hands last."""

from collections.abc import Callable, Sequence
from threading import Lock

from streams.journal.base import Row

ROW_BYTES = 300
"""What a row takes beside its data: measured, 240 written here and 360 read back."""


class Tail:
    """The rows this process committed last, or read last, for who follows close behind: read back
    they cost as much as they did to write, and read models and outcomes follow the same rows."""

    KEPT_BYTES = 24_000_000
    """At most, and half of it at least: some 16,000 rows, twice what a busy second writes, and more
    than a follower asks for at once."""

    def __init__(self) -> None:
        self._rows: list[Row] = []
        self._bytes = 0
        self._changing = Lock()
        self._reading = Lock()

    def add(self, rows: Sequence[Row]) -> None:
        """Rows that were committed or read, in order. They go on from those that are there, or
        lead up to them; if not they take their place, for positions have no gaps here."""
        if not rows or rows[-1].pos - rows[0].pos != len(rows) - 1:
            return  # a row between them was taken out by hand
        with self._changing:
            kept = self._rows
            if kept and rows[0].pos == kept[-1].pos + 1:
                kept += rows
            elif kept and rows[-1].pos + 1 == kept[0].pos:
                self._rows = [*rows, *kept]
            else:
                self._rows, self._bytes = [*rows], 0
            self._bytes += _weight(rows)
            if self._bytes > self.KEPT_BYTES:
                self._rows = self._rows[len(self._rows) // 2 + 1 :]
                self._bytes = _weight(self._rows)

    def since(self, pos: int, limit: int, read: Callable[[int, int], list[Row]]) -> list[Row]:
        """Rows that follow a position; ``read`` (position, limit) is asked for those that are not
        at hand. Who comes meanwhile waits, and finds what was read."""
        found = self._at_hand(pos, limit)
        if len(found) == limit:
            return found
        with self._reading:
            while rest := limit - len(found):
                last = found[-1].pos if found else pos
                more = self._at_hand(last, rest)
                if not more:
                    rest = self._missing(last, rest)
                    more = read(last, rest)
                    self.add(more)
                    if len(more) < rest:
                        return found + more
                found += more
        return found

    def _at_hand(self, pos: int, limit: int) -> list[Row]:
        rows = self._rows
        start = pos + 1 - rows[0].pos if rows else -1
        return rows[start : start + limit] if start >= 0 else []

    def _missing(self, pos: int, limit: int) -> int:
        """How many rows to read after a position: up to those that are at hand."""
        rows = self._rows
        ahead = rows[0].pos - 1 - pos if rows else 0
        return min(limit, ahead) if ahead > 0 else limit


def _weight(rows: Sequence[Row]) -> int:
    return sum([len(row.data) for row in rows]) + ROW_BYTES * len(rows)
