"""What an enhanced status code means to the hub. The knowledge is ``email_codes.toml``, by row."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

from channels.base import Scope

Verdict = Scope | Literal["transient"]

TABLE = Path(__file__).with_suffix(".toml")

ENHANCED = re.compile(r"(?<![\d.])([245])\.(\d{1,3}\.\d{1,3})(?![\d.]*\d)")
"""``class.subject.detail``, and no part of an IP address or of a longer number."""


class Code(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row."""

    detail: str
    means: str
    outcome: Verdict
    source: str


class _Table(msgspec.Struct, forbid_unknown_fields=True):
    code: list[Code]


CODES: Mapping[str, Code] = {
    row.detail: row
    for row in msgspec.convert(tomllib.loads(TABLE.read_text(encoding="utf-8")), _Table).code
}


def by_detail(detail: str) -> Verdict | None:
    """What ``subject.detail`` is about, where it has a row of its own."""
    row = CODES.get(detail)
    return row.outcome if row else None


def by_subject(detail: str) -> Verdict | None:
    """What its subject is about; None for one that says nothing, as ``0.0``."""
    row = CODES.get(detail.partition(".")[0])
    return row.outcome if row else None


def reaches_nobody(code: str) -> bool:
    """Whether a code that begins a report, as ``5.1.1``, takes the address out of use."""
    found = ENHANCED.match(code)
    if found is None or found.group(1) != "5":
        return False
    return (by_detail(found.group(2)) or by_subject(found.group(2))) == "recipient"
