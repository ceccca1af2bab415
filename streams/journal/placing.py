"""Which units of a commit win, and at which positions: the same whatever the database."""

from collections.abc import Sequence
from itertools import repeat

from streams.journal.asked import Reads
from streams.journal.base import Entry, Group, Row, Unit
from streams.journal.errors import JournalRefused
from streams.journal.tops import Tops


class Taken(Exception):  # noqa: N818 - an answer, not a mistake
    """A version or an event was there already, and nobody had asked."""


class Placing:
    """The streams of one commit. ``tops`` are the last versions of those it has to do with, and
    ``known`` those of streams written to of late; a ``careful`` one asks for all of them."""

    def __init__(self, reads: Reads, pos: int, at_ms: int, known: Tops, careful: bool) -> None:
        self.at_ms = at_ms
        self.tops: dict[bytes, int] = {}
        self._reads = reads
        self._pos = pos
        """The last position that was given."""
        self._known = known
        self._careful = careful

    def _learn(self, firsts: Sequence[Entry]) -> None:
        """Find out the last versions of streams. A careless commit supposes that a first version
        is free, and that of what was written of late the next is."""
        tops, known = self.tops, self._known
        asked = []
        for stream, version, _, _ in firsts:
            if self._careful:
                asked.append(stream)
            elif version != 1 and stream not in tops:
                top = known.get(stream)
                if top < version - 1:  # never seen, or somebody else went on with it
                    asked.append(stream)
                else:
                    tops[stream] = top
        if asked:
            tops.update(self._reads.versions(set(asked).difference(tops)))

    def _place(self, unit: Unit, rows: list[Row]) -> bool:
        """Give a unit's rows their positions, if the first of them is the next of its stream."""
        if not unit.rows:
            if unit.lookups:  # without a position nobody who looks later would see them
                raise JournalRefused("look-up rows need a row they belong to")
            return True
        first, version, _, _ = unit.rows[0]
        if version != self.tops.get(first, 0) + 1:
            return False
        for stream, claimed, type_, data in unit.rows:
            if stream != first or claimed != version:
                raise JournalRefused("the rows of a unit are consecutive versions of one stream")
            self._pos += 1
            rows.append(Row(self._pos, stream, version, type_, self.at_ms, data))
            version += 1
        self.tops[first] = version - 1
        return True


def offer(groups: Sequence[Group], archived: Sequence[Sequence[bool]]) -> list[tuple[Unit, bool]]:
    """Every group's units; those given by an event that somebody else archived first lose."""
    units: list[tuple[Unit, bool]] = []
    for group, kept in zip(groups, archived, strict=True):
        if all(kept):
            units += zip(group.units, repeat(True))
            continue
        lost = {row.key for row, won in zip(group.archive, kept, strict=True) if not won}
        units += [(unit, unit.given not in lost) for unit in group.units]
    return units
