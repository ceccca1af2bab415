"""Text messages by CMPP 2.0 or 3.0: what becomes of a message on its wire.

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
from channels.cmpp_account import Cmpp
from channels.cmpp_codec import NUMBER_MAX, VERSIONS, Malformed, Version, encode_text, sender_field
from channels.cmpp_dialect import CmppDialect
from channels.smpp_codec import relative_time


class CmppChannel(CarrierChannel):
    """``accounts`` and ``passwords`` are by lane; ``name`` is the protocol, ``cmpp2`` or
    ``cmpp3``."""

    def __init__(
        self,
        clock: Clock,
        accounts: Mapping[str, Cmpp],
        passwords: Mapping[str, str],
        split: Split,
        jitter: Random,
        name: str,
    ) -> None:
        version = VERSIONS[name]
        carriers = {}
        for lane, cmpp in accounts.items():
            sent = Sent()
            dialect = CmppDialect(lane, version, cmpp, passwords[lane], sent.attempt_of)
            writer = _Writer(version, cmpp, split, sent, jitter.randrange(0x10000))
            carriers[lane] = Carrier(cmpp, dialect, writer.bodies)
        super().__init__(clock, carriers, jitter, name)


class _Writer:
    """Makes messages of one lane into the bodies of submits. ``reference`` is where the numbers
    begin that join the parts of long texts: not where they began before a restart."""

    def __init__(
        self, version: Version, cmpp: Cmpp, split: Split, sent: Sent, reference: int
    ) -> None:
        self._form = cmpp.form(version)
        self._digits = cmpp.extension_digits
        self._split = split
        self._sent = sent
        self._reference = reference

    def bodies(self, message: Message, now_ms: int) -> list[bytes] | Outcome:
        to = digits_of(message.to, NUMBER_MAX)
        if not to:
            return Permanent("no number", "recipient")
        encoded = encode_text(self._split(message.text) or [""], self._reference)
        if len(encoded.parts) > 1:
            self._reference += 1
        sender = message.sender
        if self._digits:
            sender += extension(message.attempt, self._digits)
            self._sent.remember(to, sender, message.attempt, len(encoded.parts))
        try:
            source = sender_field(sender)
        except Malformed:
            return Permanent("no sender", "sender")
        # the validity's form is SMPP's (CMPP 3.0, section 8.4.3.1)
        validity = relative_time(message.expiry_ms - now_ms) if message.expiry_ms else b""
        return self._form.bodies(source, to, encoded, validity)
