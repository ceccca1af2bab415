"""The upstream client on a real broker: what it says was placed lies there, whatever happens."""

import json
import os
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from math import inf
from subprocess import PIPE
from typing import Any
from uuid import uuid4

import pytest
from aiokafka.partitioner import DefaultPartitioner
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

from streams.upstream_client import (
    BadEvent,
    Full,
    OutcomeReader,
    Placed,
    Unacknowledged,
    Unreachable,
    UpstreamClient,
    event_key,
)
from tests.cluster.native_kafka import NativeKafka
from tests.cluster.upstream_system import RECIPIENTS, event

pytestmark = pytest.mark.cluster

PARTITIONS = 4
PATIENCE_S = 120
SOURCE = "/fujian/traffic"


def made_topic(broker: NativeKafka, partitions: int = PARTITIONS) -> str:
    name = f"events-{uuid4().hex}"
    admin = KafkaAdminClient(bootstrap_servers=broker.bootstrap)
    made = {"num_partitions": partitions, "replication_factor": 1}
    admin.create_topics({name: made, f"{name}.urgent": made})
    admin.close()
    return name


def on_topic(broker: NativeKafka, topic: str) -> dict[tuple[int, int], tuple[str, dict[str, Any]]]:
    """(key, event) of everything there by (partition, offset), in this order."""
    consumer = KafkaConsumer(bootstrap_servers=broker.bootstrap)
    parts = [TopicPartition(topic, n) for n in range(PARTITIONS)]
    consumer.assign(parts)
    consumer.seek_to_beginning(*parts)
    ends = consumer.end_offsets(parts)
    found = {}
    while any(consumer.position(part) < ends[part] for part in parts):
        for records in consumer.poll(timeout_ms=500).values():
            for r in records:
                found[r.partition, r.offset] = (r.key.decode(), json.loads(r.value))
    consumer.close()
    return dict(sorted(found.items()))


@pytest.fixture
def topic(kafka: NativeKafka) -> str:
    return made_topic(kafka)


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NativeKafka]:
    """A broker of this module's own, to be stopped and killed."""
    broker = NativeKafka(tmp_path_factory.mktemp("mortal"))
    broker.start()
    yield broker
    broker.stop()


def test_what_is_acknowledged_lies_there_in_order_by_recipient(
    kafka: NativeKafka, topic: str
) -> None:
    sent = [event(number) for number in range(3_000)]
    with UpstreamClient(kafka.bootstrap, topic=topic) as client:
        answers = list(client.publish(sent))
    there = on_topic(kafka, topic)
    assert len(there) == len(sent)
    for said, answer in zip(sent, answers, strict=True):
        assert isinstance(answer, Placed)
        assert answer.event == event_key(SOURCE, said["id"])
        assert there[answer.partition, answer.offset] == (said["subject"], said)
    by_recipient = defaultdict(list)
    for recipient, said in there.values():
        by_recipient[recipient].append(int(said["data"]["violation_no"]))
    assert all(numbers == sorted(numbers) for numbers in by_recipient.values())


def test_recipients_lie_where_the_hubs_own_door_puts_them(kafka: NativeKafka, topic: str) -> None:
    partitions = list(range(PARTITIONS))
    where = DefaultPartitioner()
    with UpstreamClient(kafka.bootstrap, topic=topic) as client:
        for said in map(event, range(100)):
            placed = client.send(said).result()
            assert placed.partition == where(said["subject"].encode(), partitions, partitions)


def test_urgent_types_lie_on_a_topic_of_their_own(kafka: NativeKafka, topic: str) -> None:
    said = event(1)
    with UpstreamClient(kafka.bootstrap, topic=topic, urgent={said["type"]}) as client:
        assert client.send(said).result().topic == f"{topic}.urgent"
    with UpstreamClient(kafka.bootstrap, topic=topic, urgent={"of another"}) as client:
        assert client.send(said).result().topic == topic


def test_a_bad_event_is_answered_in_its_place_and_stops_no_other(
    kafka: NativeKafka, topic: str
) -> None:
    sent = [event(1), {**event(2), "time": "yesterday"}, event(1 + RECIPIENTS)]
    with UpstreamClient(kafka.bootstrap, topic=topic) as client:
        first, second, third = client.publish(sent)
        assert isinstance(first, Placed)
        assert isinstance(second, BadEvent)
        assert isinstance(third, Placed)
        assert second.field == "time"
        assert third.offset == first.offset + 1


def test_a_topic_that_is_not_there_is_named(kafka: NativeKafka) -> None:
    missing = f"missing-{uuid4().hex}"
    client = UpstreamClient(kafka.bootstrap, topic=missing, block_s=1)
    with client, pytest.raises(Unreachable, match=missing):
        client.send(event(1)).result()


def placed(lines: Iterable[str], count: float = inf) -> dict[str, tuple[int, int]]:
    """Where events lie, of so many that the system says were acknowledged."""
    found = {}
    for line in lines:
        answer = json.loads(line)
        if "lost" not in answer:
            found[answer["id"]] = (answer["partition"], answer["offset"])
            if len(found) == count:
                break
    return found


def test_a_broker_killed_in_mid_stream_loses_nothing_that_was_acknowledged(
    mortal: NativeKafka,
) -> None:
    topic = made_topic(mortal)
    command = [sys.executable, "-W", "ignore", "-m", "tests.cluster.upstream_system"]
    with subprocess.Popen(
        [*command, mortal.bootstrap, topic], stdin=PIPE, stdout=PIPE, text=True
    ) as system:
        assert system.stdin
        assert system.stdout
        acknowledged = placed(system.stdout, 3_000)
        mortal.kill()
        mortal.start()
        acknowledged |= placed(system.stdout, 3_000)
        system.stdin.close()
        acknowledged |= placed(system.stdout)
    assert system.returncode == 0
    there = on_topic(mortal, topic)
    for event_id, where in acknowledged.items():
        assert there[where][1]["id"] == event_id
    assert {said["id"] for _, said in there.values()} == acknowledged.keys()


def test_what_no_broker_answers_is_bounded_and_said_to_be_unacknowledged(
    mortal: NativeKafka,
) -> None:
    topic = made_topic(mortal)
    client = UpstreamClient(
        mortal.bootstrap, topic=topic, outstanding_max=3, block_s=0.5, deliver_s=5
    )
    client.send(event(0)).result()
    os.kill(mortal.pid, signal.SIGSTOP)
    try:
        sent = [client.send(event(number)) for number in (1, 2, 3)]
        with pytest.raises(Full, match="3 events wait"):
            client.send(event(4))
        with pytest.raises(Full, match="not everything"):
            client.flush(timeout_s=0.1)
        for number, future in enumerate(sent, 1):
            with pytest.raises(Unacknowledged) as lost:
                future.result(PATIENCE_S)
            assert lost.value.event == event_key(SOURCE, f"e{number}")
    finally:
        os.kill(mortal.pid, signal.SIGCONT)
    client.send(event(4)).result(PATIENCE_S)
    client.close()
    assert {"e0", "e4"} <= {said["id"] for _, said in on_topic(mortal, topic).values()}


def test_outcomes_in_hand_come_again_until_the_next_are_asked_for(kafka: NativeKafka) -> None:
    topic = made_topic(kafka, 1)
    records = [[{"pos": 1}, {"pos": 2}], [{"pos": 5}]]
    producer = KafkaProducer(bootstrap_servers=kafka.bootstrap)
    for outcomes in records:
        producer.send(topic, json.dumps({"data": {"outcomes": outcomes}}).encode())
    producer.close()
    group = f"upstream-{uuid4().hex}"

    def some(reader: OutcomeReader, count: int) -> list[int]:
        found: list[int] = []
        while len(found) < count:
            found += [one["pos"] for one in reader.poll()]
        return found

    with OutcomeReader(kafka.bootstrap, group, topic=topic, max_poll_records=1) as reader:
        assert some(reader, 2) == [1, 2]
    with OutcomeReader(kafka.bootstrap, group, topic=topic, max_poll_records=1) as reader:
        assert some(reader, 3) == [1, 2, 5]
        assert reader.poll() == []
    with OutcomeReader(kafka.bootstrap, group, topic=topic) as reader:
        assert reader.poll(timeout_s=3) == []
