"""What a lanes file says of a provider that takes HTTPS requests: the table ``[lane.http]``. Pure.

A provider is described, not programmed: what a request looks like and how it is signed, what its
answers mean, and what it calls back. Secrets are named here and are elsewhere.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal
from urllib.parse import quote, urlsplit

import msgspec
from msgspec import Meta

from channels.carrier_verdicts import Verdict
from channels.http_template import unknown_of
from channels.json_pointer import is_pointer

MESSAGE = frozenset(
    ("to", "to_digits", "to_national", "text", "subject", "sender", "attempt", "callback")
)
CALL = frozenset(("time_s", "time_ms", "time_iso", "valid_s", "nonce"))
NUMBERS = {f"{{{name}|number}}": name for name in ("time_s", "time_ms", "valid_s")}
"""Values that a JSON body may hold as numbers, and how such a field is written."""

WRITTEN = frozenset(("host", "path", "body", "body_sha256"))
"""What there is to sign once a request or a callback is written."""

SAID = frozenset(("text", "subject"))
"""What must not get into an address: it is personal, and addresses are logged on the way."""

IN_HEADERS = frozenset(("attempt", "callback"))
"""What we make ourselves, and so is no line break."""

HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
"""RFC 9110, section 5.6.2."""

OURS = frozenset(("host", "content-length", "transfer-encoding", "connection"))
"""Headers that say where a request goes and where it ends."""

LOOPBACK = frozenset(("127.0.0.1", "localhost", "::1"))

PLACE = re.compile(r"(header|query):[A-Za-z0-9_-]+")
"""Where a callback carries what proves it, before its body is read."""

OTHERS = "*"
"""In a table of words: every one that is not there."""

AnswerVerdict = Literal[Verdict, "accepted", "unknown"]
"""``unknown``: it may have been taken."""

ReportVerdict = Literal[
    "delivered", "undelivered", "expired", "rejected", "read", "accepted", "nothing"
]
"""``accepted``: it is on its way; ``nothing``: not of interest."""

KeyVerdict = Literal["acknowledged", "stop", "nothing"]

Encoding = Literal["hex", "base64"]

Words = dict[str, str]


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of the description."""


class Sign(_Part, frozen=True):
    """How a request is signed (``[lane.http.sign]``): ``{signature}`` is HMAC-SHA256 over parts."""

    key: Annotated[str, Meta(description="Name of the secret that signs.")]
    parts: Annotated[
        tuple[str, ...],
        Meta(min_length=1, description="What is signed, in this order, with placeholders."),
    ]
    join: Annotated[str, Meta(description="What stands between the parts.")] = "\n"
    encoding: Annotated[Encoding, Meta(description="How the signature is written.")] = "hex"


class Answer(_Part, frozen=True):
    """How an answer is read (``[lane.http.answer]``)."""

    ref: Annotated[
        str,
        Meta(
            description="JSON pointer to the provider's own id of the message; empty: it has none, "
            "and reports name the attempt."
        ),
    ] = ""
    code: Annotated[
        tuple[str, ...],
        Meta(
            description="JSON pointers to its code: the first that is there counts. None: the HTTP "
            "status says all."
        ),
    ] = ()
    codes: Annotated[
        dict[str, AnswerVerdict],
        Meta(description='What codes mean, as `"0" = "accepted"`.'),
    ] = msgspec.field(default_factory=dict)
    statuses: Annotated[
        dict[str, AnswerVerdict],
        Meta(description="What HTTP statuses mean, where no listed code came with one."),
    ] = msgspec.field(default_factory=dict)


class Check(_Part, frozen=True):
    """How a callback proves where it is from (``[lane.http.callback.check]``). Nothing else in it
    is read before."""

    key: Annotated[str, Meta(description="Name of the secret that both sides know.")]
    given: Annotated[
        str,
        Meta(
            pattern=f"^{PLACE.pattern}$",
            description="Where the proof stands: `header:NAME` or `query:NAME`.",
        ),
    ]
    parts: Annotated[
        tuple[str, ...],
        Meta(
            description="What HMAC-SHA256 signs, with placeholders. None: the secret itself is "
            "given."
        ),
    ] = ()
    join: Annotated[str, Meta(description="What stands between the parts.")] = "\n"
    encoding: Annotated[Encoding, Meta(description="How the signature is written.")] = "hex"
    time: Annotated[
        str,
        Meta(
            pattern=f"^({PLACE.pattern})?$",
            description="Where the callback's time stands, in seconds or ms; empty: it has none.",
        ),
    ] = ""
    age_max_s: Annotated[
        int, Meta(ge=1, le=86_400, description="How old it may be, where it has a time.")
    ] = 300


class Callback(_Part, frozen=True):
    """What the provider calls back (``[lane.http.callback]``). A pointer that is empty points at
    nothing."""

    check: Annotated[Check, Meta(description="How it proves where it is from, below.")]
    body: Annotated[
        Literal["json", "form"], Meta(description="What it is written in.")
    ] = "json"  # fmt: skip
    reports: Annotated[
        str, Meta(description="JSON pointer to the list of reports; empty: it is one report.")
    ] = ""
    attempt: Annotated[
        str,
        Meta(description="Pointer, in a report, to what the request gave as `{attempt}`."),
    ] = ""
    ref: Annotated[str, Meta(description="Pointer to the provider's id of the message.")] = ""
    status: Annotated[str, Meta(description="Pointer to what became of it.")] = ""
    statuses: Annotated[
        dict[str, ReportVerdict],
        Meta(description='What these mean, as `DELIVRD = "delivered"`; `"*"` is any other.'),
    ] = msgspec.field(default_factory=dict)
    code: Annotated[
        str, Meta(description="Pointer to the reason; empty: the status is the reason.")
    ] = ""
    never: Annotated[
        tuple[str, ...], Meta(description="Reasons after which the number is not used again.")
    ] = ()
    again: Annotated[
        tuple[str, ...], Meta(description="Reasons to try the same number once more, by the plan.")
    ] = ()
    digit: Annotated[str, Meta(description="In calls: pointer to the key that was pressed.")] = ""
    digits: Annotated[
        dict[str, KeyVerdict],
        Meta(description="What keys mean: `acknowledged`, or `stop` for no more calls."),
    ] = msgspec.field(default_factory=lambda: {"1": "acknowledged", "0": "stop"})
    reply: Annotated[str, Meta(description="Pointer to the words of somebody's reply.")] = ""
    reply_from: Annotated[str, Meta(description="Pointer to the number that replied.")] = ""
    reply_to: Annotated[str, Meta(description="Pointer to the number it was written to.")] = ""
    answer: Annotated[
        str, Meta(description="What the provider wants to be answered with; empty: 204.")
    ] = ""


class Http(_Part, frozen=True):
    """An account at a provider of HTTPS requests. Every request is a POST."""

    url: Annotated[
        str,
        Meta(description="Where requests go; may hold `{secret:NAME}`. https, but on loopback."),
    ]
    fields: Annotated[
        dict[str, Any],
        Meta(min_length=1, description="The body's fields, with placeholders."),
    ]
    answer: Annotated[Answer, Meta(description="How answers are read, below.")]
    body: Annotated[
        Literal["json", "form"], Meta(description="How the fields are written.")
    ] = "json"  # fmt: skip
    headers: Annotated[Words, Meta(description="Headers, with placeholders.")] = msgspec.field(
        default_factory=dict
    )
    query: Annotated[Words, Meta(description="Query of the address, with placeholders.")] = (
        msgspec.field(default_factory=dict)
    )
    secrets: Annotated[
        Words,
        Meta(
            description="Secrets by name, each the environment variable that holds it, or whose "
            "`…_FILE` names its file."
        ),
    ] = msgspec.field(default_factory=dict)
    sign: Annotated[
        Sign | None, Meta(description="How requests are signed, below; none: not at all.")
    ] = None
    callback: Annotated[
        Callback | None, Meta(description="What is called back, below; none: nothing.")
    ] = None
    connections: Annotated[
        int, Meta(ge=1, le=256, description="Requests at a time, of each process that sends.")
    ] = 8
    connect_ms: Annotated[
        int, Meta(ge=100, le=60_000, description="How long a connection may take to be made.")
    ] = 5_000
    answer_ms: Annotated[
        int,
        Meta(
            ge=100, le=60_000,
            description="Without its whole answer for so long a request's fate is unknown.",
        ),
    ] = 10_000  # fmt: skip
    valid_max_s: Annotated[
        int,
        Meta(ge=1, le=604_800, description="The most that `{valid_s}` says, and where no end is."),
    ] = 86_400
    tls_ca: Annotated[
        str,
        Meta(description="File of the authority that vouches for it; empty: the system's own."),
    ] = ""

    def environment(self) -> tuple[str, ...]:
        """The variables that hold its secrets."""
        return tuple(self.secrets.values())


def callback_path(lane: str, attempt: str, token: str) -> str:
    """The path of the address that a provider calls back about one attempt."""
    stream, _, version = attempt.partition(":")
    return "/callbacks/http/" + "/".join(
        quote(part, safe="") for part in (lane, stream, version, token)
    )


def asks_callback(http: Http) -> bool:
    """Whether each request says where its own report is to go."""
    return any("{callback" in text for text in _texts(http))


def leaves(fields: Any) -> Iterator[str]:
    """The texts in a body's fields, however deep."""
    if isinstance(fields, str):
        yield fields
    elif isinstance(fields, Mapping):
        for value in fields.values():
            yield from leaves(value)
    elif isinstance(fields, list):
        for value in fields:
            yield from leaves(value)


# What is wrong ----------------------------------------------------------------------------------

_SECRET_NAME = re.compile(r"[a-z][a-z0-9_-]*")
_VARIABLE = re.compile(r"(?!HUB_)[A-Za-z_][A-Za-z0-9_]*")


def fault_of(http: Http) -> str:
    """What is wrong with a description that each field by itself does not show, naming the field;
    "" when nothing is."""
    for fault in (*_faults_of_request(http), *_faults_of_answer(http.answer)):
        if fault:
            return f"http.{fault}"
    if http.callback is None:
        return (
            "http.callback is missing, but {callback} is asked for" if asks_callback(http) else ""
        )
    for fault in _faults_of_callback(http, http.callback):
        if fault:
            return f"http.callback.{fault}"
    return ""


def _faults_of_request(http: Http) -> Iterator[str]:
    yield _fault_of_url(http.url)
    yield from _faults_of_secrets(http)
    secrets = _secrets(http)
    signed = frozenset(("signature",)) if http.sign else frozenset[str]()
    plain = (MESSAGE - SAID) | CALL | secrets | signed
    yield _named("url", unknown_of([http.url], secrets))
    for name, text in http.headers.items():
        if not HEADER.fullmatch(name) or name.lower() in OURS:
            yield f"headers: {name!r} is no header to be given"
        if not text.isprintable():
            yield f"headers.{name} must be one line"
    yield _named("headers", unknown_of(http.headers.values(), plain - MESSAGE | IN_HEADERS))
    yield _named("query", unknown_of(http.query.values(), plain))
    yield _named("fields", _fault_of_fields(http, MESSAGE | CALL | secrets | signed))
    if http.sign is None:
        return
    if http.sign.key not in http.secrets:
        yield f"sign.key: there is no secret {http.sign.key!r} in secrets"
    if not any("{signature" in text for text in _texts(http)):
        yield "sign: {signature} stands nowhere in headers, query or fields"
    known = MESSAGE | CALL | WRITTEN | secrets
    if any("{signature" in text for text in leaves(http.fields)):
        known -= {"body", "body_sha256"}  # it cannot sign what it is part of
    yield _named("sign.parts", unknown_of(http.sign.parts, known))


def _fault_of_url(url: str) -> str:
    try:
        address = urlsplit(url)
        host = address.hostname or ""
        _ = address.port
    except ValueError:
        return f"url: {url!r} is no address"
    if "{" in address.netloc or not host or address.username is not None:
        return "url must name a host, without user and without placeholders"
    if address.scheme != "https" and not (address.scheme == "http" and host in LOOPBACK):
        return "url must begin with https://; http:// is for loopback only"
    return "url must hold no query and no fragment" if address.query or address.fragment else ""


def _faults_of_secrets(http: Http) -> Iterator[str]:
    for name, variable in http.secrets.items():
        if not _SECRET_NAME.fullmatch(name):
            yield f"secrets: {name!r} must be small letters, digits, - and _"
        if not _VARIABLE.fullmatch(variable):
            yield f"secrets.{name} must be a variable of the environment, not one of the hub's own"


def _fault_of_fields(http: Http, known: frozenset[str]) -> str:
    if http.body == "form" and not all(isinstance(value, str) for value in http.fields.values()):
        return "every field of a form must be a text"
    texts = [text for text in leaves(http.fields) if http.body == "form" or text not in NUMBERS]
    return unknown_of(texts, known)


def _faults_of_answer(answer: Answer) -> Iterator[str]:
    for pointer in (answer.ref, *answer.code):
        if not is_pointer(pointer):
            yield f"answer: {pointer!r} is no pointer like /data/id"
    if answer.codes and not answer.code:
        yield "answer.codes is given, but answer.code does not say where a code stands"
    if answer.code and "accepted" not in (*answer.codes.values(), *answer.statuses.values()):
        yield "answer.codes must say which code means accepted"
    for status in answer.statuses:
        if not re.fullmatch("[1-5][0-9]{2}", status):
            yield f"answer.statuses: {status!r} is no HTTP status"


def _faults_of_callback(http: Http, callback: Callback) -> Iterator[str]:
    pointers = {
        name: getattr(callback, name)
        for name in ("attempt", "ref", "status", "code", "digit", "reply", "reply_from", "reply_to")
    }
    for name, pointer in {**pointers, "reports": callback.reports}.items():
        if not is_pointer(pointer):
            yield f"{name}: {pointer!r} is no pointer like /data/id"
    named = callback.attempt or asks_callback(http)
    if not named and not callback.ref:
        yield "ref or attempt must say which message it is about, or a request give {callback}"
    if "accepted" in callback.statuses.values() and bool(callback.ref) != bool(http.answer.ref):
        yield "ref must point at the id that answer.ref points at, to tell what was accepted"
    if callback.status and not callback.statuses:
        yield "statuses must say what the words at status mean"
    if not (callback.status or callback.digit or callback.reply):
        yield "status must point at what became of a message"
    if callback.digit and not named:
        yield "digit needs attempt, or a request that gives {callback}"
    if callback.reply and not callback.reply_from:
        yield "reply_from must say who replied"
    check = callback.check
    if check.key not in http.secrets:
        yield f"check.key: there is no secret {check.key!r} in the lane's secrets"
    known = WRITTEN | _secrets(http)
    yield _named("check.parts", unknown_of(check.parts, known, ("header:", "query:")))
    if check.time and not any(f"{{{check.time}" in part for part in check.parts):
        yield "check.time must stand in check.parts: what is not signed proves nothing"


def _secrets(http: Http) -> frozenset[str]:
    return frozenset(f"secret:{name}" for name in http.secrets)


def _texts(http: Http) -> Iterator[str]:
    """All of a request that has placeholders, but its address."""
    yield from http.headers.values()
    yield from http.query.values()
    yield from leaves(http.fields)


def _named(field: str, fault: str) -> str:
    return f"{field}: {fault}" if fault else ""
