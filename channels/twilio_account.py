"""An account at Twilio, as settings give it, and the addresses we are called back at. Pure."""

from typing import Literal
from urllib.parse import quote

import msgspec

Kind = Literal["sms", "voice"]

API = "https://api.twilio.com"

KEYS = "keys"
"""The part of an address behind which a pressed key is asked about; the turn follows it."""


REPLY = "reply"
"""The part of the address behind which the lane stands that a reply is brought on: what Twilio is
given for "a message comes in"."""


class Account(msgspec.Struct, frozen=True):
    """Whose, where and how. Time-outs are seconds."""

    sid: str
    token: str
    sender: str
    """The number (E.164) or the alphanumeric sender that text messages come from, or the ``MG…`` of
    a messaging service; for calls it must be a number."""
    callback_url: str
    """Where Twilio reaches our pages: the beginning of every address it is given."""
    shared_key: str = ""
    """Signs callbacks that say so; the others are signed with the token."""
    api_url: str = API
    connections: int = 20
    connect_s: float = 5
    answer_s: float = 20
    """Until the whole answer is there; shorter than an open attempt is waited for."""

    def __repr__(self) -> str:
        return f"Account({self.sid}, {self.api_url})"

    def callback(self, kind: Kind, lane: str, attempt: str, *more: str) -> str:
        """Where Twilio calls back about an attempt."""
        stream, _, version = attempt.partition(":")
        path = "/".join(quote(part, safe="") for part in (kind, lane, stream, version, *more))
        return f"{self.callback_url.rstrip('/')}/callbacks/twilio/{path}"
