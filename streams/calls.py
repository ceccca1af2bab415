"""A call that is going on: what is said in it, and what a pressed key does."""

from typing import NamedTuple

from streams.core.lifecycle import State
from streams.pipeline.river import River, open_content, state_of


class Said(NamedTuple):
    """To whom, and in which words."""

    recipient: str
    text: str


async def said(river: River, stream: bytes, attempt: int) -> Said | None:
    """What this attempt says; None for one that the journal does not have, or an erased person."""
    rows = (await river.journal.read([stream])).get(stream, [])
    state: State = state_of([row for row in rows if row.version <= attempt])
    if state.head is None or state.route is None or state.attempt != attempt:
        return None
    known = (await river.people.keys([state.head.recipient])).get(state.head.recipient)
    if known is None:
        return None
    return Said(known.ref, open_content(known.key, state.route.sealed, stream).text)
