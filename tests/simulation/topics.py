"""Topics of the simulator: partitions with an owner, a commit that lags, and redelivery."""

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from zlib import crc32

from streams.topics import Record
from tests.simulation.scheduler import Scheduler, point

PARTITIONS = 2


class Partition:
    """One log. ``committed`` is where a new owner begins; an acknowledgement commits late."""

    def __init__(self, topic: str, number: int) -> None:
        self.topic = topic
        self.number = number
        self.bell = f"{topic}/{number}"
        self.records: list[Record] = []
        self.committed = 0
        self.owner = ""
        self.generation = 0


class SimTopics:
    """All topics of one world; each worker has its own :class:`View`."""

    def __init__(self, scheduler: Scheduler, rng: random.Random, names: Sequence[str]) -> None:
        self._scheduler = scheduler
        self._rng = rng
        self.commit_lag = 0.3
        self.faults: Counter[str] = Counter()
        self.partitions = {
            (name, number): Partition(name, number)
            for name in names
            for number in range(PARTITIONS)
        }
        self.on_acknowledge: Callable[[Partition, Sequence[Record]], None] = lambda p, r: None

    def put(self, topic: str, record: Record) -> None:
        partition = self.partitions[topic, (crc32(record.key) >> 4) % PARTITIONS]
        partition.records.append(record._replace(offset=len(partition.records)))
        self._scheduler.ring(partition.bell)

    def assign(self, owners: Sequence[str]) -> list[Partition]:
        """Share the partitions out among ``owners``; those that have moved."""
        moved = []
        for index, partition in enumerate(self.partitions.values()):
            owner = owners[(index + self._rng.randrange(2)) % len(owners)] if owners else ""
            if owner != partition.owner:
                partition.owner = owner
                partition.generation += 1
                moved.append(partition)
        return moved

    def move(self, partition: Partition, owner: str) -> None:
        partition.owner = owner
        partition.generation += 1

    def acknowledge(self, partition: Partition, generation: int, records: Sequence[Record]) -> None:
        self.on_acknowledge(partition, records)
        if partition.generation != generation:
            return  # a former owner: the group does not listen to it
        if self._rng.random() < self.commit_lag:
            self.faults["commit lags"] += 1
            return
        partition.committed = max(partition.committed, records[-1].offset + 1)


class View:
    """``streams.topics.Topics`` as the steps of one worker see it."""

    def __init__(self, topics: SimTopics) -> None:
        self._topics = topics

    async def publish(self, batches: Mapping[str, Sequence[Record]]) -> None:
        await point("topics.publish before")
        for topic, records in batches.items():
            for record in records:
                self._topics.put(topic, record)
        await point("topics.publish after")


def by_topic(partitions: Sequence[Partition]) -> dict[str, list[Partition]]:
    found: defaultdict[str, list[Partition]] = defaultdict(list)
    for partition in partitions:
        found[partition.topic].append(partition)
    return found
