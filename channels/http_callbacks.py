"""What a declared provider calls back, and whether it was that provider. Pure.

A callback is checked before anything in it is believed: against the secret that its lane names,
over the parts that its lane declares, and against its time where it has one.

Reports come in any order, twice, or not at all; which of two counts is decided where they are
journalled.
"""

import hmac
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import msgspec

from channels.base import Accepted, LateAnswer, Prospect, Receipt, Reply
from channels.http_account import OTHERS, Callback, Check, ReportVerdict
from channels.http_request import CHINA, Secrets, encoded
from channels.http_template import Template
from channels.json_pointer import NOTHING, at, text_at

TEXT_MAX = 2_000
"""Characters of a reply: far more than a long text has."""

CODE_MAX = 100
"""Characters of a reason that are kept."""

NATIONAL_DIGITS = 11
"""Of a mobile number of the mainland, without its country; they begin with 1."""

MILLISECONDS = 10**11
"""A time beyond it is in ms: as seconds it would be the year 5138."""


class Called(NamedTuple):
    """One request as it came. Names of ``headers`` and of ``query`` are in small letters."""

    host: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


class NoMoreCalls(NamedTuple):
    """Whoever was called by this attempt wants no more: the key that said so."""

    attempt: str
    key: str


class Malformed(ValueError):  # noqa: N818 - named for what is known
    """A callback that is the provider's and cannot be read; it says which field, and why."""


Told = Receipt | LateAnswer | Reply | NoMoreCalls


def is_theirs(check: Check, secrets: Secrets, called: Called, now_ms: int) -> bool:
    """Whether who called knows the secret, and called just now."""
    secret = secrets.get(check.key, "")
    given = _place(called, check.given)
    if not secret or not given:
        return False
    if not check.parts:
        return hmac.compare_digest(given.encode(), secret.encode())
    signed = _signed(check, secrets, called)
    digest = hmac.new(secret.encode(), signed, sha256).digest()
    if check.encoding == "hex":
        given = given.lower()
    if not hmac.compare_digest(given.encode(), encoded(digest, check.encoding).encode()):
        return False
    return not check.time or _is_recent(_place(called, check.time), check.age_max_s, now_ms)


def _signed(check: Check, secrets: Secrets, called: Called) -> bytes:
    values = {f"secret:{name}": secret for name, secret in secrets.items()}
    values |= {f"header:{name}": value for name, value in called.headers.items()}
    values |= {f"query:{name}": value for name, value in called.query.items()}
    values |= {
        "host": called.host,
        "path": called.path,
        "body": called.body.decode("utf-8", "surrogateescape"),
        "body_sha256": sha256(called.body).hexdigest(),
    }
    joined = check.join.join(Template(part).fill(values) for part in check.parts)
    return joined.encode("utf-8", "surrogateescape")


def _place(called: Called, place: str) -> str:
    kind, _, name = place.lower().partition(":")
    return (called.headers if kind == "header" else called.query).get(name, "")


def _is_recent(text: str, age_max_s: int, now_ms: int) -> bool:
    if not (text.isascii() and text.isdecimal() and len(text) <= 15):
        return False
    told = int(text)
    at_ms = told if told >= MILLISECONDS else told * 1_000
    return abs(now_ms - at_ms) <= age_max_s * 1_000


# What it says -----------------------------------------------------------------------------------


def read(callback: Callback, lane: str, attempt: str, body: bytes, now_ms: int) -> list[Told]:
    """What a callback tells, in its order; ``attempt`` is that of its address, or nothing.

    Raises :class:`Malformed` for what is not as the lane declares, and then tells nothing."""
    document = _document(callback, body)
    if callback.reports:
        reports = at(document, callback.reports)
        if not isinstance(reports, list):
            raise Malformed(f"{callback.reports} must be the list of reports")
    else:
        reports = [document]
    told: list[Told] = []
    for report in reports:
        if not isinstance(report, dict):
            raise Malformed(f"{callback.reports or 'the body'} must hold objects")
        told += _of_one(callback, lane, attempt, report, now_ms)
    return told


def _document(callback: Callback, body: bytes) -> Any:
    try:
        if callback.body == "form":
            return dict(parse_qsl(body.decode(), keep_blank_values=True))
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise Malformed(f"the body must be {callback.body}") from error


def _of_one(
    callback: Callback, lane: str, attempt: str, report: Any, now_ms: int
) -> Iterator[Told]:
    words = text_at(report, callback.reply)[:TEXT_MAX]
    if words:
        source, to = text_at(report, callback.reply_from), text_at(report, callback.reply_to)
        if not source:
            raise Malformed(f"{callback.reply_from} must say who replied")
        named = _attempt(callback, report, attempt)
        yield Reply(lane, _international(source), to, words, now_ms, named)
        return
    attempt = _attempt(callback, report, attempt)
    ref = text_at(report, callback.ref)
    if not attempt and not ref:
        raise Malformed(f"{callback.ref or callback.attempt} must say which message it is about")
    if key := text_at(report, callback.digit):
        match callback.digits.get(key):
            case "acknowledged":
                yield Receipt(lane, ref, "read", key, now_ms, attempt)
            case "stop":
                yield NoMoreCalls(attempt, key)
            case _:
                pass  # such as one to hear it again: that is the provider's
    status = text_at(report, callback.status)
    if not status:
        return
    verdict = callback.statuses.get(status) or callback.statuses.get(OTHERS, "nothing")
    code = (text_at(report, callback.code) or status)[:CODE_MAX]
    yield from _report(callback, lane, attempt, ref, verdict, code, now_ms)


def _report(
    callback: Callback,
    lane: str,
    attempt: str,
    ref: str,
    verdict: ReportVerdict,
    code: str,
    now_ms: int,
) -> Iterator[Told]:
    match verdict:
        case "nothing":
            return
        case "accepted":  # as the answer that may have been lost; by reference alone it was not
            if attempt and (ref or not callback.ref):
                yield LateAnswer(lane, attempt, Accepted(ref or attempt))
        case "delivered" | "read":
            yield Receipt(lane, ref, verdict, code, now_ms, attempt)
        case status:
            then: Prospect = (
                "never" if code in callback.never else "again" if code in callback.again else ""
            )
            yield Receipt(lane, ref, status, code, now_ms, attempt, then=then)


def _attempt(callback: Callback, report: Any, attempt: str) -> str:
    """Our own name of it: from the report where it has one, else from the address."""
    if not callback.attempt or at(report, callback.attempt) is NOTHING:
        return attempt
    told = text_at(report, callback.attempt)
    stream, _, version = told.partition("-")
    if len(stream) != 32 or not set(stream) <= set("0123456789abcdef") or not _is_version(version):
        raise Malformed(f"{callback.attempt} must be what the request gave as {{attempt}}")
    return f"{stream}:{version}"


def _international(number: str) -> str:
    """E.164 of a number as providers of the mainland write it; any other as it came."""
    digits = number.removeprefix("+").removeprefix("00")
    if len(digits) == NATIONAL_DIGITS and digits.startswith("1") and digits == number:
        return CHINA + digits
    return f"+{digits}" if digits.isdecimal() else number


def _is_version(text: str) -> bool:
    return text.isascii() and text.isdecimal() and 0 < len(text) <= 9
