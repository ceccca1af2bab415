"""Bytes to events and back. Pure.

Upstream: CloudEvents 1.0 JSON, closed; what cannot be read is a :class:`Refusal` that names the
field and what was expected. Journal: the ``type`` column names struct and schema version; older
versions pass through pure upcasters, one step at a time, so every row ever written still folds.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple, TypeVar, get_args

import msgspec

from streams.core.events import Base, Event, JournalEvent
from templates.misread import misread

MAX_EVENT_BYTES = 256 * 1024
"""A case event is a few hundred bytes; more is a mistake or an attack, and is refused unread."""

MAX_ID_CHARS = 256
"""Ids, sources and subjects become part of every key; CloudEvents consumers must take 64 KB of
context in all, and no upstream needs names longer than a line."""


class Refusal(NamedTuple):
    """Why bytes were not accepted: the field, what was expected, what was there."""

    field: str
    expected: str
    got: str = ""

    def __str__(self) -> str:
        got = f", got {self.got}" if self.got else ""
        return f"{self.field}: expected {self.expected}{got}"


class Decoded(NamedTuple):
    """An upstream event with its time as ms, and the bytes it came in."""

    event: Event
    at_ms: int
    raw: bytes


_envelope = msgspec.json.Decoder(Event)
_encoder = msgspec.json.Encoder()
_any = msgspec.json.Decoder()


def decode_event(raw: bytes) -> Decoded | Refusal:
    """Read one structured CloudEvent."""
    if len(raw) > MAX_EVENT_BYTES:
        return Refusal("event", f"at most {MAX_EVENT_BYTES} bytes", f"{len(raw)} bytes")
    try:
        event = _envelope.decode(raw)
    except msgspec.ValidationError as error:
        return refusal(str(error), shape=Event)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Refusal("event", "well-formed JSON", str(error))
    except RecursionError:
        return Refusal("event", "JSON that is not nested so deeply")
    for field in ("id", "source", "type"):
        value: str = getattr(event, field)
        if not 0 < len(value) <= MAX_ID_CHARS:
            return Refusal(field, f"1 to {MAX_ID_CHARS} characters", f"{len(value)}")
        if not value.isprintable():
            return Refusal(field, "printable characters")
    for field in ("subject", "region"):
        value = getattr(event, field)
        if len(value) > MAX_ID_CHARS:
            return Refusal(field, f"at most {MAX_ID_CHARS} characters", f"{len(value)}")
    if not event.region.isprintable():
        return Refusal("region", "printable characters")
    at_ms = parse_time(event.time)
    if at_ms is None:
        return Refusal(
            "time",
            "an RFC 3339 time with zone, as 2026-01-31T09:00:00+08:00",
            repr(event.time[:40]),
        )
    return Decoded(event, at_ms, raw)


class _Named(msgspec.Struct):
    source: str = ""
    id: str = ""


_named = msgspec.json.Decoder(_Named)


def named(raw: bytes) -> tuple[str, str]:
    """Source and id of an event that was refused, as far as it has any; ("", "") else."""
    try:
        event = _named.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "", ""
    whole = event.source and event.id and (event.source + event.id).isprintable()
    if whole and max(len(event.source), len(event.id)) <= MAX_ID_CHARS:
        return event.source, event.id
    return "", ""


def encode_event(event: Event) -> bytes:
    """The structured form, as the topics carry it."""
    return _encoder.encode(event)


def event_words(event: Event) -> bytes:
    """What makes a second event the same as the first: everything it says but when it was sent,
    for a retry may be stamped anew."""
    parts = (event.type.encode(), event.subject.encode(), event.region.encode(), bytes(event.data))
    return b"".join([len(part).to_bytes(4, "big") + part for part in parts])


def parse_time(text: str) -> int | None:
    """RFC 3339 with a zone to ms since 1970; None when it is neither."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        return None
    return round(moment.timestamp() * 1000)


def data_of(event: Event) -> dict[str, Any] | Refusal:
    """The event's data as a plain object."""
    try:
        data = _any.decode(event.data)
    except msgspec.DecodeError as error:
        return Refusal("data", "a JSON object", str(error))
    if not isinstance(data, dict):
        return Refusal("data", "a JSON object", "another value")
    return data


def refusal(message: str, where: str = "", shape: Any = None) -> Refusal:
    """A decoder's sentence by field, as :func:`templates.misread.misread` understands it."""
    field, expected, got = misread(message, where, shape)
    return Refusal(field or "event", expected, got)


# The journal ------------------------------------------------------------------------------------

J = TypeVar("J", bound=Base)

TYPES: dict[str, type[Base]] = {t.__name__: t for t in get_args(JournalEvent)}


def _unchanged(plain: dict[str, Any]) -> dict[str, Any]:
    """What came with the next version may be left out."""
    return plain


UPCASTERS: dict[tuple[str, int], Callable[[dict[str, Any]], dict[str, Any]]] = {
    # how lanes share the work, and why others were left out
    **{(name, 1): _unchanged for name in ("Routed", "Held", "Suppressed", "Released", "Escalated")},
    ("Accepted", 1): _unchanged,  # what it cost
}
"""(name, schema version) -> the plain data one version later. Never removed: a test keeps a golden
row of every version ever written."""

_names: dict[type[Base], str] = {t: f"{name}.{t.SCHEMA}" for name, t in TYPES.items()}
_decoders: dict[str, msgspec.json.Decoder[Any]] = {
    _names[t]: msgspec.json.Decoder(t) for t in TYPES.values()
}


class UnknownSchemaError(ValueError):
    """A journal row of a type or version this program does not know."""


def type_name(kind: type[Base]) -> str:
    """What the journal's type column holds for this event."""
    return _names[kind]


def encode(event: Base) -> tuple[str, bytes]:
    """(type column, data column)."""
    return _names[type(event)], _encoder.encode(event)


def decode(type_column: str, data: bytes) -> JournalEvent:
    """A journal row's event, upcast to today's schema."""
    decoder = _decoders.get(type_column)
    if decoder is not None:
        return decoder.decode(data)  # type: ignore[no-any-return]  # Decoder[Any] by table
    name, _, version = type_column.rpartition(".")
    kind = TYPES.get(name)
    if kind is None or not version.isdecimal() or not 1 <= int(version) <= kind.SCHEMA:
        raise UnknownSchemaError(type_column)
    plain = _any.decode(data)
    for step in range(int(version), kind.SCHEMA):
        upcaster = UPCASTERS.get((name, step))
        if upcaster is None:
            raise UnknownSchemaError(type_column)
        plain = upcaster(plain)
    return msgspec.convert(plain, kind)  # type: ignore[return-value]  # kind is of the union
