"""Text messages by CMPP 2.0 or 3.0."""

from collections.abc import Mapping
from random import Random

from channels.base import Clock, Message, Outcome, Permanent
from channels.carrier_channel import CarrierChannel, Split, Way
from channels.carrier_numbers import Sent, extension
from channels.cmpp_account import Cmpp
from channels.cmpp_codec import VERSIONS, Malformed, Version, encode_text, sender_field
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
        ways = {}
        for lane, cmpp in accounts.items():
            sent = Sent()
            dialect = CmppDialect(lane, version, cmpp, passwords[lane], sent.attempt_of)
            writer = CmppWriter(version, cmpp, split, jitter.randrange(0x10000), sent)
            ways[lane] = Way(dialect, cmpp, writer)
        super().__init__(clock, ways, jitter, name)


class CmppWriter:
    """Makes submits. ``reference`` is the first that joins the parts of a long text."""

    def __init__(
        self, version: Version, cmpp: Cmpp, split: Split, reference: int, sent: Sent
    ) -> None:
        self._cmpp = cmpp
        self._form = cmpp.form(version)
        self._split = split
        self._reference = reference
        self._sent = sent

    def bodies(self, message: Message, phone: str, now_ms: int) -> list[bytes] | Outcome:
        cmpp = self._cmpp
        sender = cmpp.sender or message.sender
        encoded = encode_text(self._split(message.text) or [""], self._reference)
        if len(encoded.parts) > 1:
            self._reference += 1
        if cmpp.extension_digits:
            sender += extension(message.attempt, cmpp.extension_digits)
            self._sent.remember(phone, sender, message.attempt, len(encoded.parts))
        try:
            source = sender_field(sender)
        except Malformed:
            return Permanent("no sender", "sender")
        # the validity's form is SMPP's (CMPP 3.0, section 8.4.3.1)
        validity = relative_time(message.expiry_ms - now_ms) if message.expiry_ms else b""
        return self._form.bodies(source, phone, encoded, validity)
