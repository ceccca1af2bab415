"""Erasing a person: the key goes, what is open ends, and the journal says who did it and why."""

from collections.abc import Sequence

from preferences.fault import Fault
from streams.core import events as e
from streams.journal.base import Group, Reader, Unit
from streams.pipeline.choosing import choices_stream
from streams.pipeline.river import River, entry
from streams.pipeline.stopping import cancelling, states_of

KNOWN = Fault("ref", "somebody who is known, and was not erased before")

BY = "the recipient's erasure"


async def erase(river: River, ref: str, by: str, reason: str) -> e.RecipientErased | Fault:
    """Destroy somebody's key and end what is open for them, in one transaction.

    Nothing sealed under the key can be read again: profile, choices, messages, events. What is
    with a carrier already stays there. ``ref`` may be an alias.
    """
    while (known := (await river.people.load([ref])).get(ref)) is not None:
        own, now_ms = known.ref, river.clock.now_ms()
        stream = choices_stream(own)
        rows = (await river.journal.read([stream])).get(stream)
        said = e.RecipientErased(recipient=own, by=by, reason=reason)
        written = entry(stream, rows[-1].version + 1 if rows else 1, said)
        unit = Unit((written,), effects=(river.people.erase(own, now_ms),))

        def look(reader: Reader, own: str = own) -> Sequence[Unit]:
            return _end_open(river, reader, own)

        if (await river.journal.append(Group([unit], look=look))).won[0]:
            return said
    return KNOWN


def _end_open(river: River, reader: Reader, ref: str) -> list[Unit]:
    """Cancel whatever of theirs is still open. Found after the key has gone, under the head's lock:
    what is routed afterwards sees that it has."""
    found = states_of(reader, [(river.index.recipient(ref), b"")])
    units = (cancelling(s, state, "erased", BY) for s, state in found.items())
    return [unit for unit in units if unit]
