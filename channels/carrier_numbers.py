"""Which message went under which of our numbers, for receipts and replies addressed to it. Pure.

Where a carrier allows it, digits after the service number tell messages apart: by them a receipt
finds its message although the answer to the submit was lost, and so does a reply.
"""

from zlib import crc32

SENT_KEPT = 200_000
"""Messages of a lane with extension digits that are remembered by the number they went under; as
many again of those before."""

PHONE_DIGITS = 11
"""The last digits by which a phone is the same, however its country is written."""


def extension(attempt: str, digits: int) -> str:
    """Digits that tell an attempt from others to the same phone. Derived, so that they say the
    same wherever they are asked for."""
    return f"{crc32(attempt.encode()) % 10**digits:0{digits}d}"


class Sent:
    """What went under which number. Bounded."""

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
