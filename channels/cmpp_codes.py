"""What CMPP's results and report words mean to the hub. The knowledge is ``cmpp_codes.toml``."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

from channels.base import Outcome, ReportStatus, Transient
from channels.carrier_verdicts import Verdict, outcome_of

TABLE = Path(__file__).with_suffix(".toml")

FAMILY = 3
"""Letters of a word that name its family, as ``MB:``."""


class Code(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row of answers to a submit."""

    code: int
    name: str
    outcome: Verdict
    source: str


class Refusal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row of answers to a connect: it will be refused again."""

    status: int
    name: str
    source: str


class Stat(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row of words in reports: a whole word, or a family."""

    word: str
    status: Literal["delivered", "undelivered", "expired", "rejected", "nothing"]
    source: str


class _Table(msgspec.Struct, forbid_unknown_fields=True):
    result: list[Code]
    connect: list[Refusal]
    stat: list[Stat]


_table = msgspec.convert(tomllib.loads(TABLE.read_text(encoding="utf-8")), _Table)

CODES: Mapping[int, Code] = {row.code: row for row in _table.result}
REFUSALS: Mapping[int, Refusal] = {row.status: row for row in _table.connect}
STATS: Mapping[str, Stat] = {row.word: row for row in _table.stat}


class Verdicts:
    """Outcomes by result. ``own`` are a carrier's own codes, or its own opinion of the others."""

    def __init__(self, own: Mapping[int, Verdict]) -> None:
        said = {code: row.outcome for code, row in CODES.items()} | dict(own)
        self._known = {code: outcome_of(str(code), verdict) for code, verdict in said.items()}

    def of(self, result: int) -> Outcome:
        """What a refusal with this result is; one that nobody knows may be different tomorrow."""
        return self._known.get(result) or Transient(str(result))


def status_of(stat: str) -> ReportStatus | None:
    """What a report's word proves; None when nothing is final yet, or it says nothing."""
    if not stat:
        return None
    row = STATS.get(stat) or STATS.get(stat[:FAMILY])
    if row is None:
        return "undelivered"
    return None if row.status == "nothing" else row.status
