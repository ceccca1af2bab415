"""What a return code of WeChat's means to the hub. The knowledge is ``wechat_codes.toml``."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

from channels.base import Outcome
from channels.carrier_verdicts import outcome_of

Verdict = Literal["throttled", "transient", "token", "recipient", "content", "sender", "account"]

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


def is_stale(code: int) -> bool:
    """Whether the code is about our token, and says nothing of the message."""
    row = CODES.get(code)
    return row is not None and row.outcome == "token"


def judge(code: int) -> Outcome:
    """What a return code other than 0 means."""
    row = CODES.get(code)
    verdict = row.outcome if row else "transient"
    if verdict == "token":  # a new token was refused like the one before
        verdict = "transient"
    return outcome_of(str(code), verdict)
