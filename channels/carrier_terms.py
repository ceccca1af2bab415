"""What a lanes file says of an account at a carrier, whatever the protocol. Pure."""

import msgspec

from channels.carrier_numbers import EXTENSION_MAX
from channels.carrier_verdicts import Verdict

LIMITS = (
    ("port", 1, 65_535),
    ("binds", 1, 64),
    ("window", 1, 10_000),
    ("answer_ms", 1_000, 300_000),
    ("probe_ms", 1_000, 600_000),
    ("extension_digits", 0, EXTENSION_MAX),
    ("receipt_zone_min", -14 * 60, 14 * 60),
)
"""The least and the most of each number."""


class Terms(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An account and the contract of its connections.

    Every worker that sends has its own ``binds``: the contract must allow that many times the
    number of workers.
    """

    host: str
    port: int
    password_env: str
    """The environment variable that holds the password: no secret is in the file."""
    binds: int = 1
    window: int = 16
    """Submits without an answer, on each bind."""
    tls: bool = False
    tls_ca: str = ""
    """File of the authority that vouches for the carrier; empty: those the system knows."""
    answer_ms: int = 10_000
    """Without an answer for so long a submit is given up as unknown."""
    probe_ms: int = 30_000
    """A silent link is asked after so long whether it is there; after half as much again it is
    cut."""
    sender: str = ""
    """The number it comes from, as the protocol allows it. Empty: the short number of whoever signs
    the notice."""
    extension_digits: int = 0
    """So many digits after the sender tell messages apart: by them a receipt finds its message
    although the answer to the submit was lost, and so does a reply. Only where the carrier allows
    them."""
    receipt_zone_min: int = 480
    """Minutes east of UTC of the carrier's times."""
    codes: dict[str, Verdict] = msgspec.field(default_factory=dict)
    """The carrier's own refusals, as ``"0x401" = "content"``; they go before the common table."""


def fault_of_terms(terms: Terms, sender_max: int) -> str:
    """What is wrong with them, naming the field; "" when nothing is."""
    for name, least, most in LIMITS:
        if not least <= getattr(terms, name) <= most:
            return f"{name} must be {least} to {most}"
    if not terms.password_env or terms.password_env.startswith("HUB_"):
        return "password_env must name a variable that does not begin with HUB_"
    if terms.tls_ca and not terms.tls:
        return "tls_ca is given, but tls is false"
    if terms.extension_digits and terms.sender and not terms.sender.lstrip("+").isdecimal():
        return "extension_digits needs a sender of digits"
    if len(terms.sender) + terms.extension_digits > sender_max:
        return f"sender and its extension must be at most {sender_max} characters"
    return ""
