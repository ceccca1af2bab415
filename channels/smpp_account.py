"""What a lanes file says of a lane that goes by SMPP: the table ``[lane.smpp]``. Pure."""

from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

from channels.carrier_terms import Terms
from channels.smpp_codec import ADDRESS_MAX, Malformed, bind_body, submit_head
from channels.smpp_codes import Verdict
from channels.smpp_receipts import IdBase


class Smpp(Terms, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An account at a carrier's SMPP server, beside the terms of its connections."""

    system_id: Annotated[str, Meta(min_length=1, description="Name of the account.")]
    password_env: Annotated[
        str,
        Meta(
            pattern="^(?!HUB_)[A-Za-z_][A-Za-z0-9_]*$",
            description="Environment variable that holds its password; not one of the hub's own.",
        ),
    ]
    system_type: Annotated[str, Meta(description="Where the carrier asks for one.")] = ""
    sender: Annotated[
        str,
        Meta(
            description="Source address: digits, + and a number, or letters; empty: the short "
            "number of whoever signs."
        ),
    ] = ""
    extension_digits: Annotated[
        int,
        Meta(
            ge=0, le=6,
            description="Digits behind the sender that tell messages apart, where the carrier "
            "allows them.",
        ),
    ] = 0  # fmt: skip
    answered_id: Annotated[
        IdBase, Meta(description="How the server writes ids where it answers a submit.")
    ] = "text"
    reported_id: Annotated[IdBase, Meta(description="How it writes the same id in a receipt.")] = (
        "text"
    )
    fold_ids: Annotated[
        bool,
        Meta(description="Whether case and leading zeros of ids that are text say nothing."),
    ] = False
    receipt_zone_min: Annotated[
        int,
        Meta(ge=-840, le=840, description="Minutes east of UTC of the times in its receipts."),
    ] = 480
    codes: Annotated[
        dict[str, Verdict],
        Meta(description='The carrier\'s own statuses, as "0x401" = "content".'),
    ] = msgspec.field(default_factory=dict)

    def own_codes(self) -> Mapping[int, Verdict]:
        return {int(status, 16): verdict for status, verdict in self.codes.items()}


def fault_of(smpp: Smpp) -> str:
    """What is wrong with an account that each field by itself does not show, naming the field; ""
    when nothing is."""
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
