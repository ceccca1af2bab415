"""The addresses that mail comes back to: one for each attempt, which nobody can guess. Pure.

Every mail leaves with two addresses of its own, both ``mail+…@hub.example``: the sender of its
envelope, where servers report, and the one to reply to. Behind the ``+`` stand the attempt and a
keyed hash of it and of what the address is for, in base32, which survives servers that write
addresses small or large. What comes to an address without the right hash is nobody's, whatever it
says of itself.
"""

import hashlib
import hmac
import re
from base64 import b32decode, b32encode
from typing import Literal

Purpose = Literal["bounce", "reply"]

MAC_BYTES = 11
"""88 bits: nobody tries so many addresses of a mail server."""

VERSION_BYTES = 3
STREAM_BYTES = 16

TOKEN_CHARS = (STREAM_BYTES + VERSION_BYTES + MAC_BYTES) * 8 // 5

LOCAL_MAX = 64
"""Characters before the ``@`` (RFC 5321, section 4.5.3.1.1)."""

OWN_MAX = LOCAL_MAX - len("+") - TOKEN_CHARS
"""Characters that are left for the mailbox's own name."""

KEY_BYTES = 32

_OWN = re.compile(rf"[A-Za-z0-9._-]{{1,{OWN_MAX}}}@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")


def fault_of(address: str) -> str:
    """What is wrong with a mailbox's own address; "" for one that can be used."""
    if _OWN.fullmatch(address):
        return ""
    return (
        f"an address as mail@hub.example, with 1 to {OWN_MAX} letters, digits, . _ - before the @"
    )


class Returns:
    """Makes and reads the addresses of one mailbox. ``address`` is its own, ``key`` 32 bytes."""

    def __init__(self, address: str, key: bytes) -> None:
        if fault := fault_of(address):
            raise ValueError(f"the mailbox is {fault}")
        if len(key) != KEY_BYTES:
            raise ValueError("a key that signs addresses is 32 bytes")
        self.address = address
        self._own, _, self._domain = address.partition("@")
        self._key = key
        self._made = re.compile(
            rf"(?<![\w.+-]){re.escape(self._own)}\+([a-z2-7]{{{TOKEN_CHARS}}})"
            rf"@{re.escape(self._domain)}(?![\w.-])",
            re.IGNORECASE,
        )

    def __repr__(self) -> str:
        return f"Returns({self.address})"

    def address_of(self, purpose: Purpose, attempt: str) -> str:
        """Where the attempt's mail comes back to. ``attempt`` is ``stream-hex:version``."""
        stream, _, version = attempt.partition(":")
        named = bytes.fromhex(stream) + int(version).to_bytes(VERSION_BYTES, "big")
        token = b32encode(named + self._mac(purpose, named)).decode().lower()
        return f"{self._own}+{token}@{self._domain}"

    def attempt_of(self, purpose: Purpose, text: str) -> str:
        """The attempt of the first address in ``text`` that is ours and made for this; "" where
        there is none."""
        for token in self._made.findall(text):
            raw = b32decode(token.upper())
            named, mac = raw[:-MAC_BYTES], raw[-MAC_BYTES:]
            if hmac.compare_digest(mac, self._mac(purpose, named)):
                version = int.from_bytes(named[STREAM_BYTES:], "big")
                return f"{named[:STREAM_BYTES].hex()}:{version}"
        return ""

    def _mac(self, purpose: Purpose, named: bytes) -> bytes:
        said = purpose.encode() + b"\0" + named
        return hashlib.blake2b(said, key=self._key, digest_size=MAC_BYTES).digest()
