"""What a lanes file says of a lane that goes by CMPP: the table ``[lane.cmpp]``. Pure."""

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta

from channels.carrier_terms import Terms, fault_of_sender, fault_of_terms
from channels.carrier_verdicts import Verdict
from channels.cmpp_codec import CMPP2, NUMBER_MAX, Form, Malformed, Version, sender_field


class Cmpp(Terms, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An account at a CMPP gateway, with the values of its contract. The password is what
    CMPP calls the shared secret."""

    source_addr: Annotated[
        str, Meta(min_length=1, description="The enterprise's code (SP_Id), at most 6 characters.")
    ]
    service_id: Annotated[
        str, Meta(description="The service's code (Service_Id), at most 10 characters.")
    ] = ""
    fee_user_type: Annotated[
        int,
        Meta(
            ge=0, le=3,
            description="Who is charged: 0 the recipient, 1 the sender, 2 the enterprise, 3 whom "
            "the contract says.",
        ),
    ] = 2  # fmt: skip
    fee_type: Annotated[str, Meta(description="How; 01 is free for the recipient.")] = "01"
    fee_code: Annotated[str, Meta(description="How much, in hundredths of a yuan.")] = "0"
    proof_required: Annotated[
        bool,
        Meta(description="Whether the gateway must prove to know the password too; some do not."),
    ] = True

    def own_codes(self) -> Mapping[int, Verdict]:
        return {int(result): verdict for result, verdict in self.codes.items()}

    def form(self, version: Version) -> Form:
        """What is the same in every submit. Raises :class:`Malformed`."""
        return Form(
            version,
            self.source_addr,
            self.service_id,
            self.fee_user_type,
            self.fee_type,
            self.fee_code,
        )


def fault_of(cmpp: Cmpp) -> str:
    """What is wrong with an account that each field by itself does not show, naming the field; ""
    when nothing is."""
    fault = fault_of_terms(cmpp)
    if fault:
        return f"cmpp.{fault}"
    try:
        cmpp.form(CMPP2)
    except Malformed as error:
        return f"cmpp.{error}"
    for result in cmpp.codes:
        if not result.isdecimal():
            return f"cmpp.codes: {result!r} is no result like 117"
    return ""


def sender_fault(cmpp: Cmpp, sender: str) -> str:
    """What is wrong with a lane's sender, which is a service number."""
    if fault := fault_of_sender(cmpp, sender, NUMBER_MAX):
        return fault
    try:
        sender_field(sender)
    except Malformed as error:
        return str(error)
    return ""
