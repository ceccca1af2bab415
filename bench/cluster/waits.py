"""How long events wait: from the time they carry to what is journalled of them."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec
from sqlalchemy import text

from bench.cluster.bed import Bed

ROWS_AT_ONCE = 5_000

_ACCEPTED = text(
    "SELECT DISTINCT ON (taken.stream) taken.stream, first.at_ms, taken.at_ms, taken.data"
    " FROM journal AS taken"
    " JOIN journal AS first ON first.shard = taken.shard AND first.stream = taken.stream"
    " AND first.version = 1"
    " WHERE taken.shard = 0 AND taken.stream >= :since AND taken.stream < :until"
    " AND taken.type LIKE 'Accepted.%' ORDER BY taken.stream, taken.version"
)

MONTHS_END = b"\x03\xc0"
"""Beyond every stream that begins with a time."""


class Waits(msgspec.Struct, frozen=True):
    """Of so many, in ms."""

    count: int
    p50_ms: int
    p99_ms: int
    max_ms: int


class Wait(NamedTuple):
    """One accepted message: what of, by which channel, and how long after its event it was decided
    and accepted."""

    notice: str
    channel: str
    decided_ms: int
    accepted_ms: int


class _Moved(msgspec.Struct):
    notice: str = ""
    channel: str = ""


class _Accepted(msgspec.Struct):
    """It does not say where the leg was when something else had moved it meanwhile."""

    moved: _Moved | None = None


_decode = msgspec.json.Decoder(_Accepted).decode


def accepted(bed: Bed, since_ms: int) -> Iterator[Wait]:
    """What happened since, by its first acceptance: one that did not arrive is sent again."""
    since = since_ms.to_bytes(6, "big")
    with bed.store.readers.connect() as connection:
        rows = connection.execution_options(yield_per=ROWS_AT_ONCE).execute(
            _ACCEPTED, {"since": since, "until": MONTHS_END}
        )
        for stream, decided_ms, at_ms, data in rows:
            moved = _decode(data).moved or _Moved()
            event_ms = int.from_bytes(stream[:6], "big")
            yield Wait(moved.notice, moved.channel, decided_ms - event_ms, at_ms - event_ms)


def waits(values: Sequence[int]) -> Waits:
    """Their percentiles: the value that so many of a hundred do not exceed."""
    ordered = sorted(values)
    if not ordered:
        return Waits(0, 0, 0, 0)
    return Waits(len(ordered), _percentile(ordered, 50), _percentile(ordered, 99), ordered[-1])


def _percentile(ordered: Sequence[int], percent: int) -> int:
    return ordered[max(-(-len(ordered) * percent // 100), 1) - 1]
