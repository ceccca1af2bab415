"""What carriers' protocols have in common in their texts: the header that joins parts. Pure."""

from collections.abc import Sequence
from struct import Struct

HEADER = 7
"""Octets of the header: its length, what it is, how long that is, a reference of 16 bits, how many
parts there are, and which this is (3GPP TS 23.040, 9.2.3.24.8)."""

_concatenated = Struct(">BBBHBB").pack


def joined(bodies: Sequence[bytes], reference: int) -> tuple[bytes, ...]:
    """The parts of one text, each with the header by which a phone makes one text of them again.
    One part alone needs none."""
    if len(bodies) == 1:
        return (bodies[0],)
    total = len(bodies)
    reference &= 0xFFFF
    return tuple(
        _concatenated(6, 0x08, 4, reference, total, place) + body
        for place, body in enumerate(bodies, 1)
    )


def without_header(text: bytes) -> bytes:
    """What follows a user data header, whatever it says; its first octet is its length."""
    return text[text[0] + 1 :] if text else text
