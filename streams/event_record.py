"""An event on its topic, as this hub's own door writes it: sealed, with what was read in it.

Reading and checking an event costs more than opening a seal. Who can seal is a hub of this
installation, so what it read under the very rules in force here need not be read again. Under
other rules, and from anybody else, only the event's own bytes count.
"""

from hashlib import blake2b
from typing import NamedTuple

import msgspec

from preferences.vault import SubjectKey
from streams.core.notices import Upstream
from streams.door import RULES, Incoming
from templates.catalog_files import Catalog

_AAD = b"events"


class _Read(NamedTuple):
    """``rules`` names what the event was checked by."""

    rules: bytes
    event: Upstream
    digest: bytes
    raw: bytes
    source: str
    event_id: str


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Read).decode


def rules_of(catalog: Catalog, hosts: frozenset[str]) -> bytes:
    """Names everything an event is checked by: the door's own rules, the declared types, whom
    their notices tell, the hosts that links may lead to."""
    told = [(notice.triggers, notice.when, notice.to) for notice in catalog.notices.values()]
    rules = (RULES, sorted(hosts), catalog.event_types, told)
    said = msgspec.json.encode(rules, order="deterministic")
    return blake2b(said, digest_size=16).digest()


def seal_event(key: SubjectKey, one: Incoming, rules: bytes) -> bytes:
    """The value of a record. What an event says about its recipient is left to be read again."""
    if one.said is not None or not rules:
        return key.seal(one.raw, _AAD)
    read = _Read(rules, one.event, one.digest, one.raw, one.source, one.event_id)
    return key.seal(_encode(read), _AAD)


def open_event(key: SubjectKey, value: bytes, rules: bytes) -> tuple[bytes, Incoming | None]:
    """The event's own bytes, and what was read in them if that holds here.

    Raises:
        SealBroken: no hub of this installation wrote this.
    """
    plain = key.open(value, _AAD)
    if plain[:1] == b"{":
        return plain, None
    read = _decode(plain)
    if read.rules != rules:
        return read.raw, None
    return read.raw, Incoming(read.event, read.digest, read.raw, read.source, read.event_id, None)
