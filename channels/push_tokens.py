"""Tokens that a sender signs for a push service (JWT, ES256), each used for many messages."""

from collections.abc import Callable
from typing import NamedTuple

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from channels.base import Clock
from channels.push_address import base64url

VAPID_S = 12 * 3_600
"""How long a token for a browser's push service is good; RFC 8292 section 2 allows 24 hours."""

RENEWED_S = 3_600
"""Before its end: clocks differ, and a message may wait at the service's door."""

ORIGINS_MAX = 1_000
"""Tokens kept. The allowed hosts have a few dozen servers; an address made up has none."""


class Vapid:
    """The sender to browsers (RFC 8292): its public key, and what it shows each push service."""

    def __init__(self, clock: Clock, key: bytes, contact: str) -> None:
        self._private = private_key(key)
        self.public = public_key(key)
        self._tokens = Tokens(
            clock,
            VAPID_S - RENEWED_S,
            lambda origin, now_s: jwt.encode(
                {"aud": origin, "exp": now_s + VAPID_S, "sub": contact},
                self._private,
                algorithm="ES256",
            ),
        )

    def authorization(self, origin: str) -> str:
        """The header of that name, for the service at this origin."""
        return f"vapid t={self._tokens.of(origin)}, k={self.public}"


class Tokens:
    """The tokens in use, by whom they are for; each is made anew after ``keep_s``."""

    def __init__(self, clock: Clock, keep_s: int, make: Callable[[str, int], str]) -> None:
        self._clock = clock
        self._keep_s = keep_s
        self._make = make
        self._made: dict[str, _Made] = {}

    def of(self, whom: str) -> str:
        """The token for them."""
        now_s = self._clock.now_ms() // 1_000
        made = self._made.get(whom)
        if made is None or not made.at_s <= now_s < made.at_s + self._keep_s:
            if len(self._made) >= ORIGINS_MAX:
                self._made.clear()
            made = self._made[whom] = _Made(self._make(whom, now_s), now_s)
        return made.token


class _Made(NamedTuple):
    token: str
    at_s: int


def private_key(key: bytes) -> ec.EllipticCurvePrivateKey:
    """The key of P-256 that these 32 bytes are. Raises ``ValueError`` for the few that are none."""
    return ec.derive_private_key(int.from_bytes(key), ec.SECP256R1())


def public_key(key: bytes) -> str:
    """What browsers are told of it: a point, uncompressed, in base64url."""
    point = private_key(key).public_key()
    return base64url(point.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))
