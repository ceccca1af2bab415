"""What a push goes to, as one text: a browser's subscription or an app's token. Pure.

::

    https://push.example/abc#P256DH.AUTH    a browser's: endpoint, key and secret (RFC 8291)
    apns:TOKEN                              an app's on Apple's devices
    TOKEN                                   an app's elsewhere; its vendor is the lane's business
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Collection
from typing import NamedTuple
from urllib.parse import urlsplit

WEB = "web"
APNS = "apns"
SERVICES = (WEB, APNS)
"""Who can use an address, as lanes name it among their ``carriers``: what one gave out, no other
can."""

POINT_BYTES = 65
"""A point of P-256, uncompressed (RFC 8291 section 3.1)."""

SECRET_BYTES = 16
"""RFC 8291 section 3.2."""

ADDRESS_MAX = 2_048
"""Characters. Endpoints in use have a few hundred."""

_ENDPOINT = re.compile(r"https?://[!-~]+")


class Subscription(NamedTuple):
    """A browser's: where to post to, and for whom to encrypt."""

    endpoint: str
    point: bytes
    secret: bytes

    @property
    def origin(self) -> str:
        """Of the push service: what a token is made out to."""
        parts = urlsplit(self.endpoint)
        return f"{parts.scheme}://{parts.netloc}"


def service_of(address: str) -> str:
    """Who can use an address, "" where the address does not say."""
    if address.startswith(("https://", "http://")):
        return WEB
    return APNS if address.startswith(f"{APNS}:") else ""


def subscription_address(endpoint: str, p256dh: str, auth: str) -> str:
    """The address of a subscription as a browser tells it: an URL and two values in base64url."""
    return f"{endpoint}#{p256dh.rstrip('=')}.{auth.rstrip('=')}"


def read_subscription(address: str) -> Subscription | None:
    """The subscription that an address is; None for what is none."""
    endpoint, _, keys = address.partition("#")
    p256dh, _, auth = keys.partition(".")
    if len(address) > ADDRESS_MAX or not _ENDPOINT.fullmatch(endpoint):
        return None
    point, secret = _bytes(p256dh), _bytes(auth)
    if len(point) != POINT_BYTES or point[0] != 4 or len(secret) != SECRET_BYTES:
        return None
    return Subscription(endpoint, point, secret)


def is_allowed(endpoint: str, hosts: Collection[str]) -> bool:
    """Whether an endpoint, which strangers choose, is one of the push services we call.

    ``hosts`` are names, ``*.`` before one standing for all below it, reached by https at its own
    port; an entry that begins with ``http`` is a whole origin, which a peer of tests has.
    """
    try:
        parts = urlsplit(endpoint)
        name, port = parts.hostname or "", parts.port
    except ValueError:
        return False
    if "@" in parts.netloc:
        return False
    if f"{parts.scheme}://{parts.netloc}" in hosts:
        return True
    usual = parts.scheme == "https" and port in (None, 443)
    return usual and any(_covers(host, name) for host in hosts)


def _covers(host: str, name: str) -> bool:
    return name.endswith(host[1:]) if host.startswith("*.") else name == host


def base64url(raw: bytes) -> str:
    """As RFC 7515 writes bytes: without padding."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    """What base64url says; b"" for anything else."""
    if not re.fullmatch(r"[A-Za-z0-9_-]*", text):
        return b""
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return b""
