"""What a code of Twilio's means to the hub. The knowledge is ``twilio_codes.toml``, row by row."""

import tomllib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from channels.base import Outcome, Permanent, Throttled, Transient, Unknown
from channels.carrier_verdicts import Verdict, outcome_of

TABLE = Path(__file__).with_suffix(".toml")


class Code(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row."""

    code: int
    means: str
    outcome: Verdict
    source: str


class _Table(msgspec.Struct, forbid_unknown_fields=True):
    code: list[Code]


CODES: Mapping[int, Code] = {
    row.code: row
    for row in msgspec.convert(tomllib.loads(TABLE.read_text(encoding="utf-8")), _Table).code
}


def judge(status: int, code: int) -> Outcome:
    """What an answer that is no success means. ``code`` is Twilio's own, or again the status.

    A server's error says nothing about what it had done before; neither does any status that the
    interface does not know.
    """
    if status >= 500 or status < 400:
        return Unknown(f"HTTP {status}")
    row = CODES.get(code)
    if status == 429:
        return Throttled(str(code))
    if row is None:
        return Permanent(str(code), "account") if status in (401, 403) else Transient(str(code))
    return outcome_of(str(code), row.outcome)


def reaches_nobody(code: str) -> bool:
    """Whether the code of a report says that nobody will ever be reached at that number."""
    row = CODES.get(int(code)) if code.isdecimal() else None
    return row is not None and row.outcome == "recipient"
