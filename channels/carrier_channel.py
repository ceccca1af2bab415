"""A channel over carriers' own protocols: the binds of every lane that goes this way.

Nothing here knows a protocol. A :class:`Carrier` brings, for one lane, the terms of its
connections, its dialect, and what becomes of a message on its wire.

A message is *written* when its parts were handed to a socket. If the link is lost then, its fate
is unknown; as long as it waits for room in a window it was not sent. What carriers bring is
answered only when the hub has it for good, so that a crash loses no receipt: they come again.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from random import Random
from typing import NamedTuple
from zlib import crc32

from channels.base import TOO_LATE, Clock, Collected, LateAnswer, Message, Outcome
from channels.binding import Refused
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

SENT_KEPT = 200_000
"""Messages that are remembered by the number they went under; as many again of those before."""

PHONE_DIGITS = 11
"""The last digits by which a phone is the same, however its country is written."""


Split = Callable[[str], Sequence[str]]
"""Cuts a text into the parts that the hub counts: ``templates.segments.split``."""


class Carrier(NamedTuple):
    """One lane's. ``bodies`` makes a message, at a time in ms, into what is framed for each of its
    parts, or says why it cannot be sent."""

    terms: Terms
    dialect: Dialect
    bodies: Callable[[Message, int], list[bytes] | Outcome]


class CarrierChannel:
    """A :class:`~channels.base.Channel`. ``carriers`` are by lane."""

    def __init__(
        self, clock: Clock, carriers: Mapping[str, Carrier], jitter: Random, name: str
    ) -> None:
        self.name = name
        self._clock = clock
        self._carriers = carriers
        self._inbox = Inbox()
        self._late: deque[LateAnswer] = deque(maxlen=LATE_MAX)
        self._news = asyncio.Event()
        self._lines = {
            lane: Line(
                lane,
                carrier.dialect,
                carrier.terms,
                clock,
                jitter,
                self._inbox.keep,
                self._late.append,
                partial(self._inbox.remember, lane),
                self._stir,
                lambda: self._inbox.crowded,
            )
            for lane, carrier in carriers.items()
        }

    async def send(
        self, lane: str, messages: Sequence[Message], close_ms: int
    ) -> list[Outcome | None]:
        line = self._lines[lane]
        line.open()
        now_ms = self._clock.now_ms()
        make = self._carriers[lane].bodies
        made = [
            make(message, now_ms) if message.call_before_ms >= now_ms else TOO_LATE
            for message in messages
        ]
        ready = [
            (message, bodies)
            for message, bodies in zip(messages, made, strict=True)
            if isinstance(bodies, list)
        ]
        if any(len(bodies) > 1 for _, bodies in ready):
            self._inbox.expects_parts = True
        answers = iter(
            await line.send([m for m, _ in ready], [b for _, b in ready], close_ms) if ready else ()
        )
        return [next(answers) if isinstance(one, list) else one for one in made]

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
        was_crowded = self._inbox.crowded
        self._inbox.acknowledge(token)
        if was_crowded and not self._inbox.crowded:
            for line in self._lines.values():
                line.turn()

    async def arrived(self) -> None:
        await self._news.wait()

    async def close(self) -> None:
        await asyncio.gather(*(line.close() for line in self._lines.values()))

    def not_bound(self, lane: str) -> Refused | None:
        """As :meth:`channels.binding.Binding.not_bound`."""
        return self._lines[lane].not_bound

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


def digits_of(number: str, at_most: int) -> str:
    """E.164 without its plus; "" for what is no number, or too long for the protocol's field."""
    digits = number.removeprefix("+")
    plain = digits.isdecimal() and digits.isascii() and len(digits) <= at_most
    return digits if plain else ""


def extension(attempt: str, digits: int) -> str:
    """Digits that tell an attempt from others to the same phone. Derived, so that they say the
    same wherever they are asked for."""
    return f"{crc32(attempt.encode()) % 10**digits:0{digits}d}"


class Sent:
    """What went under which number: for receipts and replies that are addressed to it."""

    def __init__(self) -> None:
        self._new: dict[tuple[str, str], str] = {}
        self._old: dict[tuple[str, str], str] = {}

    def remember(self, phone: str, number: str, attempt: str, parts: int) -> None:
        if len(self._new) >= SENT_KEPT:
            self._new, self._old = {}, self._new
        key = (phone[-PHONE_DIGITS:], number.removeprefix("+"))
        self._new[key] = attempt if parts == 1 else ""  # a part's receipt says too little of it

    def attempt_of(self, phone: str, number: str) -> str:
        """The attempt that a report from ``phone`` to our ``number`` is about; "" when unknown."""
        key = (phone[-PHONE_DIGITS:], number.removeprefix("+"))
        return self._new.get(key) or self._old.get(key, "")
