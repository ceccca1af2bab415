"""`python -m bench.topics`: what a record costs on its way through Kafka, and what that costs the
broker.

Records of the size of an event are published as a step publishes them, then served through the bed
by a step that does nothing. Client is this process, in CPU µs a record; the broker is its own.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import uvloop

from bench.meter import process_us
from hub.clock import Real
from streams.kafka_bed import KafkaBed
from streams.kafka_topics import KafkaTopics
from streams.partition import Handler, Partition
from streams.topics import Record
from tests.cluster.kafka_topics import make_topic
from tests.cluster.native_kafka import NativeKafka

PARTITIONS = 12
RECORD_BYTES = 600
"""A sealed event of the services, about."""

BATCHES = (1_000, 500, 100, 10, 1)
SLICES = (1_000, 500, 100)
WARM = 100_000
"""The broker's Java compiles what it runs often: the first records cost several times as much."""


class Cost:
    """Seconds and CPU between two moments, a record."""

    def __init__(self, broker: NativeKafka) -> None:
        self._broker = broker
        self._start = self._now()

    def _now(self) -> tuple[float, float, float]:
        used = resource.getrusage(resource.RUSAGE_SELF)
        return (
            time.perf_counter(),
            (used.ru_utime + used.ru_stime) * 1e6,
            process_us(self._broker.pid),
        )

    def told(self, name: str, count: int) -> str:
        seconds, client, broker = (b - a for a, b in zip(self._start, self._now(), strict=True))
        return (
            f"{name:32} {count / seconds:>10,.0f}/s"
            f" {client / count:>8.2f} µs client {broker / count:>8.2f} µs broker"
        )


async def publish(broker: NativeKafka, topic: str, count: int, batch: int) -> str:
    topics = KafkaTopics(broker.bootstrap, Real())
    value = bytes(RECORD_BYTES)
    records = [Record(b"3201021990%08d" % n, value) for n in range(count)]
    await topics.publish({topic: records[:1]})
    cost = Cost(broker)
    for first in range(0, count, batch):
        await topics.publish({topic: records[first : first + batch]})
    told = cost.told(f"publish {batch:,} at a time", count)
    await topics.close()
    return told


async def serve(broker: NativeKafka, topic: str, count: int, size: int) -> str:
    served = 0
    cost: Cost | None = None
    first = 0
    bed: KafkaBed

    async def nothing(partition: Partition, records: Sequence[Record]) -> bool:
        nonlocal served, cost, first
        if cost is None:  # joining the group is not counted
            cost, first = Cost(broker), len(records)
        served += len(records)
        if served >= count:
            bed.stop()
        return True

    group = f"bench-{topic}-{size}"
    bed = KafkaBed(broker.bootstrap, group, {topic: Handler(nothing, size)})
    await bed.run()
    assert cost is not None
    return cost.told(f"serve in slices of {size:,}", served - first)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=500_000)
    count = parser.parse_args().records
    with tempfile.TemporaryDirectory() as folder:
        broker = NativeKafka(Path(folder) / "kafka")
        broker.start()
        try:
            uvloop.run(publish(broker, make_topic(broker, PARTITIONS), WARM, 1_000))
            topic = make_topic(broker, PARTITIONS)
            for batch in BATCHES:
                # what goes one by one is counted on fewer
                some = min(count, batch * 2_000)
                into = topic if batch == BATCHES[0] else make_topic(broker, PARTITIONS)
                print(uvloop.run(publish(broker, into, some, batch)))
            for size in SLICES:
                print(uvloop.run(serve(broker, topic, count, size)))
        finally:
            broker.stop()


if __name__ == "__main__":
    main()
