"""Every routing policy that ever was in force, as the journal holds them."""

from collections.abc import Mapping

from streams.core import codec
from streams.core.events import PolicyPublished
from streams.core.identity import Index
from streams.core.policy import DEFAULT, Policy, load
from streams.journal.base import Reader


def published(reader: Reader, index: Index) -> Mapping[int, Policy]:
    """By version, with the one a hub begins with."""
    key = (index.kind("policy"), b"")
    streams = reader.lookup([key]).get(key, [])
    known = {DEFAULT.version: DEFAULT}
    for rows in reader.read(streams).values():
        for row in rows:
            event = codec.decode(row.type, row.data)
            if isinstance(event, PolicyPublished):
                known[event.policy] = load(event.text.encode())
    return known
