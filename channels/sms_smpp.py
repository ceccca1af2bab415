"""Text messages by SMPP 3.4: what becomes of a message on its wire.

How messages are written, answered and reported is `channels.carrier_channel`'s and the same for
every protocol of its kind.
"""

from collections.abc import Mapping
from random import Random

from channels.base import Clock, Message, Outcome, Permanent
from channels.carrier_channel import (
    Carrier,
    CarrierChannel,
    Sent,
    Split,
    digits_of,
    extension,
)
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

HEADS_KEPT = 10_000
"""Encoded senders, which are few, but for their extensions."""


class SmppChannel(CarrierChannel):
    """A :class:`~channels.base.Channel`. ``accounts`` and ``passwords`` are by lane."""

    def __init__(
        self,
        clock: Clock,
        accounts: Mapping[str, Smpp],
        passwords: Mapping[str, str],
        split: Split,
        jitter: Random,
    ) -> None:
        carriers = {}
        for lane, smpp in accounts.items():
            sent = Sent()
            dialect = SmppDialect(lane, smpp, passwords[lane], sent.attempt_of)
            writer = _Writer(smpp, split, sent, jitter.randrange(0x10000))
            carriers[lane] = Carrier(smpp, dialect, writer.bodies)
        super().__init__(clock, carriers, jitter, "smpp")


class _Writer:
    """Makes messages of one lane into the bodies of submit_sm. ``reference`` is where the numbers
    begin that join the parts of long texts: not where they began before a restart."""

    def __init__(self, smpp: Smpp, split: Split, sent: Sent, reference: int) -> None:
        self._digits = smpp.extension_digits
        self._split = split
        self._sent = sent
        self._reference = reference
        self._heads: dict[str, bytes] = {}

    def bodies(self, message: Message, now_ms: int) -> list[bytes] | Outcome:
        to = digits_of(message.to, ADDRESS_MAX)
        if not to:
            return Permanent("no number", "recipient")
        encoded = encode_text(self._split(message.text) or [""], self._reference)
        udh = len(encoded.parts) > 1
        if udh:
            self._reference += 1
        sender = message.sender
        if self._digits:
            sender += extension(message.attempt, self._digits)
            self._sent.remember(to, sender, message.attempt, len(encoded.parts))
        try:
            head = self._heads.get(sender) or self._head(sender)
        except Malformed:
            return Permanent("no sender", "sender")
        validity = relative_time(message.expiry_ms - now_ms) if message.expiry_ms else b""
        return [
            submit_body(head, to, encoded.coding, part, validity, udh) for part in encoded.parts
        ]

    def _head(self, sender: str) -> bytes:
        if len(self._heads) >= HEADS_KEPT:
            self._heads.clear()
        head = self._heads[sender] = submit_head(sender)
        return head
