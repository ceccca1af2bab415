"""What one channel reports is taken up as it comes, and the channel hears when it is durable.

A report that overtook the outcomes of its batch waits for these, and holds up nobody behind it:
under load some batch is always under way, and a collect that stood still for it would take a second
over what takes milliseconds, while the carrier's reports pile up.
"""

from collections.abc import Callable
from typing import NamedTuple

from channels.base import Channel
from streams.pipeline.receive import HOLD_MS, Overtook, join_again, receive_replies, take_up
from streams.pipeline.river import River

HELD_MAX = 16
"""Takes with reports that wait, of up to a thousand each: what comes within a batch's second."""

ASK_MS = 50
"""How often a channel is asked for more while something waits: each question may go to another
process."""


class Look(NamedTuple):
    """What one look did: whether something was journalled, and when the next is due if nothing is
    announced before. 0: at once; None: not known."""

    moved: bool
    rest_ms: int | None


class _Held(NamedTuple):
    """A take of which something waits; ``token`` acknowledges it."""

    token: int
    overtook: Overtook


class Collector:
    """Of one channel. ``heard`` is called when it was asked."""

    def __init__(
        self, river: River, channel: Channel, heard: Callable[[], None] = lambda: None
    ) -> None:
        self._river = river
        self._channel = channel
        self._heard = heard
        self._held: list[_Held] = []
        self._ask_ms = 0

    async def look(self) -> Look:
        """See to what waited, and take up what came since."""
        moved = await self._settle()
        clock = self._river.clock
        if self._held and (len(self._held) >= HELD_MAX or clock.now_ms() < self._ask_ms):
            return Look(moved, HOLD_MS)
        told = await self._channel.collect()
        self._heard()
        await receive_replies(self._river, told.replies)
        overtook = None
        if told.receipts or told.late:
            moved = True
            overtook = await take_up(self._river, told.receipts, told.late)
        if overtook is not None:
            self._held.append(_Held(told.token, overtook))
        elif told.token:
            await self._channel.acknowledge(told.token)
        rest_ms = max(told.next_ms - clock.now_ms(), 0) if told.next_ms else None
        if not self._held:
            return Look(moved, rest_ms)
        self._ask_ms = clock.now_ms() + (0 if told.receipts else ASK_MS)
        return Look(moved, HOLD_MS if rest_ms is None else min(rest_ms, HOLD_MS))

    async def _settle(self) -> bool:
        """What waited for batches that are journalled now is joined, and acknowledged."""
        due = [held for held in self._held if not held.overtook.waits(self._river)]
        if not due:
            return False
        self._held = [held for held in self._held if held not in due]
        await join_again(self._river, [held.overtook for held in due])
        for held in due:
            if held.token:
                await self._channel.acknowledge(held.token)
        return True
