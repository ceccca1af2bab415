"""What the simulator knows of the journal: every row as it was committed, folded as it grows."""

from bisect import bisect_left
from collections import defaultdict
from typing import NamedTuple

from streams.core import events as e
from streams.core.codec import decode
from streams.core.lifecycle import Journalled, State, Status, apply
from streams.journal.base import Row
from streams.pipeline.river import Documents
from streams.pipeline.sweep import LOOKED_AT
from tests.simulation.store import MemoryStore

HOUR_MS = 3_600_000


class Line(NamedTuple):
    """One row, decoded, with the status of its leg before and after."""

    row: Row
    event: e.Base
    before: Status
    after: Status
    commit: int


class Book:
    """The journal read along, commit by commit."""

    def __init__(self, documents: Documents) -> None:
        self.documents = documents
        self.lines: list[Line] = []
        self.streams: defaultdict[bytes, list[Line]] = defaultdict(list)
        self.states: dict[bytes, State] = {}
        self.heads: dict[bytes, e.Head] = {}
        self.fresh: list[Line] = []
        self.commits = 0
        self.sweepable = False
        self._going: list[bytes] = []
        self._going_ms: list[int] = []

    def take(self, store: MemoryStore, now_ms: int) -> None:
        """Read what was just committed; ``fresh`` is that."""
        self.fresh = []
        self.commits += 1
        for row in store.since(len(self.lines), 100_000):
            event = decode(row.type, row.data)
            state = self.states.get(row.stream)
            if state is None:
                state = self.states[row.stream] = State()
            before = state.status
            apply(state, Journalled(row.version, row.at_ms, event))
            line = Line(row, event, before, state.status, self.commits)
            self.lines.append(line)
            self.fresh.append(line)
            self.streams[row.stream].append(line)
            head = getattr(event, "head", None)
            if head is not None:
                self.heads[row.stream] = head
            if row.type in LOOKED_AT:
                self._going.append(row.stream)
                self._going_ms.append(row.at_ms)
                self.sweepable = True

    def legs(self) -> list[tuple[bytes, e.Head, State]]:
        return [(stream, head, self.states[stream]) for stream, head in self.heads.items()]

    def next_sweep_ms(self, last_ms: int, waits: tuple[int, ...]) -> int:
        """The next full hour at which a sweep would look at anything; 0: never."""
        due = []
        for wait_ms in waits:
            first = bisect_left(self._going_ms, last_ms - wait_ms)
            if first < len(self._going_ms):
                due.append((self._going_ms[first] + wait_ms) // HOUR_MS * HOUR_MS + HOUR_MS)
        return min(due, default=0)

    def set_going(self, start_ms: int, end_ms: int) -> list[bytes]:
        """The streams with a row of that time that set them going."""
        first, end = (bisect_left(self._going_ms, ms) for ms in (start_ms, end_ms))
        return list(dict.fromkeys(self._going[first:end]))
