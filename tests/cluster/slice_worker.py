"""A worker of the bed on Kafka that notes what it serves, as a process to be killed.

    python -m tests.cluster.slice_worker '{"brokers": …, "group": …, "topic": …, "notes": …}'

Of each part of a slice it notes on a line of its own, fsynced before it goes on: when it was begun
and ended (ms of the machine's one monotonic clock), its partition, offsets and numbers. SIGTERM
stops it cleanly.
"""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
import uvloop

from streams.kafka_bed import KafkaBed
from streams.partition import Handler, Partition
from streams.topics import Record


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    brokers: str
    group: str
    topic: str
    notes: Path
    session_ms: int = 6_000
    slice_records: int = 100
    part_records: int = 20
    """Of a slice, served between two looks at whether to leave."""
    part_ms: int = 0
    """How long a part takes."""
    fails_at: int = -1
    """The number of a record over which the step raises."""
    gate: Path | None = None
    """Partition 0 waits until this file is there."""


class Note(msgspec.Struct, frozen=True):
    begun_ms: float
    ended_ms: float
    partition: int
    offsets: list[int]
    numbers: list[int]


class Step:
    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._notes = orders.notes.open("ab")

    async def serve(self, partition: Partition, records: Sequence[Record]) -> bool:
        size = self._orders.part_records
        for first in range(0, len(records), size):
            if partition.leaving or not await self._may(partition):
                return False
            await self._serve(partition, records[first : first + size])
        return True

    async def _may(self, partition: Partition) -> bool:
        gate = self._orders.gate if partition.number == 0 else None
        while gate and not gate.exists():
            if partition.leaving:
                return False
            await asyncio.sleep(0.05)
        return True

    async def _serve(self, partition: Partition, records: Sequence[Record]) -> None:
        begun_ms = now_ms()
        if self._orders.part_ms:
            await asyncio.sleep(self._orders.part_ms / 1000)
        numbers = [int.from_bytes(record.value[:4], "big") for record in records]
        if self._orders.fails_at in numbers:
            raise RuntimeError("as ordered")
        offsets = [record.offset for record in records]
        note = Note(begun_ms, now_ms(), partition.number, offsets, numbers)
        self._notes.write(msgspec.json.encode(note) + b"\n")
        self._notes.flush()
        os.fsync(self._notes.fileno())


def now_ms() -> float:
    return time.monotonic_ns() / 1e6


def orders_of(text: str) -> Orders:
    return msgspec.convert(json.loads(text), Orders, dec_hook=lambda kind, value: kind(value))


def bed_of(orders: Orders) -> KafkaBed:
    return KafkaBed(
        orders.brokers,
        orders.group,
        {orders.topic: Handler(Step(orders).serve, orders.slice_records)},
        session_ms=orders.session_ms,
    )


async def main(orders: Orders) -> None:
    bed = bed_of(orders)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, bed.stop)
    await bed.run()


if __name__ == "__main__":
    uvloop.run(main(orders_of(sys.argv[1])))
