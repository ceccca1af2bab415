"""The one way to know the time and to wait: a clock, made in `hub` and handed down.

Time is an integer of Unix milliseconds everywhere.
"""

from __future__ import annotations

import asyncio
from typing import Protocol


class Clock(Protocol):
    """Tells the time and waits. Nothing below `hub` asks the machine instead."""

    def now_ms(self) -> int:
        """The time now; callable from any thread. Can step back when the machine is set right."""

    async def sleep_ms(self, ms: int) -> None:
        """Wait this long; zero or less only lets others run."""

    async def wait(self, event: asyncio.Event, timeout_ms: int) -> bool:
        """Wait for the event at most this long; say whether it is set."""
