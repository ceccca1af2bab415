"""The same words under another event id: upstream reported once more what was told already.

The archive finds an event that comes again under its own id. This finds the one that was given a
new id: same type, subject and data, for a case whose notification is out or under way.
"""

from collections.abc import Mapping, Sequence

from streams.core.events import Head
from streams.core.lifecycle import NOT_SENT
from streams.journal.base import Row
from streams.pipeline.river import River, state_of

_Name = tuple[str, str, str, str]


class Told:
    """What was told of which case, by the digest of the event that said it."""

    def __init__(self) -> None:
        self._events: dict[tuple[_Name, bytes], bytes] = {}

    def add(self, head: Head, digest: bytes) -> None:
        """``head``'s event said this; the first to say it counts."""
        self._events.setdefault((_name(head), digest), head.event)

    def before(self, head: Head, digest: bytes) -> str:
        """The other event that said the same before, in hex; empty when there is none."""
        event = self._events.get((_name(head), digest), head.event)
        return "" if event == head.event else event.hex()


async def told_before(river: River, histories: Mapping[bytes, Sequence[Row]]) -> Told:
    """What these legs, found under the cases of a batch, have told or are about to tell. One that
    was never sent tells nothing, and its repetition is another chance."""
    states = (state_of(rows) for rows in histories.values())
    heads = [s.head for s in states if s.head is not None and s.status not in NOT_SENT]
    told = Told()
    if heads:
        archived = await river.journal.archived(sorted({head.event for head in heads}))
        for head in heads:
            if (row := archived.get(head.event)) is not None:
                told.add(head, row.digest)
    return told


def _name(head: Head) -> _Name:
    return head.notice, head.recipient, head.occasion, head.leg
