"""What a citizen's new preferences do: one transaction that keeps them and sees to open legs."""

from functools import partial

import msgspec

from preferences.recipient import Preferences
from preferences.store import save_preferences
from streams.core import events as e
from streams.core.identity import named_stream
from streams.journal.base import Group, Unit
from streams.pipeline.river import River, entry
from streams.pipeline.stopping import redecide_open

Chosen = dict[tuple[bytes, int], Preferences]
"""What every version of every preferences stream holds."""


async def choose(river: River, ref: str, chosen: Preferences, said: Chosen) -> None:
    """Keep them; tried again when another choice came first."""
    known = {**await river.people.load([ref])}
    if ref not in known:
        known.update(await river.people.meet([ref]))
    stream = named_stream("preferences", ref)
    while True:
        rows = (await river.journal.read([stream])).get(stream, [])
        chosen = msgspec.structs.replace(chosen, version=len(rows) + 1)
        said.setdefault((stream, chosen.version), chosen)
        sealed = known[ref].key.seal(msgspec.json.encode(chosen), stream)
        event = e.PreferenceChanged(recipient=ref, kind="simulated", by="citizen", sealed=sealed)
        keep = partial(save_preferences, vault=river.vault, ref=ref, preferences=chosen)
        unit = Unit((entry(stream, len(rows) + 1, event),), effects=(keep,))
        now_ms = river.clock.now_ms()
        committed = await river.journal.append(
            Group([unit], look=lambda reader: redecide_open(river, reader, [ref], now_ms))  # noqa: B023
        )
        if committed.won[0]:
            return
