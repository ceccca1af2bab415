"""What an answer of a push service means to the hub. The knowledge is ``push_codes.toml``, row by
row."""

import tomllib
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Literal

import msgspec

from channels.base import Outcome, Permanent, Throttled, Transient, Unknown

Service = Literal["web", "apns"]
Verdict = Literal["throttled", "transient", "recipient", "content", "sender", "account"]

TABLE = Path(__file__).with_suffix(".toml")

WAIT_MAX_MS = 3_600_000
"""Of a service's wish to be left alone: more than an hour is a mistake of its own."""


class Code(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row."""

    service: Service
    status: int
    means: str
    outcome: Verdict
    source: str
    reason: str = ""


class _Table(msgspec.Struct, forbid_unknown_fields=True):
    code: list[Code]


CODES: Mapping[tuple[Service, int, str], Code] = {
    (row.service, row.status, row.reason): row
    for row in msgspec.convert(tomllib.loads(TABLE.read_text(encoding="utf-8")), _Table).code
}


def judge(
    service: Service, status: int, reason: str = "", retry_after: str = "", now_ms: int = 0
) -> Outcome:
    """What an answer that is no success means. ``reason`` is the service's own word where it has
    one, ``retry_after`` the header of that name."""
    row = CODES.get((service, status, reason)) or CODES.get((service, status, ""))
    code = reason or str(status)
    if row is None:
        return Transient(code) if 400 <= status < 500 else Unknown(f"HTTP {status}")
    match row.outcome:
        case "throttled":
            return Throttled(code, wait_ms(retry_after, now_ms))
        case "transient":
            return Transient(code)
        case scope:
            return Permanent(code, scope)


def wait_ms(retry_after: str, now_ms: int) -> int:
    """What a ``Retry-After`` says: seconds, or a date (RFC 9110 section 10.2.3); 0 for nothing
    that can be read."""
    if retry_after.isascii() and retry_after.isdigit():
        asked_ms = int(retry_after[:9]) * 1_000
    else:
        try:
            until = parsedate_to_datetime(retry_after)
        except ValueError:
            return 0
        asked_ms = round(until.replace(tzinfo=until.tzinfo or UTC).timestamp() * 1_000) - now_ms
    return min(max(asked_ms, 0), WAIT_MAX_MS)
