"""Text messages by SMPP 3.4: one channel, with the binds of every lane that goes this way.

A message is *written* when its parts were handed to a socket. If the link is lost then, its fate
is unknown; as long as it waits for room in a window it was not sent. What carriers bring is
answered only when the hub has it for good, so that a crash loses no receipt: they come again.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from random import Random
from zlib import crc32

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
from channels.carrier_session import Brought, Session
from channels.smpp_account import Smpp
from channels.smpp_codec import (
    ADDRESS_MAX,
    Malformed,
    encode_text,
    relative_time,
    submit_body,
    submit_head,
)
from channels.smpp_dialect import SmppDialect

LATE_MAX = 100_000
"""Late answers kept for the next collect. A late answer beyond them is a lost one, which a hub
must bear anyway."""

WORTH_IT = 200
"""Receipts that do not wait for the next tick: a row costs the journal twelve times as much alone
as among a hundred."""

SENT_KEPT = 200_000
"""Messages of lanes with extension digits that are remembered by the number they went under; as
many again of those before."""

PHONE_DIGITS = 11
"""The last digits by which a phone is the same, however its country is written."""

Split = Callable[[str], Sequence[str]]
"""Cuts a text into the parts that the hub counts: ``templates.segments.split``."""


class SmppChannel:
    """A :class:`~channels.base.Channel`. ``accounts`` and ``passwords`` are by lane."""

    def __init__(
        self,
        clock: Clock,
        accounts: Mapping[str, Smpp],
        passwords: Mapping[str, str],
        split: Split,
        jitter: Random,
        name: str = "smpp",
    ) -> None:
        self.name = name
        self._clock = clock
        self._accounts = accounts
        self._split = split
        self._reference = jitter.randrange(0x10000)
        self._heads: dict[str, bytes] = {}
        self._inbox = Inbox()
        self._late: deque[LateAnswer] = deque(maxlen=LATE_MAX)
        self._sent = _Sent()
        self._news = asyncio.Event()
        self._lines = {
            lane: Line(
                lane,
                SmppDialect(lane, smpp, passwords[lane], self._sent.attempt_of),
                smpp,
                clock,
                jitter,
                self._keep,
                self._late.append,
                partial(self._inbox.remember, lane),
                self._stir,
            )
            for lane, smpp in accounts.items()
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
        next_ms = now_ms if self._inbox else self._inbox.next_ms()
        return Collected(handed.receipts, late, handed.token, next_ms, handed.replies)

    async def acknowledge(self, token: int) -> None:
        self._inbox.acknowledge(token)

    async def arrived(self) -> None:
        await self._news.wait()

    async def close(self) -> None:
        await asyncio.gather(*(line.close() for line in self._lines.values()))

    def _keep(self, session: Session, brought: Brought) -> bool:
        return self._inbox.keep(session, brought, self._clock.now_ms())

    def _stir(self, tick: bool) -> None:
        """Ring for a batch that is worth a transaction, and with every tick for the rest."""
        waiting = len(self._inbox) + len(self._late)
        if waiting >= WORTH_IT or (waiting and tick):
            self._news.set()

    def _prepare(self, lane: str, message: Message, now_ms: int) -> list[bytes] | Outcome:
        """The bodies of a message's parts, or why it cannot be sent."""
        if message.call_before_ms < now_ms:
            return NotSent("past its deadline")
        to = message.to.removeprefix("+")
        if not (to.isdecimal() and to.isascii() and len(to) <= ADDRESS_MAX):
            return Permanent("no number", "recipient")
        smpp = self._accounts[lane]
        sender = smpp.sender or message.sender
        encoded = encode_text(self._split(message.text) or [""], self._reference)
        if len(encoded.parts) > 1:
            self._reference += 1
        if smpp.extension_digits:
            sender += _extension(message.attempt, smpp.extension_digits)
            self._sent.remember(to, sender, message.attempt, len(encoded.parts))
        try:
            head = self._head(sender)
        except Malformed:
            return Permanent("no sender", "sender")
        validity = relative_time(message.expiry_ms - now_ms) if message.expiry_ms else b""
        udh = len(encoded.parts) > 1
        return [
            submit_body(head, to, encoded.coding, part, validity, udh) for part in encoded.parts
        ]

    def _head(self, sender: str) -> bytes:
        head = self._heads.get(sender)
        if head is None:
            if len(self._heads) >= _HEADS_KEPT:
                self._heads.clear()
            head = self._heads[sender] = submit_head(sender)
        return head


_HEADS_KEPT = 10_000
"""Encoded senders, which are few, but for their extensions."""


def _extension(attempt: str, digits: int) -> str:
    """Digits that tell an attempt from others to the same phone. Derived, so that they say the
    same wherever they are asked for."""
    return f"{crc32(attempt.encode()) % 10**digits:0{digits}d}"


class _Sent:
    """What went under which number: for receipts and replies addressed to it."""

    def __init__(self) -> None:
        self._new: dict[tuple[str, str], str] = {}
        self._old: dict[tuple[str, str], str] = {}

    def remember(self, phone: str, number: str, attempt: str, parts: int) -> None:
        if len(self._new) >= SENT_KEPT:
            self._new, self._old = {}, self._new
        key = (phone[-PHONE_DIGITS:], number.removeprefix("+"))
        self._new[key] = attempt if parts == 1 else ""  # a part's receipt says too little of it

    def attempt_of(self, phone: str, number: str) -> str:
        if not self._new and not self._old:
            return ""
        key = (phone[-PHONE_DIGITS:], number.removeprefix("+"))
        return self._new.get(key) or self._old.get(key, "")
