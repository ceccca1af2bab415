"""Clocks for tests of single parts."""

import asyncio
import time

TURNS = 50
"""Turns of the loop a sleeper gives to the others before the time jumps."""


class JumpingClock:
    """Nobody waits: who sleeps sets the time to when it wants to wake. Others run meanwhile."""

    def __init__(self, now_ms: int = 1_700_000_000_000) -> None:
        self._now_ms = now_ms
        self._running = asyncio.Event()
        self._running.set()

    def now_ms(self) -> int:
        return self._now_ms

    async def sleep_ms(self, ms: int) -> None:
        due_ms = self._now_ms + max(0, ms)
        for _ in range(TURNS):
            await asyncio.sleep(0)
        await self._running.wait()
        self._now_ms = max(self._now_ms, due_ms)

    def hold(self) -> None:
        """Nobody wakes until :meth:`release`."""
        self._running.clear()

    def release(self) -> None:
        self._running.set()


class RealClock:
    """For servers with time-outs of their own. May be put ahead."""

    ahead_ms = 0

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self.ahead_ms

    async def sleep_ms(self, ms: int) -> None:
        await asyncio.sleep(max(0, ms) / 1_000)
