"""What a lanes file says of a lane that goes by CMPP: the table ``[lane.cmpp]``. Pure."""

from collections.abc import Mapping

from channels.carrier_terms import Terms, fault_of_terms
from channels.carrier_verdicts import Verdict
from channels.cmpp_codec import CMPP2, NUMBER_MAX, Form, Malformed, Version, sender_field


class Cmpp(Terms, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An account at a CMPP gateway, with the values of its contract. ``sender`` is a service
    number; the password is what CMPP calls the shared secret."""

    source_addr: str
    """The enterprise's code (SP_Id), six characters at most."""
    service_id: str = ""
    """The service's code."""
    fee_user_type: int = 2
    """Who is charged: 0 the recipient, 1 the sender, 2 the enterprise, 3 the number of a field
    that is left empty."""
    fee_type: str = "01"
    """``01`` is free for the recipient."""
    fee_code: str = "0"
    """In hundredths of a yuan."""
    proof_required: bool = True
    """Whether the gateway must prove that it knows the secret too. Some leave that field empty."""

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
    """What is wrong with an account, naming the field; "" when nothing is."""
    fault = fault_of_terms(cmpp, NUMBER_MAX)
    if fault:
        return f"cmpp.{fault}"
    if not 0 <= cmpp.fee_user_type <= 3:
        return "cmpp.fee_user_type must be 0 to 3"
    if not cmpp.source_addr:
        return "cmpp.source_addr must not be empty"
    try:
        cmpp.form(CMPP2)
        if cmpp.sender:
            sender_field(cmpp.sender)
    except Malformed as error:
        return f"cmpp.{error}"
    for result in cmpp.codes:
        if not result.isdecimal():
            return f"cmpp.codes: {result!r} is no result like 101"
    return ""
