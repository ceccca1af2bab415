"""Topics and offsets on a broker, as tests make and ask for them."""

import time
from collections.abc import Callable, Mapping
from typing import TypeVar
from uuid import uuid4

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.errors import (
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    NotCoordinatorError,
)

from tests.cluster.native_kafka import NativeKafka

LOAD_S = 60
"""A broker that has just started makes or reads its topic of offsets first."""

T = TypeVar("T")


def make_topic(broker: NativeKafka, partitions: int, name: str = "", **configs: str) -> str:
    """A new topic; underscores in names of configurations are dots."""
    name = name or f"test-{uuid4().hex}"
    wanted = {
        "num_partitions": partitions,
        "replication_factor": 1,
        "configs": {key.replace("_", "."): value for key, value in configs.items()},
    }
    admin = KafkaAdminClient(bootstrap_servers=broker.bootstrap)
    try:
        admin.create_topics({name: wanted})
        admin.wait_for_topics([name])
    finally:
        admin.close()
    return name


def committed(broker: NativeKafka, group: str, topic: str) -> Mapping[int, int]:
    """Up to where a group has acknowledged, by partition."""
    admin = KafkaAdminClient(bootstrap_servers=broker.bootstrap)
    try:
        found = _when_loaded(lambda: admin.list_group_offsets(group)[group])
    finally:
        admin.close()
    return {tp.partition: at.offset for tp, at in found.items() if tp.topic == topic}


def members(broker: NativeKafka, group: str) -> int:
    """How many workers the group has let in."""
    admin = KafkaAdminClient(bootstrap_servers=broker.bootstrap)
    try:
        found = _when_loaded(lambda: admin.describe_groups([group])[group])
    finally:
        admin.close()
    return len(found["members"])


def ends(broker: NativeKafka, topic: str) -> Mapping[int, int]:
    """The offset of the next record, by partition; markers of transactions count."""
    consumer = KafkaConsumer(bootstrap_servers=broker.bootstrap)
    try:
        numbers = consumer.partitions_for_topic(topic)
        found = consumer.end_offsets([TopicPartition(topic, number) for number in numbers])
    finally:
        consumer.close()
    return {tp.partition: end for tp, end in found.items()}


def _when_loaded(ask: Callable[[], T]) -> T:
    end_s = time.monotonic() + LOAD_S
    while True:
        try:
            return ask()
        except (CoordinatorLoadInProgressError, CoordinatorNotAvailableError, NotCoordinatorError):
            if time.monotonic() > end_s:
                raise
            time.sleep(0.1)
