"""A key lands where every other client of Kafka puts it."""

from aiokafka.partitioner import DefaultPartitioner
from aiokafka.partitioner import murmur2 as aiokafka_murmur2
from hypothesis import given
from hypothesis import strategies as st
from kafka.partitioner.default import DefaultPartitioner as KafkaPythonPartitioner
from kafka.partitioner.default import murmur2 as kafka_python_murmur2

from streams.partitioner import murmur2, partition_of

KNOWN_TO_JAVA = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}
"""From the tests of Kafka's own client."""


def test_murmur2_is_that_of_kafka_itself() -> None:
    assert {key: murmur2(key) - (murmur2(key) >> 31 << 32) for key in KNOWN_TO_JAVA} == (
        KNOWN_TO_JAVA
    )


@given(st.binary(max_size=80))
def test_murmur2_is_that_of_other_clients(key: bytes) -> None:
    assert murmur2(key) == aiokafka_murmur2(key) == kafka_python_murmur2(key) & 0xFFFFFFFF


class Cluster:
    """What kafka-python asks about a topic."""

    def __init__(self, partitions: int) -> None:
        self._partitions = set(range(partitions))

    def topics(self) -> set[str]:
        return {"events"}

    def partitions_for_topic(self, topic: str) -> set[int]:
        return self._partitions

    available_partitions_for_topic = partitions_for_topic


@given(st.binary(max_size=40), st.integers(1, 100))
def test_the_partition_is_that_of_other_clients(key: bytes, partitions: int) -> None:
    everyone = list(range(partitions))
    by_aiokafka = DefaultPartitioner()(key, everyone, everyone)
    by_kafka_python = KafkaPythonPartitioner().partition(
        "events", key, key, b"", b"", Cluster(partitions)
    )
    assert partition_of(key, partitions) == by_aiokafka == by_kafka_python
