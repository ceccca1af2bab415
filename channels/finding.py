"""Looking for an attempt whose answer was lost, where the provider can be asked what it has.

Only some can. A provider that cannot be asked has no finder, and its unknown attempts wait for a
report or for their horizon.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import msgspec

from channels.base import Receipt


class Sought(msgspec.Struct, frozen=True, gc=False):
    """One attempt in doubt: it was made between these times, or never."""

    lane: str
    attempt: str
    to: str
    text: str
    since_ms: int
    until_ms: int


class Match(msgspec.Struct, frozen=True, gc=False):
    """Something the provider has that may be the attempt, and its last word on it, if that is
    a report."""

    ref: str
    report: Receipt | None = None


@runtime_checkable
class Finder(Protocol):
    """A channel that can be asked."""

    async def find(self, sought: Sought) -> Sequence[Match]:
        """What the provider has that looks like it, oldest first; nothing also when the provider
        could not be asked. Creates nothing."""
