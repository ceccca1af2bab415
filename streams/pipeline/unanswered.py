"""Calls that a lane has not answered: a carrier that swallows everything and says nothing must be
found out by what does not come.

Who is busy with what came does not hear what comes now: that is no silence. A hub under more than
it can carry would leave all of its lanes at once, although every answer lies there.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from channels.base import Clock

OVERDUE_MS = 5_000
"""A carrier that is well answers within a second; one that is slow gets five times as long before
its silence counts as an error."""

UNANSWERED_MAX = 500
"""Calls to one lane that may be unanswered at once: one batch, which is what a dead carrier costs.
Each of them ends unknown."""


LISTENS_MS = 1_000
"""What had come while one was busy is taken up by then."""


class Unanswered:
    """By lane, the attempts that are waited for, the oldest first."""

    def __init__(self) -> None:
        self._since: defaultdict[str, dict[str, int]] = defaultdict(dict)
        self._busy: list[int] = []
        self._heard_ms = self._listens_ms = 0

    @contextmanager
    def busy(self, clock: Clock) -> Iterator[None]:
        """Nobody hears what comes meanwhile."""
        begun_ms = clock.now_ms()
        self._busy.append(begun_ms)
        try:
            yield
        finally:
            self._busy.remove(begun_ms)
            self._heard_ms, self._listens_ms = begun_ms, clock.now_ms() + LISTENS_MS

    def wait(self, lane: str, attempts: Iterable[str], now_ms: int) -> None:
        """These were called and not answered when their batch closed."""
        self._since[lane].update(dict.fromkeys(attempts, now_ms))

    def answered(self, lane: str, attempt: str) -> None:
        """Its answer came late."""
        self._since[lane].pop(attempt, None)

    def room(self, lane: str) -> int:
        """How many more calls may be made now."""
        return max(UNANSWERED_MAX - len(self._since[lane]), 0)

    def overdue(self, lane: str, now_ms: int) -> int:
        """How many are given up as errors now; they are not waited for any more."""
        waiting = self._since[lane]
        until_ms = self._heard_until(now_ms)
        gone = 0
        for attempt, since_ms in list(waiting.items()):
            if until_ms - since_ms < OVERDUE_MS:
                break
            del waiting[attempt]
            gone += 1
        return gone

    def _heard_until(self, now_ms: int) -> int:
        if self._busy:
            return min(self._busy)
        return self._heard_ms if now_ms < self._listens_ms else now_ms
