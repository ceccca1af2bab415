"""How fast a lane goes: a token bucket for one partition of one of its topics. Pure.

A permit is for one call, as the carrier counts them: of a long text each part is a call.

Nothing is shared between workers, so the contract's rate is divided before it is handed out.

Time is an argument everywhere, in whole milliseconds. Rates are whole milli-permits per second,
which are micro-permits per millisecond: no rounding can add up to more than the contract.
"""

from collections.abc import Iterable

PERMIT = 1_000_000
"""Micro-permits in one permit."""

URGENT_PERCENT = 20
"""Urgent traffic has its own fifth, unless the lanes file says otherwise: a backlog of the other
kind cannot delay it."""

BURST_MS = 100
"""A bucket holds at most a tenth of a second of its rate (or one permit): carriers count in
windows as short as that. Only a message of more parts than that goes beyond it, from a full bucket
and alone."""

HALVE_MS = 1_000
"""One batch brings many refusals for one cause: the rate is halved at most once in this time,
and begins to recover after it."""

RECOVERY_PER_S = 20
"""A twentieth of the full rate comes back each second."""

STEP_BACK_MS = 1_000
"""A clock set back by less earns nothing until it has caught up; by more, the bucket begins anew,
for a lane may not stand still for an hour."""

FLOOR = 20
"""Never below a twentieth of the full rate: a lane at nothing could not find out it is well."""


def share_of(rate_per_s: int, urgent: bool, partitions: int, urgent_percent: int) -> int:
    """Milli-permits a second of one partition of a lane's normal or urgent topic."""
    percent = urgent_percent if urgent else 100 - urgent_percent
    return max(1, rate_per_s * 1_000 * percent // (100 * partitions))


class Pacer:
    """A token bucket for one partition of one lane's topic.

    Starts empty: a worker that takes a partition over cannot know what its predecessor spent in
    the last tenth of a second, and a full bucket would spend it twice. So in every window of
    ``w`` ms, over all owners of the partition, at most ``rate·w + burst`` permits are taken, the
    burst being the bucket or the longest message, whichever is more.
    """

    __slots__ = (
        "_at_ms", "_base", "_base_ms", "_level", "_partitions", "_rate", "_urgent", "burst", "full",
    )  # fmt: skip

    def __init__(
        self,
        rate_per_s: int,
        urgent: bool,
        partitions: int,
        now_ms: int,
        urgent_percent: int = URGENT_PERCENT,
    ) -> None:
        """``rate_per_s`` is the lane's contract, ``partitions`` the number of its topic's."""
        assert partitions >= 1
        self._urgent, self._partitions = urgent, partitions
        self.full = share_of(rate_per_s, urgent, partitions, urgent_percent)
        """Milli-permits a second when nothing is wrong."""
        self.burst = max(PERMIT, self.full * BURST_MS)
        """Micro-permits the bucket holds at most."""
        self._rate = self._base = self.full
        self._base_ms = self._at_ms = now_ms
        self._level = 0

    def keep_to(self, rate_per_s: int, urgent_percent: int, now_ms: int) -> None:
        """The contract as it is now. A lower one holds at once; a higher one is grown into, as
        after a refusal."""
        full = share_of(rate_per_s, self._urgent, self._partitions, urgent_percent)
        if full == self.full:
            return
        self._refill(now_ms)
        self.full, self.burst = full, max(PERMIT, full * BURST_MS)
        self._level = min(self._level, self.burst)
        self._base = self._rate = min(self._rate, full)
        self._base_ms = now_ms

    def fit(self, now_ms: int, sizes: Iterable[int]) -> int:
        """How many messages may be handed over now, of so many calls each, in this order."""
        self._refill(now_ms)
        left, count = self._level, 0
        for size in sizes:
            left -= size * PERMIT
            if left < 0 and (count or self._level < self.burst):
                break
            count += 1
        return count

    def take(self, calls: int) -> None:
        """Spend the permits of messages that fitted."""
        assert not calls or self._level >= min(calls * PERMIT, self.burst), "not permitted"
        self._level -= calls * PERMIT

    def throttled(self, now_ms: int) -> None:
        """The provider refused for rate: half the rate, and an empty bucket."""
        self._refill(now_ms)
        self._level = min(self._level, 0)
        if self._base < self.full and now_ms - self._base_ms < HALVE_MS:
            return
        self._base = self._rate = max(self._rate // 2, self.full // FLOOR, 1)
        self._base_ms = now_ms

    def next_ms(self, now_ms: int, size: int = 1) -> int:
        """When a message of so many calls may be handed over: ``now_ms`` if it already may."""
        self._refill(now_ms)
        missing = min(size * PERMIT, self.burst) - self._level
        return now_ms if missing <= 0 else now_ms - (-missing // self._rate)

    def _refill(self, now_ms: int) -> None:
        """Count the time since the last call at the rate of then, which is never the higher."""
        elapsed = now_ms - self._at_ms
        if elapsed < -STEP_BACK_MS:
            self._level, self._at_ms = min(self._level, 0), now_ms
            self._base_ms = min(self._base_ms, now_ms)
        if elapsed <= 0:
            return
        self._level = min(self.burst, self._level + elapsed * self._rate)
        self._at_ms = now_ms
        recovering = max(0, now_ms - self._base_ms - HALVE_MS)
        regained = self.full * recovering // (RECOVERY_PER_S * 1_000)
        self._rate = min(self.full, self._base + regained)
