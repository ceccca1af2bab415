"""What waits on a real broker's topics, whether or not anybody has begun to serve them."""

from uuid import uuid4

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.structs import OffsetAndMetadata

from streams.kafka_lag import Lag
from streams.topics import dispatch_topic
from tests.cluster.kafka_topics import make_topic
from tests.cluster.native_kafka import NativeKafka
from tests.cluster.processes import until

pytestmark = pytest.mark.cluster

LOOKED_S = 60


def test_what_nobody_has_served_yet_waits_as_well(kafka: NativeKafka) -> None:
    lane = make_topic(kafka, 2, name=dispatch_topic(uuid4().hex))
    with KafkaProducer(bootstrap_servers=kafka.bootstrap) as producer:
        for number in (0, 0, 0, 1):
            producer.send(lane, b"x", partition=number)
    lag = Lag(kafka.bootstrap)
    try:
        assert until(lambda: lag.waiting().get(lane) == (4, 0), LOOKED_S), lag.wrong
        assert until(lambda: lag.absent == ["router", "dispatcher", "receiver"], LOOKED_S)
        with KafkaConsumer(bootstrap_servers=kafka.bootstrap, group_id="hub-dispatcher") as worker:
            worker.commit({TopicPartition(lane, 0): OffsetAndMetadata(2, "", -1)})
            assert until(lambda: lag.waiting().get(lane) == (2, 0), LOOKED_S), lag.wrong
            worker.commit({TopicPartition(lane, 1): OffsetAndMetadata(1, "", -1)})
            assert until(lambda: lag.waiting().get(lane) == (1, 2), LOOKED_S), lag.wrong
            worker.commit({TopicPartition(lane, 0): OffsetAndMetadata(3, "", -1)})
            assert until(lambda: lane not in lag.waiting(), LOOKED_S), lag.wrong
    finally:
        lag.close()
    assert lag.wrong == ""


def test_a_kind_of_worker_is_absent_until_one_is_in_its_group(kafka: NativeKafka) -> None:
    topic = make_topic(kafka, 1)
    lag = Lag(kafka.bootstrap)
    try:
        lag.waiting()
        assert until(lambda: "receiver" in lag.absent, LOOKED_S), lag.wrong
        with KafkaConsumer(
            topic, bootstrap_servers=kafka.bootstrap, group_id="hub-receiver"
        ) as one:

            def is_known() -> bool:
                one.poll(100)
                return "receiver" not in lag.absent

            assert until(is_known, LOOKED_S), lag.wrong
        assert until(lambda: "receiver" in lag.absent, LOOKED_S), lag.wrong
    finally:
        lag.close()
