"""Text messages by SMPP 3.4."""

from collections.abc import Mapping
from random import Random

from channels.base import Clock, Message, Outcome, Permanent
from channels.carrier_channel import CarrierChannel, Split, Way
from channels.carrier_numbers import Sent, extension
from channels.smpp_account import Smpp
from channels.smpp_codec import (
    Malformed,
    encode_text,
    relative_time,
    submit_body,
    submit_head,
)
from channels.smpp_dialect import SmppDialect


class SmppChannel(CarrierChannel):
    """``accounts`` and ``passwords`` are by lane."""

    def __init__(
        self,
        clock: Clock,
        accounts: Mapping[str, Smpp],
        passwords: Mapping[str, str],
        split: Split,
        jitter: Random,
        name: str = "smpp",
    ) -> None:
        ways = {}
        for lane, smpp in accounts.items():
            sent = Sent()
            dialect = SmppDialect(lane, smpp, passwords[lane], sent.attempt_of)
            writer = SmppWriter(smpp, split, jitter.randrange(0x10000), sent)
            ways[lane] = Way(dialect, smpp, writer)
        super().__init__(clock, ways, jitter, name)


class SmppWriter:
    """Makes submits. ``reference`` is the first that joins the parts of a long text."""

    def __init__(self, smpp: Smpp, split: Split, reference: int, sent: Sent) -> None:
        self._smpp = smpp
        self._split = split
        self._reference = reference
        self._sent = sent
        self._heads: dict[str, bytes] = {}

    def bodies(self, message: Message, phone: str, now_ms: int) -> list[bytes] | Outcome:
        smpp = self._smpp
        sender = smpp.sender or message.sender
        encoded = encode_text(self._split(message.text) or [""], self._reference)
        if len(encoded.parts) > 1:
            self._reference += 1
        if smpp.extension_digits:
            sender += extension(message.attempt, smpp.extension_digits)
            self._sent.remember(phone, sender, message.attempt, len(encoded.parts))
        try:
            head = self._head(sender)
        except Malformed:
            return Permanent("no sender", "sender")
        validity = relative_time(message.expiry_ms - now_ms) if message.expiry_ms else b""
        udh = len(encoded.parts) > 1
        return [
            submit_body(head, phone, encoded.coding, part, validity, udh) for part in encoded.parts
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
