"""What a lanes file says of a lane that goes by SMPP: the table ``[lane.smpp]``. Pure."""

from collections.abc import Mapping

import msgspec

from channels.carrier_terms import Terms
from channels.smpp_codec import ADDRESS_MAX, Malformed, bind_body, submit_head
from channels.smpp_codes import Verdict
from channels.smpp_receipts import IdBase

EXTENSION_MAX = 6
"""Digits: a million messages to one number before one is used again."""


class Smpp(Terms, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An account at a carrier's SMPP server, beside the terms of its connections.

    Every worker that sends has its own ``binds``: the contract must allow that many times the
    number of workers.
    """

    system_id: str
    password_env: str
    """The environment variable that holds the password: no secret is in the file."""
    system_type: str = ""
    sender: str = ""
    """Source address: a service number, ``+`` and a number, or letters. Empty: the short number of
    whoever signs the notice."""
    extension_digits: int = 0
    """So many digits after the sender tell messages apart: by them a receipt finds its message
    although the answer to the submit was lost, and so does a reply. Only where the carrier allows
    them."""
    answered_id: IdBase = "text"
    """How the server writes the id in its answer to a submit: text, or a hex or decimal number."""
    reported_id: IdBase = "text"
    """How it writes the same id in a receipt."""
    fold_ids: bool = False
    """Of ids that are texts: whether letters' case and leading zeros say nothing."""
    receipt_zone_min: int = 480
    """Minutes east of UTC of the times in receipts."""
    codes: dict[str, Verdict] = msgspec.field(default_factory=dict)
    """The carrier's own statuses, as ``"0x401" = "content"``; they go before the common table."""

    def own_codes(self) -> Mapping[int, Verdict]:
        return {int(status, 16): verdict for status, verdict in self.codes.items()}


def fault_of(smpp: Smpp) -> str:
    """What is wrong with an account, naming the field; "" when nothing is."""
    for name, least, most in (
        ("port", 1, 65_535),
        ("binds", 1, 64),
        ("window", 1, 10_000),
        ("answer_ms", 1_000, 300_000),
        ("probe_ms", 1_000, 600_000),
        ("extension_digits", 0, EXTENSION_MAX),
        ("receipt_zone_min", -14 * 60, 14 * 60),
    ):
        if not least <= getattr(smpp, name) <= most:
            return f"smpp.{name} must be {least} to {most}"
    if not smpp.password_env or smpp.password_env.startswith("HUB_"):
        return "smpp.password_env must name a variable that does not begin with HUB_"
    if smpp.tls_ca and not smpp.tls:
        return "smpp.tls_ca is given, but smpp.tls is false"
    if smpp.extension_digits and smpp.sender and not smpp.sender.lstrip("+").isdecimal():
        return "smpp.extension_digits needs a sender of digits"
    if len(smpp.sender) + smpp.extension_digits > ADDRESS_MAX:
        return f"smpp.sender and its extension must be at most {ADDRESS_MAX} characters"
    try:
        bind_body(smpp.system_id, "", smpp.system_type)
        submit_head(smpp.sender)
    except Malformed as error:
        return f"smpp.{error}"
    for status in smpp.codes:
        try:
            int(status, 16)
        except ValueError:
            return f"smpp.codes: {status!r} is no status like 0x401"
    return ""
