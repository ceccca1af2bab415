"""What a lanes file says of a lane that goes by SMPP: the table ``[lane.smpp]``. Pure."""

from collections.abc import Mapping

from channels.carrier_terms import Terms, fault_of_terms
from channels.carrier_verdicts import Verdict
from channels.smpp_codec import ADDRESS_MAX, Malformed, bind_body, submit_head
from channels.smpp_receipts import IdBase


class Smpp(Terms, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An account at a carrier's SMPP server. ``sender`` is a service number, ``+`` and a number,
    or letters."""

    system_id: str
    system_type: str = ""
    answered_id: IdBase = "text"
    """How the server writes the id in its answer to a submit: text, or a hex or decimal number."""
    reported_id: IdBase = "text"
    """How it writes the same id in a receipt."""
    fold_ids: bool = False
    """Of ids that are texts: whether letters' case and leading zeros say nothing."""

    def own_codes(self) -> Mapping[int, Verdict]:
        return {int(status, 16): verdict for status, verdict in self.codes.items()}


def fault_of(smpp: Smpp) -> str:
    """What is wrong with an account, naming the field; "" when nothing is."""
    fault = fault_of_terms(smpp, ADDRESS_MAX)
    if fault:
        return f"smpp.{fault}"
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
