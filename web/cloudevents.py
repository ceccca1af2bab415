"""CloudEvents over HTTP: the three content modes, brought into the one form the hub reads. Pure.

The hub reads structured JSON. A request carries one event so (``application/cloudevents+json``), an
array of them (``application/cloudevents-batch+json``), or the data alone with the rest in ``ce-``
headers (*binary*). ``application/json`` without such headers is taken by its shape.
"""

from collections.abc import Mapping, Sequence
from typing import Literal
from urllib.parse import unquote

import msgspec

from streams.core.codec import Refusal

CONTENT_TYPES = (
    "application/cloudevents+json, application/cloudevents-batch+json or application/json, in UTF-8"
)

BATCH_MAX = 10_000
"""Events in one request: a second or two of work, and less than a key may bring at once."""

_PREFIX = "ce-"
_read_batch = msgspec.json.Decoder(list[msgspec.Raw]).decode
_read_any = msgspec.json.Decoder(msgspec.Raw).decode


Mode = Literal["structured", "batch", "binary", "by_shape"]


def mode_of(content_type: str, headers: Mapping[str, str]) -> Mode | None:
    """How a request carries its events; None when its content type is none of ours."""
    kind, _, parameters = content_type.partition(";")
    if not _is_utf8(parameters):
        return None
    match kind.strip().lower():
        case "application/cloudevents+json":
            return "structured"
        case "application/cloudevents-batch+json":
            return "batch"
        case "application/json":
            return "binary" if any(name.startswith(_PREFIX) for name in headers) else "by_shape"
        case _:
            return None


def unpack(mode: Mode, headers: Mapping[str, str], body: bytes) -> Sequence[bytes] | Refusal:
    """The structured events that a request carries."""
    if mode == "binary":
        return _binary(headers, body)
    if mode == "batch" or (mode == "by_shape" and body.lstrip()[:1] == b"["):
        return _batch(body)
    return [body]


def _is_utf8(parameters: str) -> bool:
    name, _, value = parameters.strip().lower().partition("=")
    return name != "charset" or value.strip('" ') in ("utf-8", "us-ascii")


def _batch(body: bytes) -> Sequence[bytes] | Refusal:
    try:
        events = _read_batch(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Refusal("event", "a JSON array of events", str(error))
    if not 0 < len(events) <= BATCH_MAX:
        return Refusal("event", f"1 to {BATCH_MAX} events in a batch", str(len(events)))
    return [bytes(event) for event in events]


def _binary(headers: Mapping[str, str], body: bytes) -> Sequence[bytes] | Refusal:
    """Attributes from headers, percent-encoded where they are not plain ASCII."""
    try:
        data = _read_any(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Refusal("data", "well-formed JSON", str(error))
    attributes = {
        name.removeprefix(_PREFIX): unquote(value)
        for name, value in headers.items()
        if name.startswith(_PREFIX)
    }
    return [msgspec.json.encode({**attributes, "data": data})]
