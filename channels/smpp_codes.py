"""What an SMPP status means to the hub. The knowledge is ``smpp_codes.toml``, row by row."""

import tomllib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from channels.base import Outcome, Transient
from channels.carrier_verdicts import Verdict, outcome_of

TABLE = Path(__file__).with_suffix(".toml")


class Code(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row of answers to submit_sm."""

    status: int
    name: str
    outcome: Verdict
    source: str


class Refusal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row of answers to a bind: it will be refused again."""

    status: int
    name: str
    source: str


class _Table(msgspec.Struct, forbid_unknown_fields=True):
    code: list[Code]
    bind: list[Refusal]


_table = msgspec.convert(tomllib.loads(TABLE.read_text(encoding="utf-8")), _Table)

CODES: Mapping[int, Code] = {row.status: row for row in _table.code}
REFUSALS: Mapping[int, Refusal] = {row.status: row for row in _table.bind}


class Verdicts:
    """Outcomes by status. ``own`` are a carrier's own codes, or its own opinion of the others."""

    def __init__(self, own: Mapping[int, Verdict]) -> None:
        said = {status: row.outcome for status, row in CODES.items()} | dict(own)
        self._known = {
            status: outcome_of(written(status), verdict) for status, verdict in said.items()
        }

    def of(self, status: int) -> Outcome:
        """What a refusal with this status is; one that nobody knows may be different tomorrow."""
        return self._known.get(status) or Transient(written(status))


def written(status: int) -> str:
    """A status as it is journalled and shown: ``0x58``, or more digits where it has more."""
    return f"0x{status:02x}"
