"""Text messages straight to carriers: one channel, with the binds of every lane that goes this way.

A message is *written* when its parts were handed to a socket. If the link is lost then, its fate
is unknown; as long as it waits for room in a window it was not sent. What carriers bring is
answered only when the hub has it for good, so that a crash loses no receipt: they come again.

What a protocol is about stands in its :class:`~channels.carrier_session.Dialect`, and in a
:class:`Writer`, which makes a message's submits.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from random import Random
from typing import NamedTuple, Protocol

from channels.base import (
    Clock,
    Collected,
    LateAnswer,
    Message,
    NotSent,
    Outcome,
    Permanent,
)
from channels.carrier_inbox import Inbox
from channels.carrier_line import Line
from channels.carrier_session import Dialect
from channels.carrier_terms import Terms

LATE_MAX = 100_000
"""Late answers kept for the next collect. A late answer beyond them is a lost one, which a hub
must bear anyway."""

WORTH_IT = 200
"""Receipts that do not wait for the next tick: a row costs the journal twelve times as much alone
as among a hundred."""

PHONE_MAX = 20
"""Digits of a phone: the narrowest field that any of the protocols has for one."""

Split = Callable[[str], Sequence[str]]
"""Cuts a text into the parts that the hub counts: ``templates.segments.split``."""


class Writer(Protocol):
    """Makes the submits of one lane."""

    def bodies(self, message: Message, phone: str, now_ms: int) -> list[bytes] | Outcome:
        """The bodies of a message's parts, or why it cannot be sent. ``phone`` is digits, E.164
        without its plus."""


class Way(NamedTuple):
    """How one lane reaches its carrier."""

    dialect: Dialect
    terms: Terms
    writer: Writer


class CarrierChannel:
    """A :class:`~channels.base.Channel`. ``ways`` are by lane."""

    def __init__(self, clock: Clock, ways: Mapping[str, Way], jitter: Random, name: str) -> None:
        self.name = name
        self._clock = clock
        self._inbox = Inbox()
        self._late: deque[LateAnswer] = deque(maxlen=LATE_MAX)
        self._news = asyncio.Event()
        self._writers = {lane: way.writer for lane, way in ways.items()}
        self._lines = {
            lane: Line(
                lane,
                way.dialect,
                way.terms,
                clock,
                jitter,
                self._inbox.keep,
                self._late.append,
                partial(self._inbox.remember, lane),
                self._stir,
            )
            for lane, way in ways.items()
        }

    async def send(
        self, lane: str, messages: Sequence[Message], close_ms: int
    ) -> list[Outcome | None]:
        line = self._lines[lane]
        line.open()
        now_ms = self._clock.now_ms()
        prepared = [self._prepare(lane, message, now_ms) for message in messages]
        sent = [
            (message, bodies)
            for message, bodies in zip(messages, prepared, strict=True)
            if isinstance(bodies, list)
        ]
        answers = iter(
            await line.send([m for m, _ in sent], [b for _, b in sent], close_ms) if sent else ()
        )
        return [next(answers) if isinstance(one, list) else one for one in prepared]

    async def collect(self) -> Collected:
        for line in self._lines.values():
            line.open()
        self._news.clear()
        now_ms = self._clock.now_ms()
        handed = self._inbox.take(now_ms)
        late = tuple(self._late)
        self._late.clear()
        if self._inbox:
            self._news.set()
        next_ms = now_ms if self._inbox else self._inbox.next_ms()
        return Collected(handed.receipts, late, handed.token, next_ms, handed.replies)

    async def acknowledge(self, token: int) -> None:
        self._inbox.acknowledge(token)

    async def arrived(self) -> None:
        await self._news.wait()

    async def close(self) -> None:
        await asyncio.gather(*(line.close() for line in self._lines.values()))

    def bound(self, lane: str) -> int:
        """How many binds of a lane are up."""
        return len(self._lines[lane].sessions)

    def _stir(self, tick: bool) -> None:
        """Ring for a batch that is worth a transaction, and with every tick for the rest."""
        waiting = len(self._inbox) + len(self._late)
        if waiting >= WORTH_IT or (tick and (waiting or self._overdue())):
            self._news.set()

    def _overdue(self) -> bool:
        return 0 < self._inbox.next_ms() <= self._clock.now_ms()

    def _prepare(self, lane: str, message: Message, now_ms: int) -> list[bytes] | Outcome:
        if message.call_before_ms < now_ms:
            return NotSent("past its deadline")
        phone = message.to.removeprefix("+")
        if not (phone.isdecimal() and phone.isascii() and len(phone) <= PHONE_MAX):
            return Permanent("no number", "recipient")
        bodies = self._writers[lane].bodies(message, phone, now_ms)
        if isinstance(bodies, list) and len(bodies) > 1:
            self._inbox.expects_parts = True
        return bodies
