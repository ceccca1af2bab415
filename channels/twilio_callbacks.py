"""What Twilio calls back, and whether it was Twilio. Pure.

A call is checked before anything in it is believed. Twilio signs the address as it was given,
which is ours from the settings and never what a request says of itself; after it the fields of
a form in the order of their names, or the address alone where the body is JSON, whose hash is then
part of the address.

Reports say what became of an attempt, which stands in the address. They come in any order, twice,
or not at all; which of two counts is decided where they are journalled.
"""

import base64
import hmac
from collections.abc import Mapping
from hashlib import sha1, sha256
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import msgspec

from channels.base import Accepted, LateAnswer, Prospect, Receipt, Reply
from channels.twilio_codes import reaches_nobody

SIGNATURE = "x-twilio-signature"
SETTINGS = "x-twilio-webhooks-signature-settings"
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"

_PORTS = {"https": 443, "http": 80}
_DIGESTS = {"HMAC_SHA1": sha1, "HMAC_SHA256": sha256}

Report = Receipt | LateAnswer


class Keys(msgspec.Struct, frozen=True):
    """``token`` is the account's; ``shared`` signs callbacks that name it in a header."""

    token: str
    shared: str = ""

    def __repr__(self) -> str:
        return "Keys()"


def fields_of(
    url: str, headers: Mapping[str, str], body: bytes, keys: Keys
) -> dict[str, str] | None:
    """The fields of a callback to ``url``; None when Twilio did not sign it so.

    ``headers`` have names in small letters. A field that is given twice has its last value.
    """
    key, algorithm = keys.token, "HMAC_SHA1"
    if settings := headers.get(SETTINGS):
        named = dict(part.strip().partition("=")[::2] for part in settings.split(","))
        key, algorithm = keys.shared, named.get("algorithm", "").upper()
    digest = _DIGESTS.get(algorithm)
    signature = headers.get(SIGNATURE, "").encode()
    if not key or digest is None or not signature:
        return None
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    signed: list[tuple[str, str]] = []
    if kind == FORM:
        try:
            signed = parse_qsl(body.decode(), keep_blank_values=True)
        except UnicodeDecodeError:
            return None
    elif not _hash_fits(url, body):
        return None
    said = "".join(name + value for name, value in sorted(set(signed)))
    for address in _spellings(url):
        mac = hmac.new(key.encode(), (address + said).encode(), digest).digest()
        if hmac.compare_digest(base64.b64encode(mac), signature):
            return dict(signed) if kind == FORM else _json_fields(body)
    return None


def _hash_fits(url: str, body: bytes) -> bool:
    told = parse_qs(urlsplit(url).query).get("bodySHA256", [""])[0]
    return hmac.compare_digest(sha256(body).hexdigest(), told.lower())


def _spellings(url: str) -> tuple[str, ...]:
    """The address with its port and without: Twilio signs either."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if ":" in host:
        host = f"[{host}]"
    port = parts.port or _PORTS.get(parts.scheme, 443)
    return (
        parts._replace(netloc=host).geturl(),
        parts._replace(netloc=f"{host}:{port}").geturl(),
    )


def _json_fields(body: bytes) -> dict[str, str]:
    """The fields of a signed body. One that is no object has none."""
    try:
        fields = msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError:
        return {}
    return {name: str(value) for name, value in fields.items() if value is not None}


# Text messages ----------------------------------------------------------------------------------


def sms_report(
    lane: str, attempt: str, sid: str, status: str, code: str, now_ms: int
) -> Receipt | None:
    """The report that a message's status is; None for one that is not final."""
    match status:
        case "delivered" | "read":
            return Receipt(lane, sid, "delivered", status, now_ms, attempt)
        case "undelivered" | "failed" | "canceled":
            then: Prospect = "never" if reaches_nobody(code) else ""
            return Receipt(lane, sid, "undelivered", code or status, now_ms, attempt, then=then)
        case _:
            return None


def read_sms(lane: str, attempt: str, fields: Mapping[str, str], now_ms: int) -> Report | None:
    """What a callback about a text message says; None when it says nothing of it.

    That it is on its way proves that it was taken, under the name it is called by."""
    sid = fields.get("MessageSid", "")
    status = fields.get("MessageStatus", "")
    if not sid or not status:
        return None
    report = sms_report(lane, attempt, sid, status, fields.get("ErrorCode", ""), now_ms)
    return report or LateAnswer(lane, attempt, Accepted(sid))


def read_reply(lane: str, fields: Mapping[str, str], now_ms: int) -> Reply | None:
    """What somebody wrote to our number; None when the callback says nothing of it. Twilio's own
    name of the message is the reply's: a callback that is repeated is one reply."""
    sid, source = fields.get("MessageSid", ""), fields.get("From", "")
    if not sid or not source:
        return None
    return Reply(lane, source, fields.get("To", ""), fields.get("Body", ""), now_ms, ref=sid)


# Calls ------------------------------------------------------------------------------------------

NO_SUCH_NUMBER = frozenset({"404", "484", "604"})
"""SIP's words for a number that does not exist, or is not whole (RFC 3261, section 21)."""

MACHINES = ("machine", "fax")


def call_report(
    lane: str,
    attempt: str,
    sid: str,
    status: str,
    answered_by: str,
    sip_code: str,
    now_ms: int,
) -> Receipt | None:
    """The report that a call's status is; None where it is not over, or proves nothing.

    Heard by a person is delivered; by a machine it is not, and may be tried again, as where it rang
    in vain. Where nobody could tell who answered, nothing is said: only a key would prove it.
    """

    def undelivered(code: str, then: Prospect) -> Receipt:
        return Receipt(lane, sid, "undelivered", code, now_ms, attempt, then=then)

    match status:
        case "busy" | "no-answer":
            return undelivered(status, "again")
        case "failed":
            return undelivered(
                f"failed {sip_code}".strip(), "never" if sip_code in NO_SUCH_NUMBER else ""
            )
        case "canceled":
            return undelivered(status, "")
        case "completed" if answered_by.startswith(MACHINES):
            return undelivered(answered_by, "again")
        case "completed" if answered_by == "human":
            return Receipt(lane, sid, "delivered", "human", now_ms, attempt)
        case _:
            return None


def read_call(lane: str, attempt: str, fields: Mapping[str, str], now_ms: int) -> Report | None:
    """What a callback about a call says; None when it says nothing of it."""
    sid = fields.get("CallSid", "")
    status = fields.get("CallStatus", "")
    if not sid or not status:
        return None
    report = call_report(
        lane, attempt, sid, status, fields.get("AnsweredBy", ""),
        fields.get("SipResponseCode", ""), now_ms,
    )  # fmt: skip
    return report or LateAnswer(lane, attempt, Accepted(sid))
