"""Who we are to the push services, as settings give it. Pure."""

from typing import NamedTuple

HOSTS = (
    "fcm.googleapis.com",
    "*.push.apple.com",
    "*.notify.windows.com",
    "*.push.services.mozilla.com",
)
"""Where the browsers in use have their subscriptions. Nobody else's server is ever called: an
endpoint comes from a stranger's browser."""

APNS_URL = "https://api.push.apple.com"


class WebPush(NamedTuple):
    """A sender to browsers. Time-outs are seconds."""

    contact: str
    """Whom a push service asks about us: ``mailto:`` or ``https:`` (RFC 8292 section 2.1)."""
    key: bytes
    """The private key (P-256), 32 bytes. Every subscription is bound to it for life."""
    hosts: tuple[str, ...] = HOSTS
    connections: int = 50
    connect_s: float = 5
    answer_s: float = 10

    def __repr__(self) -> str:
        return f"WebPush({self.contact})"


class Apns(NamedTuple):
    """A sender to one app on Apple's devices."""

    key: str
    """The private key (.p8) in PEM."""
    key_id: str
    team: str
    topic: str
    """The app's bundle identifier."""
    url: str = APNS_URL
    ca_file: str = ""
    """Certificates (PEM) to believe instead of the system's."""
    connect_s: float = 5
    answer_s: float = 10

    def __repr__(self) -> str:
        return f"Apns({self.team}, {self.topic})"
