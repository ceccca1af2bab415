"""A lane's breaker: when it is left alone, and how it is found out that it is well. Pure.

Each worker that hands over on a lane watches it with a breaker of its own, over both kinds of
traffic. Time is an argument, in whole milliseconds.
"""

from collections import deque
from typing import Literal

ERRORS_MAX = 50
ERRORS_WINDOW_S = 60
"""So many errors in a minute open a lane's breaker, however many calls went well."""

HALF_CALLS_MIN = 20
HALF_WINDOW_S = 30
"""Half of at least so many calls in half a minute open it too: a slow lane fails slowly."""

OPEN_MS = 30_000
"""How long an opened breaker lets nothing through before it probes."""

PROBES = 5
"""Calls let through to find out; all of them must go well."""

PROBE_MS = 10_000
"""Probes that were never answered are replaced after this time."""


Why = Literal["errors", "account", "probes"]
"""Too many calls went wrong; the carrier refused the account or the sender; a probe went wrong."""


class Breaker:
    """Watches one lane: ``closed`` calls go, ``open`` none, ``half_open`` a few to find out.

    What counts as an error is the caller's to say: a provider's fault (transient, unknown, refused
    connection, an account's refusal), never a recipient's.
    """

    __slots__ = (
        "_probes_left", "_probes_ms", "_probes_well", "_seconds", "_until_ms", "calls",
        "closed_ms", "errors", "state", "trips", "why",
    )  # fmt: skip

    def __init__(self) -> None:
        self.state: Literal["closed", "open", "half_open"] = "closed"
        self.trips = 0
        """How often it has opened."""
        self.why: Why = "errors"
        """Why it opened last, and of how many calls how many went wrong then."""
        self.calls = self.errors = 0
        self.closed_ms = 0
        """When its probes last went well."""
        self._seconds: deque[list[int]] = deque()  # [second, calls, errors], a minute of them
        self._until_ms = 0
        self._probes_left = 0
        self._probes_ms = 0
        self._probes_well = 0

    def allow(self, now_ms: int, wanted: int) -> int:
        """How many of ``wanted`` calls may be made; probes granted count as made."""
        if self.state == "closed":
            return wanted
        self.wake(now_ms)
        if self.state == "open":
            return 0
        if self._probes_left == 0 and now_ms >= self._probes_ms + PROBE_MS:
            self._grant_probes(now_ms)
        granted = min(wanted, self._probes_left)
        self._probes_left -= granted
        return granted

    def wake(self, now_ms: int) -> None:
        """Once it was open for long enough, probes may go; also where nothing asks for them yet.
        A clock that was set back does not make it longer."""
        self._until_ms = min(self._until_ms, now_ms + OPEN_MS)
        self._probes_ms = min(self._probes_ms, now_ms)
        if self.state == "open" and now_ms >= self._until_ms:
            self.state, self._probes_well = "half_open", 0
            self._grant_probes(now_ms)

    def next_ms(self, now_ms: int) -> int:
        """When :meth:`allow` may next answer something: ``now_ms`` if it does already."""
        if self.state == "open":
            return max(now_ms, self._until_ms)
        if self.state == "half_open" and self._probes_left == 0:
            return max(now_ms, self._probes_ms + PROBE_MS)
        return now_ms

    def record(self, now_ms: int, calls: int, errors: int) -> None:
        """What came of ``calls`` that were made, of which ``errors`` were the provider's fault."""
        assert 0 <= errors <= calls
        if self.state == "half_open":
            self._judge_probes(now_ms, calls, errors)
            return
        second = now_ms // 1_000
        if not self._seconds or self._seconds[-1][0] < second:
            self._seconds.append([second, 0, 0])
        self._seconds[-1][1] += calls
        self._seconds[-1][2] += errors
        while self._seconds[0][0] <= second - ERRORS_WINDOW_S:
            self._seconds.popleft()
        if self.state == "closed" and errors and self._too_many(second):
            self.trip(now_ms, "errors")

    def trip(self, now_ms: int, why: Why) -> None:
        """Open now. The calls and errors counted so far are kept as the reason."""
        self.calls = sum(calls for _, calls, _ in self._seconds)
        self.errors = sum(errors for _, _, errors in self._seconds)
        self.state, self._until_ms, self.why = "open", now_ms + OPEN_MS, why
        self.trips += 1
        self._seconds.clear()

    def hold_open(self, now_ms: int) -> None:
        """The carrier does not let us in: nothing is tried until that was last said a while ago."""
        if self.state == "open":
            self._until_ms = now_ms + OPEN_MS
        else:
            self.trip(now_ms, "account")

    def doubt(self, now_ms: int) -> None:
        """Begin with probes: whoever had the lane before had left it alone."""
        if self.state == "closed":
            self.state, self._probes_well = "half_open", 0
            self._grant_probes(now_ms)

    def _too_many(self, second: int) -> bool:
        if sum(errors for _, _, errors in self._seconds) >= ERRORS_MAX:
            return True
        recent = [row for row in self._seconds if row[0] > second - HALF_WINDOW_S]
        calls = sum(row[1] for row in recent)
        return calls >= HALF_CALLS_MIN and 2 * sum(row[2] for row in recent) >= calls

    def _grant_probes(self, now_ms: int) -> None:
        self._probes_left, self._probes_ms = PROBES, now_ms

    def _judge_probes(self, now_ms: int, calls: int, errors: int) -> None:
        if errors:
            self._seconds.append([now_ms // 1_000, calls, errors])
            self.trip(now_ms, "probes")
            return
        self._probes_well += calls
        if self._probes_well >= PROBES:
            self.state, self.closed_ms = "closed", now_ms
            self._seconds.clear()  # late answers of the time before
