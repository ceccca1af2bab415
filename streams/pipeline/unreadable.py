"""What nobody can read holds up nobody behind it."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from streams.core.codec import Refusal
from streams.journal.base import Group, Unit
from streams.pipeline.quarantining import quarantined
from streams.pipeline.river import River
from streams.topics import Record

UNREADABLE = Refusal("record", "a record as this hub's own workers write it")

T = TypeVar("T")


async def readable(
    river: River, topic: str, records: Sequence[Record], decode: Callable[[bytes], T]
) -> list[T]:
    """What the records of a topic say that only this hub writes to. What somebody else wrote there,
    or a hub of another make, goes to quarantine as it came: raised, it would end every worker in
    its turn."""
    try:
        return [decode(record.value) for record in records]
    except msgspec.MsgspecError:
        pass  # one by one: nearly never
    said: list[T] = []
    strange: list[Unit] = []
    for record in records:
        try:
            said.append(decode(record.value))
        except msgspec.MsgspecError:
            strange.append(quarantined(river, record.value, topic, UNREADABLE))
    await river.journal.append(Group(strange))
    return said
