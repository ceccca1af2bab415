"""What cannot be understood is kept, sealed, where operators see it."""

from streams.core import events as e
from streams.core.codec import Refusal, named
from streams.core.identity import named_stream
from streams.door import Incoming
from streams.journal.base import Unit
from streams.pipeline.river import River, entry, found_by_kind

QUARANTINE = "quarantine"


def quarantined(
    river: River,
    raw: bytes,
    where: str,
    refusal: Refusal,
    read: Incoming | None = None,
    name: bytes = b"",
) -> Unit:
    """The unit that keeps what was refused, with its original bytes sealed. Once: what comes again
    under its ``name`` (left out: its bytes) is there already."""
    stream = named_stream(QUARANTINE, where, name or raw)
    source, event_id = (read.source, read.event_id) if read else named(raw)
    event = e.Quarantined(
        where=where,
        field=refusal.field,
        expected=refusal.expected,
        sealed=river.hub_key.seal(raw, stream),
        source=source,
        event_id=event_id,
    )
    return Unit((entry(stream, 1, event),), (found_by_kind(river, QUARANTINE, stream),))
