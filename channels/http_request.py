"""A message as the request that its lane's description makes of it. Pure."""

import base64
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import blake2b, sha256
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

import msgspec

from channels.base import Message
from channels.http_account import NUMBERS, Encoding, Http, Sign, callback_path, leaves
from channels.http_template import Template

CHINA = "+86"

TOKEN_LETTERS = 32
"""Of the HMAC in an address that is called back: 128 bits."""

CONTENT_TYPES = {
    "json": "application/json; charset=utf-8",
    "form": "application/x-www-form-urlencoded; charset=utf-8",
}

Secrets = Mapping[str, str]
"""By the name that the lane gives them."""


class Written(NamedTuple):
    """A request; always a POST."""

    url: str
    headers: dict[str, str]
    body: bytes


class Writer:
    """Writes the requests of one lane. ``public_url`` is where its provider reaches our pages."""

    def __init__(self, lane: str, http: Http, secrets: Secrets, public_url: str) -> None:
        self._lane = lane
        self._http = http
        self._secrets = {f"secret:{name}": secret for name, secret in secrets.items()}
        self._public_url = public_url.rstrip("/")
        self._callback_key = secrets[http.callback.check.key] if http.callback else ""
        encoded = {f"secret:{name}": urlquoted(secret) for name, secret in secrets.items()}
        self._url = Template(http.url).fill(encoded)
        address = urlsplit(self._url)
        self._fixed = {"host": address.netloc, "path": address.path or "/", **self._secrets}
        self._headers = [(name, Template(text)) for name, text in http.headers.items()]
        own = {name.lower() for name in http.headers}
        self._usual = {} if "content-type" in own else {"Content-Type": CONTENT_TYPES[http.body]}
        self._query = [(name, Template(text)) for name, text in http.query.items()]
        self._fields = _compiled(http.fields, http.body)
        self._signature = Signature(http.sign, secrets) if http.sign else None
        self._signed_inside = any("{signature" in text for text in leaves(http.fields))

    def write(self, message: Message, now_ms: int) -> Written:
        """The request for a message that is handed over now."""
        values = self._values(message, now_ms)
        if self._signature is not None and self._signed_inside:
            values["signature"] = self._signature.of(values)
        body = self._body(values)
        if self._signature is not None and not self._signed_inside:
            values["body"], values["body_sha256"] = body, sha256(body.encode()).hexdigest()
            values["signature"] = self._signature.of(values)
        headers = dict(self._usual)
        headers |= {name: template.fill(values) for name, template in self._headers}
        url = self._url
        if self._query:
            url += "?" + urlencode([(name, t.fill(values)) for name, t in self._query])
        return Written(url, headers, body.encode())

    def _values(self, message: Message, now_ms: int) -> dict[str, str]:
        to, attempt = message.to, message.attempt
        values = dict(self._fixed)
        values["to"] = to
        values["to_digits"] = to.removeprefix("+")
        values["to_national"] = to.removeprefix(CHINA).removeprefix("+")
        values["text"] = message.text
        values["subject"] = message.subject
        values["sender"] = message.sender
        values["attempt"] = attempt.replace(":", "-")
        values["time_s"] = str(now_ms // 1_000)
        values["time_ms"] = str(now_ms)
        values["time_iso"] = f"{datetime.fromtimestamp(now_ms // 1_000, UTC):%Y-%m-%dT%H:%M:%SZ}"
        values["valid_s"] = str(self._valid_s(message.expiry_ms, now_ms))
        values["nonce"] = blake2b(f"{attempt} {now_ms}".encode(), digest_size=16).hexdigest()
        if self._callback_key:
            token = token_of(self._callback_key, self._lane, attempt)
            values["callback"] = self._public_url + callback_path(self._lane, attempt, token)
        return values

    def _valid_s(self, expiry_ms: int, now_ms: int) -> int:
        most = self._http.valid_max_s
        return min(max((expiry_ms - now_ms) // 1_000, 1), most) if expiry_ms else most

    def _body(self, values: Mapping[str, str]) -> str:
        filled = _filled(self._fields, values)
        if self._http.body == "form":
            return urlencode(filled)
        return msgspec.json.encode(filled).decode()


class Signature:
    """HMAC-SHA256 over what a lane declares, in its order."""

    def __init__(self, sign: Sign, secrets: Secrets) -> None:
        self._key = secrets[sign.key].encode()
        self._parts = [Template(part) for part in sign.parts]
        self._join = sign.join
        self._encoding: Encoding = sign.encoding

    def of(self, values: Mapping[str, str]) -> str:
        signed = self._join.join(part.fill(values) for part in self._parts)
        return encoded(hmac.new(self._key, signed.encode(), sha256).digest(), self._encoding)


def encoded(digest: bytes, encoding: Encoding) -> str:
    return digest.hex() if encoding == "hex" else base64.b64encode(digest).decode()


def token_of(key: str, lane: str, attempt: str) -> str:
    """Proves that an address was given by us for this attempt: a report that was signed for one
    cannot be brought to another's."""
    digest = hmac.new(key.encode(), f"callback {lane} {attempt}".encode(), sha256).hexdigest()
    return digest[:TOKEN_LETTERS]


def urlquoted(text: str) -> str:
    return Template("{it|url}").fill({"it": text})


class _Number(NamedTuple):
    name: str


def _compiled(fields: Any, body: str) -> Any:
    """The same fields with templates for texts."""
    if isinstance(fields, str):
        if body == "json" and fields in NUMBERS:
            return _Number(NUMBERS[fields])
        return Template(fields)
    if isinstance(fields, Mapping):
        return {name: _compiled(value, body) for name, value in fields.items()}
    if isinstance(fields, list):
        return [_compiled(value, body) for value in fields]
    return fields


def _filled(fields: Any, values: Mapping[str, str]) -> Any:
    match fields:
        case Template():
            return fields.fill(values)
        case _Number(name):
            return int(values[name])
        case dict():
            return {name: _filled(value, values) for name, value in fields.items()}
        case list():
            return [_filled(value, values) for value in fields]
        case _:
            return fields
