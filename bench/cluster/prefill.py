"""A journal of millions: real legs, written again under new names by the store's own commits.

Legs that went the usual way are read back from the journal with their look-up rows and archived
events. Each is then written as often as needed, under another stream and other keys, its steps in
commits of a thousand as the river writes them; so rows, indexes, months and the chain are as they
would be, and verify.
"""

import random
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from bench.cluster.bed import TOLD_S, Bed, say
from bench.world import START_MS
from streams.core import codec
from streams.core import events as e
from streams.core.identity import digest, stream_id
from streams.core.policy import DAY_MS
from streams.journal.base import Archived, Entry, Group, Lookup, Unit
from streams.journal.postgres_partitions import ensure_partitions

SPAN_MS = 90 * DAY_MS
"""What is written is of the last quarter: so long ten million take, of forty a year."""

AT_ONCE = 1_000
"""Legs of a commit at each of their steps."""

TEMPLATES = 2_000
STEPS = ("Routed", "AttemptIntended", "Accepted", "Delivered")

_FIRST = "SELECT stream FROM journal WHERE shard = 0 AND type LIKE 'Delivered.%%' AND version = 4"
_LOOKUPS = "SELECT stream, pos, key, sub FROM lookup WHERE shard = 0 AND stream = ANY(%s)"


class Template(NamedTuple):
    """A leg as it lies in the journal: type, data, and look-up keys of each step; its event."""

    rows: tuple[tuple[str, bytes], ...]
    lookups: tuple[tuple[tuple[bytes, bytes], ...], ...]
    event: Archived


class Writer:
    """Writes legs to a journal, from the oldest to the newest."""

    def __init__(self, bed: Bed, total: int) -> None:
        self._bed = bed
        self._total = total
        self._source = random.Random(1)
        self._templates = templates(bed)
        self._waiting: list[list[tuple[bytes, Template]]] = []
        self.written = 0
        with bed.store.transaction() as connection:
            ensure_partitions(connection, START_MS - SPAN_MS)

    def write(self, count: int) -> None:
        """So many legs more; nobody else may write."""
        bed, start_s, first = self._bed, time.monotonic(), self.written
        told_s = start_s
        goal = first + count
        while self.written < goal:
            bed.store.commit([self._group(min(AT_ONCE, goal - self.written))], self._at_ms())
            if time.monotonic() - told_s > TOLD_S:
                told_s = time.monotonic()
                rate = (self.written - first) / (told_s - start_s)
                say(f"  {self.written:,} of {goal:,} journalled, {rate:,.0f} a second")
        while any(self._waiting):
            bed.store.commit([self._group(0)], self._at_ms())
        # read models and what is told upstream are not of these
        bed.execute("UPDATE projection_checkpoint SET pos = (SELECT pos FROM journal_head)")

    def _at_ms(self) -> int:
        return START_MS - SPAN_MS + SPAN_MS * self.written // self._total

    def _group(self, count: int) -> Group:
        """The first step of these, and the next of those before them."""
        fresh, archive = [], []
        for _ in range(count):
            template = self._templates[self.written % len(self._templates)]
            event = digest("prefilled", self.written.to_bytes(8, "big"))
            at_ms = self._at_ms()
            archive.append(template.event._replace(key=event, at_ms=at_ms))
            fresh.append((stream_id(at_ms, event, "prefilled", ""), template))
            self.written += 1
        self._waiting = [fresh, *self._waiting[: len(STEPS) - 1]]
        units = []
        for step, legs in enumerate(self._waiting):
            for number, (stream, template) in enumerate(legs):
                type_, data = template.rows[step]
                rows = (Entry(stream, step + 1, type_, data),)
                units.append(Unit(rows, self._lookups(template, step, stream, number)))
        return Group(units, archive)

    def _lookups(
        self, template: Template, step: int, stream: bytes, number: int
    ) -> tuple[Lookup, ...]:
        """Keys of people and cases are hashes; a carrier counts its references upwards."""
        if STEPS[step] == "Accepted":
            count = (self.written + number).to_bytes(12, "big")
            return tuple(
                Lookup(key[:4] + count, sub, stream) for key, sub in template.lookups[step]
            )
        keys = template.lookups[step]
        return tuple(Lookup(self._source.randbytes(16), sub, stream) for _, sub in keys)


def templates(bed: Bed) -> list[Template]:
    """Legs that were routed, intended, accepted and delivered, and nothing else."""
    with bed.store.readers.connect() as connection:
        streams = [row[0] for row in connection.exec_driver_sql(f"{_FIRST} LIMIT {TEMPLATES}")]
        lookups = defaultdict(list)
        for stream, pos, key, sub in connection.exec_driver_sql(_LOOKUPS, (streams,)):
            lookups[stream, pos].append((key, sub))
    histories = bed.store.read(streams).values()
    events = bed.store.archived([_event(rows[0].type, rows[0].data) for rows in histories])
    found = [
        Template(
            tuple((row.type, row.data) for row in rows),
            tuple(tuple(lookups[row.stream, row.pos]) for row in rows),
            events[_event(rows[0].type, rows[0].data)],
        )
        for rows in histories
        if _usual([row.type for row in rows])
    ]
    assert found, "no leg went the usual way"
    return found


def _usual(types: Sequence[str]) -> bool:
    return tuple(type_.partition(".")[0] for type_ in types) == STEPS


def _event(type_: str, data: bytes) -> bytes:
    routed = codec.decode(type_, data)
    assert isinstance(routed, e.Routed)
    assert routed.head is not None
    return routed.head.event
