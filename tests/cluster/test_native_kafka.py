"""The broker that tests start themselves: what it was given is there after it was killed."""

from uuid import uuid4

import pytest
from kafka import KafkaAdminClient

from tests.cluster.native_kafka import NativeKafka

pytestmark = pytest.mark.cluster


def test_a_killed_broker_comes_back_with_what_it_had(tmp_path_factory) -> None:
    broker = NativeKafka(tmp_path_factory.mktemp("kafka"))
    topic = f"kept-{uuid4().hex}"
    try:
        broker.start()
        before = broker.bootstrap
        create(broker, topic)
        broker.kill()
        broker.start()
        assert broker.bootstrap == before
        assert topic in topics(broker)
    finally:
        broker.stop()


def create(broker: NativeKafka, topic: str) -> None:
    admin = KafkaAdminClient(bootstrap_servers=broker.bootstrap)
    admin.create_topics({topic: {"num_partitions": 1, "replication_factor": 1}})
    admin.close()


def topics(broker: NativeKafka) -> list[str]:
    admin = KafkaAdminClient(bootstrap_servers=broker.bootstrap)
    names: list[str] = admin.list_topics()
    admin.close()
    return names
