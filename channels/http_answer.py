"""What a provider's answer proves, by its lane's description. Pure.

A listed code counts, whatever status it came with; then a listed status; then what HTTP itself
says. A code that nobody listed is kept as it came: with a refusal (4xx) it is one for now, with
anything else it proves nothing.
"""

from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from channels.base import Accepted, Outcome, Permanent, Throttled, Transient, Unknown
from channels.http_account import Answer, AnswerVerdict
from channels.json_pointer import text_at

RETRY_MAX_MS = 3_600_000
"""The longest that a provider is believed when it says how long to wait."""

REF_MAX = 200
"""Characters of a provider's id; a longer one is no id."""


def judge(
    answer: Answer, status: int, retry_after: str, body: bytes, attempt: str, now_ms: int
) -> Outcome:
    """The outcome of an attempt that was answered. ``retry_after`` is that header, or nothing."""
    document = _document(body)
    found = (text_at(document, pointer) for pointer in answer.code)
    code = next((text for text in found if text), "")
    verdict = answer.codes.get(code) or answer.statuses.get(str(status))
    told = code or str(status)
    match verdict or _usual(answer, status):
        case "accepted":
            return _accepted(answer, document, attempt)
        case "throttled":
            return Throttled(told, _wait_ms(retry_after, now_ms))
        case "transient":
            return Transient(told)
        case "unknown":
            return Unknown(f"HTTP {status}" + (f", code {code}" if code else ""))
        case scope:
            return Permanent(told, scope)


def _usual(answer: Answer, status: int) -> AnswerVerdict:
    """What HTTP says (RFC 9110, section 15; 429: RFC 6585). A server's error does not tell what it
    had done before."""
    if 200 <= status < 300:
        return "unknown" if answer.code else "accepted"
    if status == 429:
        return "throttled"
    if status in (401, 403):
        return "account"
    return "transient" if 400 <= status < 500 else "unknown"


def _accepted(answer: Answer, document: Any, attempt: str) -> Outcome:
    if not answer.ref:
        return Accepted(attempt)
    ref = text_at(document, answer.ref)
    if not ref or len(ref) > REF_MAX or ref.split() != [ref]:
        return Unknown("accepted, but without an id")
    return Accepted(ref)


def _wait_ms(retry_after: str, now_ms: int) -> int:
    """Seconds, or a date (RFC 9110, section 10.2.3); 0 for anything else."""
    if retry_after.isascii() and retry_after.isdecimal():
        return min(int(retry_after[:9]) * 1_000, RETRY_MAX_MS)
    try:
        at = parsedate_to_datetime(retry_after)
    except ValueError:
        return 0
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return min(max(round(at.timestamp() * 1_000) - now_ms, 0), RETRY_MAX_MS)


def _document(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
