"""Removing from the archive: which months may go, and who ordered those that went."""

from preferences.fault import Fault
from streams.core import events as e
from streams.core.codec import decode
from streams.core.identity import Index, named_stream
from streams.journal.base import Reader
from streams.journal.proof import month_of
from streams.topic_plan import DAY_MS

REMOVAL = "archive removal"

NEEDED_DAYS = 100
"""By its archived row an event that comes again is known. So the row must be there for as long as
an upstream system may repeat it, a topic still hold it (a day longer than the longest expiry, which
is 90 days) or a message speak of it."""


def removal_stream(month: int) -> bytes:
    """Where it is written who ordered that this month goes."""
    return named_stream(REMOVAL, str(month))


def still_needed(month: int, now_ms: int) -> Fault | None:
    """Why the archive needs this month (as 202611) for now; None when it may go."""
    if not 1 <= month % 100 <= 12 or not 1970 <= month // 100 <= 9999:
        return Fault("month", "a year and a month, as 202611")
    newest = month_of(now_ms - NEEDED_DAYS * DAY_MS)
    if month >= newest:
        return Fault("month", f"one before {newest}: younger events may still come again")
    return None


def ordered(reader: Reader, index: Index) -> list[e.ArchiveRemoved]:
    """What was ordered so far, by month."""
    kind = (index.kind(REMOVAL), b"")
    rows = reader.read(reader.lookup([kind]).get(kind, ()))
    said = [decode(one[0].type, one[0].data) for one in rows.values()]
    found = [event for event in said if isinstance(event, e.ArchiveRemoved)]
    return sorted(found, key=lambda event: event.month)
