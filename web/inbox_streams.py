"""Inboxes as they change, for the pages that are open.

A page says from which position of the journal it follows, and is told what came after it, once, in
order. One look a moment finds for all open pages together whose inbox stirred; only of those the
journal is read.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import NamedTuple

from sqlalchemy.exc import SQLAlchemyError

from channels.inbox import InboxStore
from streams.clock import Clock
from streams.reading import Reading
from streams.views import InboxChange

STREAMS_MAX = 500
"""Pages of one process that are told. Each is a socket and a row of one query a moment."""

OWN_MAX = 5
"""Pages of one person: a telephone, a computer, and some tabs."""

LOOK_MS = 1_000
"""How often it is looked whose inbox stirred, while anybody is told."""

SKEW_MS = 5_000
"""How far the clocks of the machines that write to inboxes may be apart."""

BEAT_MS = 15_000
"""How often a stream says that it lives: proxies cut what is silent for a minute."""

STREAM_MS = 600_000
"""How long one lasts. The browser comes again, and its link is asked for anew."""


class _Page(NamedTuple):
    """One page that is open, and what wakes it."""

    ref: str
    bell: asyncio.Event


class InboxStreams:
    """All streams of one process, and the one task that looks for them while there are any."""

    def __init__(self, clock: Clock, inbox: InboxStore, reading: Reading) -> None:
        self._clock = clock
        self._inbox = inbox
        self._reading = reading
        self._pages: list[_Page] = []
        self._looking: asyncio.Task[None] | None = None
        self._ended = False

    def has_room(self, ref: str) -> bool:
        """Whether one more page of theirs can be told."""
        own = sum(page.ref == ref for page in self._pages)
        return own < OWN_MAX and len(self._pages) < STREAMS_MAX and not self._ended

    def end(self) -> None:
        """The process ends: all streams do, and no new one begins. Browsers come again."""
        self._ended = True
        for page in self._pages:
            page.bell.set()

    async def follow(self, ref: str, after: int) -> AsyncIterator[InboxChange | None]:
        """What changes in their inbox after a position, in order, for as long as one stream lasts;
        None where nothing has for a while. Ends at once where there is no room."""
        if not self.has_room(ref):
            return
        clock = self._clock
        page = _Page(ref, asyncio.Event())
        self._enter(page)
        ends_ms = clock.now_ms() + STREAM_MS
        try:
            while clock.now_ms() < ends_ms and not self._ended:
                page.bell.clear()
                for change in await asyncio.to_thread(self._reading.inbox_changes, ref, after):
                    after = change.pos
                    yield change
                if not await clock.wait(page.bell, BEAT_MS):
                    yield None
        finally:
            self._leave(page)

    def _enter(self, page: _Page) -> None:
        self._pages.append(page)
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())

    def _leave(self, page: _Page) -> None:
        self._pages = [other for other in self._pages if other is not page]
        if not self._pages and self._looking is not None:
            self._looking.cancel()
            self._looking = None

    async def _look(self) -> None:
        """Wake the pages whose inbox stirred, and those for which it had at the last look: what was
        put there may have been journalled since."""
        clock, inbox = self._clock, self._inbox
        since_ms = clock.now_ms()
        before: frozenset[str] = frozenset()
        while True:
            await clock.sleep_ms(LOOK_MS)
            now_ms = clock.now_ms()
            refs = {page.ref for page in self._pages}
            with suppress(SQLAlchemyError):  # then the next look is over all that time
                stirred = await asyncio.to_thread(inbox.stirred, refs, since_ms - SKEW_MS)
                for page in self._pages:
                    if page.ref in stirred or page.ref in before:
                        page.bell.set()
                before, since_ms = stirred, now_ms
