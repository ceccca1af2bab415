"""Letting time pass on a cluster: until nothing is left to do now, then on to what is due next.

Other processes cannot be asked whether they rest. It is judged by what lies open to everybody: what
a step has not finished is still on its topic, in the timer table, among the carrier's receipts or
in the inbox, and goes from there only after what came of it is somewhere else. Two looks that see
the same, and nothing waiting, have nothing between them.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec
from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import OffsetSpec
from sqlalchemy import func, select

from channels.inbox import INBOX_MESSAGE
from channels.sandbox import read_ledger
from channels.sandbox_model import Faults, Sandbox
from hub.clock import Rehearsal
from hub.cluster import ClusterHub
from streams.core.policy import HOUR_MS
from streams.journal.projections import checkpoints
from streams.journal.tables import rows_of
from streams.kafka_lag import GROUPS
from streams.pipeline.sweep import LOOKED_AT, waits
from streams.sweeps import SqlSweeps
from streams.topics import INBOUND, PARKED, ROUTED

FACTOR = 1.0
"""While something is under way time passes as it always does; in between it leaps."""

LOOK_S = 0.02
STILL_S = 90
"""What has not moved for so long, and is not done, never will be."""

TIMERS_SHOWN = 100


class Served:
    """What lies on the topics, and how far it was acknowledged."""

    def __init__(self, brokers: str) -> None:
        self._admin = KafkaAdminClient(bootstrap_servers=brokers)
        self._groups = {
            TopicPartition(topic["name"], partition["partition_index"]): _group(topic["name"])
            for topic in self._admin.describe_topics()
            for partition in topic["partitions"]
            if _group(topic["name"])
        }

    def close(self) -> None:
        self._admin.close()

    def standing(self) -> Mapping[TopicPartition, tuple[int, int]]:
        """Of each partition, where it ends and up to where it was acknowledged."""
        done = self._admin.list_group_offsets(list(GROUPS))
        ends = self._admin.list_partition_offsets(dict.fromkeys(self._groups, OffsetSpec.LATEST))
        return {
            tp: (end.offset, at.offset if (at := done[self._groups[tp]].get(tp)) else 0)
            for tp, end in ends.items()
        }

    def leave_behind(self) -> None:
        """What a journey that failed has left there is nobody's."""
        for tp, (end, done) in self.standing().items():
            if end > done:
                self._admin.reset_group_offsets(self._groups[tp], {tp: OffsetSpec.LATEST})


def _group(topic: str) -> str:
    """Who serves it; nobody here serves what is told to upstream systems."""
    if topic.startswith("dispatch."):
        return "hub-dispatcher"
    return {
        **dict.fromkeys(ROUTED, "hub-router"),
        PARKED: "hub-receiver",
        INBOUND: "hub-receiver",
    }.get(topic, "")


class Owing:
    """What the carrier owes, worked out from its ledger as its own restart would."""

    SEED = 1

    @classmethod
    def options(cls, faults: Faults) -> tuple[str, ...]:
        """Of the carrier whose ledger this can read."""
        return ("--seed", str(cls.SEED), "--faults", msgspec.json.encode(faults).decode())

    def __init__(self, ledger: Path, faults: Faults) -> None:
        self._ledger = ledger
        self._acks = ledger.with_name(ledger.name + ".acks")
        self._faults = faults

    def receipts(self, now_ms: int) -> tuple[int, int, int]:
        """How many are due and not acknowledged, when the next will be (0: none), and a count that
        grows with whatever happens."""
        acknowledged = set(self._acknowledged())
        entries = read_ledger(self._ledger)
        carrier = Sandbox(self.SEED, self._faults)
        for entry in entries:
            carrier.restore(entry, lambda seq, report: (seq, report) in acknowledged)
        told = carrier.collect(now_ms)
        return len(told.receipts), told.next_ms, len(entries) + len(acknowledged)

    def _acknowledged(self) -> Iterator[tuple[int, int]]:
        lines = self._acks.read_bytes().splitlines(keepends=True) if self._acks.exists() else []
        for line in lines:
            if line.endswith(b"\n"):  # else it is being written
                yield from msgspec.json.decode(line, type=list[tuple[int, int]])


class Seen(NamedTuple):
    """``counts`` change with whatever happens; ``waiting`` is what is to be done now."""

    counts: tuple[object, ...]
    waiting: tuple[str, ...]


class Director:
    """Lets time pass for a cluster: it moves the rehearsal in ``file`` on. ``check`` raises when a
    process has ended."""

    def __init__(
        self, hub: ClusterHub, served: Served, owing: Owing, file: Path, check: Callable[[], None]
    ) -> None:
        self._hub = hub
        self._served = served
        self._owing = owing
        self._file = file
        self._check = check
        self._sweeps = SqlSweeps(hub.store)

    async def to(self, ms: int) -> None:
        await self.settle()
        while (due_ms := self._next_due_ms()) is not None and due_ms <= ms:
            self._leap(due_ms)
            await self.settle()
        self._leap(ms)
        await self.settle()

    async def settle(self) -> None:
        before = None
        async for seen in self._looks():
            if not seen.waiting and seen == before:
                return
            before = seen

    async def follow(self) -> None:
        await self.settle()
        async for _ in self._looks():
            head = self._hub.store.head()
            if all(pos == head for pos in checkpoints(self._hub.store).values()):
                return

    # What is to be seen

    async def _looks(self) -> AsyncIterator[Seen]:
        """Look again and again, as long as that makes sense."""
        before, moved_s = None, 0.0
        while True:
            seen, now_s = self._look(), time.monotonic()
            yield seen
            if seen != before:
                before, moved_s = seen, now_s
            assert now_s < moved_s + STILL_S, f"it stands still, with {seen.waiting} to be done"
            self._check()
            await asyncio.sleep(LOOK_S)

    def _look(self) -> Seen:
        now_ms = self._hub.clock.now_ms()
        topics = self._served.standing()
        receipts, _, happened = self._owing.receipts(now_ms)
        counts = {
            **{
                f"records on {tp.topic}/{tp.partition}": end - done
                for tp, (end, done) in topics.items()
            },
            "timers": len(self._hub.store.due(now_ms, TIMERS_SHOWN)),
            "sweeps": int(self._sweeps.swept_ms() < now_ms - now_ms % HOUR_MS),
            "receipts": receipts,
            "messages in an inbox": self._unreported(),
        }
        waiting = tuple(f"{count} {name}" for name, count in counts.items() if count)
        return Seen((self._hub.store.head(), happened, topics), waiting)

    def _unreported(self) -> int:
        unreported = select(func.count()).where(~INBOX_MESSAGE.c.reported)
        with self._hub.store.readers.connect() as connection:
            return connection.scalar(unreported) or 0

    # What is due next

    def _next_due_ms(self) -> int | None:
        _, receipt_ms, _ = self._owing.receipts(self._hub.clock.now_ms())
        found = (self._hub.store.next_due_ms(), receipt_ms or None, self._next_sweep_ms())
        return min((ms for ms in found if ms is not None), default=None)

    def _next_sweep_ms(self) -> int | None:
        """The full hour at which the sweep next looks at a stream."""
        rows = rows_of(self._hub.store).c
        swept_ms = self._sweeps.swept_ms()
        found = []
        for wait_ms in waits(self._hub.river):
            first = select(func.min(rows.at_ms)).where(
                rows.type.in_(sorted(LOOKED_AT)), rows.at_ms >= swept_ms - wait_ms
            )
            with self._hub.store.readers.connect() as connection:
                first_ms = connection.scalar(first)
            if first_ms is not None:
                found.append((first_ms + wait_ms) // HOUR_MS * HOUR_MS + HOUR_MS)
        return min(found, default=None)

    def _leap(self, ms: int) -> None:
        Rehearsal.set(self._file, max(ms, self._hub.clock.now_ms()), FACTOR)
