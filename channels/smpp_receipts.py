"""What an SMPP receipt says, whoever wrote it. Pure.

A receipt is a deliver_sm with three optional parameters, with a text, or with both (SMPP 3.4,
section 5.3 and appendix B). The parameters are preferred: the text has no fixed form, and servers
write ``id:``, ``Id:`` or ``ID:``, leave blanks out, add fields and abbreviate.
"""

import re
from functools import lru_cache
from typing import Literal, NamedTuple

import msgspec

from channels.base import ReportStatus
from channels.carrier_times import Times
from channels.smpp_codec import (
    MESSAGE_STATE,
    NETWORK_ERROR_CODE,
    RECEIPTED_MESSAGE_ID,
    Carried,
)

IdBase = Literal["text", "hex", "decimal"]
"""How a server writes ids: as a text to be kept, or as a number in this base."""

STATES: dict[int, str] = {
    1: "ENROUTE", 2: "DELIVRD", 3: "EXPIRED", 4: "DELETED", 5: "UNDELIV", 6: "ACCEPTD",
    7: "UNKNOWN", 8: "REJECTD",
}  # fmt: skip
"""``message_state`` (SMPP 3.4, section 5.2.28) as the text of a receipt abbreviates it."""

STATUSES: dict[str, ReportStatus | None] = {
    "DELIV": "delivered",
    "EXPIR": "expired",
    "DELET": "undelivered",
    "UNDEL": "undelivered",
    "REJEC": "rejected",
    "ENROU": None,
    "ACCEP": None,
    "UNKNO": None,
}
"""What each state is to the hub, by its first five letters, for not all abbreviate alike. None
proves nothing: it is answered and forgotten, and a message with no more than that ends without a
receipt. Another word (``MA:0006``) is a network's own for why it could not deliver."""

_LETTERS = 5


class Report(msgspec.Struct, frozen=True, gc=False):
    """A receipt read. ``status`` is None where nothing is final yet; ``code`` is the carrier's own
    word, with its error where there is one."""

    ref: str
    status: ReportStatus | None
    code: str
    done_at_ms: int
    """When the carrier says it happened, to the minute mostly; 0 where it does not say."""


class Ids(NamedTuple):
    """How one lane's ids are made comparable: those of submit responses, and those of receipts."""

    answered: IdBase = "text"
    reported: IdBase = "text"
    folded: bool = False
    """Of texts: whether letters' case and leading zeros say nothing."""

    def of_answer(self, written: str) -> str:
        return _canonical(written, self.answered, self.folded)

    def of_receipt(self, written: str) -> str:
        return _canonical(written, self.reported, self.folded)


class Reader:
    """Reads the receipts of one lane, whose times are in one zone, ``offset_min`` east of UTC."""

    def __init__(self, ids: Ids, offset_min: int) -> None:
        self._ids = ids
        self._times = Times(offset_min)

    def read(self, carried: Carried) -> Report | None:
        """None for a message that is no receipt, whatever its class says: it names no id."""
        tlvs, text = carried.tlvs, carried.text
        named = tlvs.get(RECEIPTED_MESSAGE_ID)
        state = tlvs.get(MESSAGE_STATE)
        usual = _USUAL.search(text)
        if usual is not None:
            ref, done, stat, error = usual.groups()
        else:
            ref, done, stat, error = (_field(text, name) for name in _FIELDS)
        if named:
            ref = named.rstrip(b"\0")
        if not ref:
            return None
        network = b"" if error else tlvs.get(NETWORK_ERROR_CODE, b"")
        status, code = _judged(state, stat, error, network)
        return Report(
            self._ids.of_receipt(ref.decode("latin-1")),
            status,
            code,
            self._times.ms_of(done.decode("latin-1")),
        )


_USUAL = re.compile(
    rb"id:([^ ]+) sub:\d* dlvrd:\d* submit date:\d* done date:(\d*) stat:(\S+) err:(\w*)"
)
"""Appendix B as nearly everybody writes it; what departs from it is read field by field."""

_FIELDS = tuple(
    re.compile(rb"(?:^|[^a-z_])" + name + rb"\s*[:=]\s*(\w+)", re.IGNORECASE)
    for name in (rb"(?:message[ _]?)?id", rb"done[ _]?date", rb"stat(?:us)?", rb"err(?:or)?")
)


@lru_cache(maxsize=1_024)  # carriers say few different things
def _judged(
    state: bytes | None, stat: bytes, error: bytes, network: bytes
) -> tuple[ReportStatus | None, str]:
    """Status and code of a receipt: the parameter's word, else the text's, and an error."""
    word = STATES.get(state[0], "") if state else ""
    word = word or stat.decode("latin-1").upper()
    status = STATUSES.get(word[:_LETTERS], "undelivered") if word else None
    if error.strip(b"0"):
        return status, f"{word} {error.decode('latin-1')}"
    return status, f"{word} {network.hex()}" if network else word


def _field(text: bytes, field: re.Pattern[bytes]) -> bytes:
    found = field.search(text)
    return found.group(1) if found else b""


def _canonical(written: str, base: IdBase, folded: bool) -> str:
    """The same for all ways of writing one id; a number that is none stays as it is."""
    if base != "text":
        try:
            return str(int(written, 16 if base == "hex" else 10))
        except ValueError:
            return written
    return (written.strip().lower().lstrip("0") or "0") if folded else written
