"""What a lanes file says of a lane that goes by SMPP: the table ``[lane.smpp]``. Pure."""

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta

from channels.carrier_terms import Terms, fault_of_sender, fault_of_terms
from channels.carrier_verdicts import Verdict
from channels.smpp_codec import ADDRESS_MAX, Malformed, bind_body, submit_head
from channels.smpp_receipts import IdBase


class Smpp(Terms, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An account at a carrier's SMPP server."""

    system_id: Annotated[str, Meta(min_length=1, description="Name of the account.")]
    system_type: Annotated[str, Meta(description="Where the carrier asks for one.")] = ""
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

    def own_codes(self) -> Mapping[int, Verdict]:
        return {int(status, 16): verdict for status, verdict in self.codes.items()}


def fault_of(smpp: Smpp) -> str:
    """What is wrong with an account that each field by itself does not show, naming the field; ""
    when nothing is."""
    fault = fault_of_terms(smpp)
    if fault:
        return f"smpp.{fault}"
    try:
        bind_body(smpp.system_id, "", smpp.system_type)
    except Malformed as error:
        return f"smpp.{error}"
    for status in smpp.codes:
        try:
            int(status, 16)
        except ValueError:
            return f"smpp.codes: {status!r} is no status like 0x401"
    return ""


def sender_fault(smpp: Smpp, sender: str) -> str:
    """What is wrong with a lane's sender, which is digits, ``+`` and a number, or letters."""
    if fault := fault_of_sender(smpp, sender, ADDRESS_MAX):
        return fault
    try:
        submit_head(sender)
    except Malformed as error:
        return str(error)
    return ""
