"""Topics on a real broker keep what all topics keep, and outlast the broker's absence."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from uuid import uuid4

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from hub.clock import Real
from streams.kafka_bed import KafkaBed
from streams.kafka_topics import RECORD_BYTES, KafkaTopics
from streams.partition import Handler, Partition
from streams.topics import Record, TopicsClosed, TopicsRefused, TopicsUnavailable
from tests.cluster.kafka_topics import ends, make_topic
from tests.cluster.native_kafka import NativeKafka
from tests.contracts.topics_contract import SLICE, TopicsContract, numbers, records

pytestmark = pytest.mark.cluster

PARTITIONS = 3
LARGEST = {"max_message_bytes": "2097152"}


class KafkaBench:
    def __init__(self, broker: NativeKafka) -> None:
        self._broker = broker
        self._group = uuid4().hex
        self.a, self.b = (make_topic(broker, PARTITIONS, **LARGEST) for _ in range(2))
        self.topics = KafkaTopics(broker.bootstrap, Real())

    async def read(self, topic: str, count: int) -> list[Record]:
        found: list[Record] = []

        async def serve(partition: Partition, records: Sequence[Record]) -> bool:
            if len(found) == count:
                return False
            found.extend(records)
            if len(found) == count:
                partition.leaving = True
                bed.stop()
            return True

        group = f"{self._group}-{topic}"
        bed = KafkaBed(self._broker.bootstrap, group, {topic: Handler(serve, SLICE)})
        async with asyncio.timeout(60):
            await bed.run()
        return found

    async def close(self) -> None:
        await self.topics.close()


class TestKafkaTopics(TopicsContract):
    @pytest.fixture
    async def bench(self, kafka: NativeKafka) -> AsyncIterator[KafkaBench]:
        bench = KafkaBench(kafka)
        yield bench
        await bench.close()


def on_topic(broker: NativeKafka, topic: str) -> list[Record]:
    """Everything there, partition by partition."""
    consumer = KafkaConsumer(bootstrap_servers=broker.bootstrap, auto_offset_reset="earliest")
    found = []
    for number, end in ends(broker, topic).items():
        tp = TopicPartition(topic, number)
        consumer.assign([tp])
        consumer.seek_to_beginning(tp)
        while consumer.position(tp) < end:
            for some in consumer.poll(timeout_ms=500).values():
                found += [Record(r.key, r.value, r.offset) for r in some]
    consumer.close()
    return found


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NativeKafka]:
    """A broker of this module's own, to be killed."""
    broker = NativeKafka(tmp_path_factory.mktemp("mortal"))
    broker.start()
    yield broker
    broker.stop()


async def test_another_client_finds_a_recipient_in_the_same_partition(kafka: NativeKafka) -> None:
    topic = make_topic(kafka, 12)
    ours = [Record(f"王-{n}".encode(), b"ours") for n in range(100)]
    topics = KafkaTopics(kafka.bootstrap, Real())
    await topics.publish({topic: ours})
    await topics.close()
    with KafkaProducer(bootstrap_servers=kafka.bootstrap) as theirs:
        sent = {r.key: theirs.send(topic, b"theirs", key=r.key).get(30).partition for r in ours}
    consumer = KafkaConsumer(topic, bootstrap_servers=kafka.bootstrap, auto_offset_reset="earliest")
    found: dict[bytes, set[int]] = {}
    while sum(map(len, found.values())) < 100 or len(found) < 100:
        for tp, some in consumer.poll(timeout_ms=500).items():
            for record in some:
                found.setdefault(record.key, set()).add(tp.partition)
    consumer.close()
    assert found == {key: {partition} for key, partition in sent.items()}


async def test_a_publication_waits_for_a_broker_that_is_away(mortal: NativeKafka) -> None:
    topic = make_topic(mortal, PARTITIONS)
    topics = KafkaTopics(mortal.bootstrap, Real())
    await topics.publish({topic: records(0, 100)})
    mortal.kill()
    waiting = [asyncio.create_task(topics.publish({topic: records(n, 100)})) for n in (100, 200)]
    impatient = KafkaTopics(mortal.bootstrap, Real(), patience_s=0.5)
    with pytest.raises(TopicsUnavailable):
        await impatient.publish({topic: records(9_000, 1)})
    await impatient.close()
    assert not any(task.done() for task in waiting)
    await asyncio.to_thread(mortal.start)
    async with asyncio.timeout(60):
        await asyncio.gather(*waiting)
    await topics.close()
    found = await asyncio.to_thread(on_topic, mortal, topic)
    assert {*numbers(found)} - {9_000} == {*range(300)}


async def test_a_look_says_whether_the_brokers_answer(mortal: NativeKafka) -> None:
    topics = KafkaTopics(mortal.bootstrap, Real())
    await topics.look()
    assert topics.wrong == ""
    mortal.kill()
    await topics.look()
    assert topics.wrong == "the brokers do not answer"
    await asyncio.to_thread(mortal.start)
    async with asyncio.timeout(60):
        while topics.wrong:
            await topics.look()
    await topics.close()
    await topics.look()  # by whoever did not know


async def test_a_publication_that_was_given_up_at_the_end_is_not_told_as_safe(
    mortal: NativeKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.kafka_topics.CLOSE_S", 0.5)
    topic = make_topic(mortal, PARTITIONS)
    topics = KafkaTopics(mortal.bootstrap, Real())
    await topics.publish({topic: records(0, 1)})
    mortal.kill()
    try:
        waiting = asyncio.create_task(topics.publish({topic: records(1, 100)}))
        async with asyncio.timeout(30):
            for _ in range(20):
                await asyncio.sleep(0)  # it is on its way
            await topics.close()
            with pytest.raises(TopicsClosed):
                await waiting
    finally:
        await asyncio.to_thread(mortal.start)


async def test_a_record_that_is_too_large_harms_nobody_else(kafka: NativeKafka) -> None:
    topic, narrow = make_topic(kafka, 1, **LARGEST), make_topic(kafka, 1, max_message_bytes="3000")
    topics = KafkaTopics(kafka.bootstrap, Real())
    with pytest.raises(TopicsRefused):
        await topics.publish({topic: [Record(b"", bytes(RECORD_BYTES + 1))]})
    broken = topics.publish({narrow: [Record(b"", bytes(5_000))]})
    good = [topics.publish({narrow: records(n, 1)}) for n in range(5)]
    answers = await asyncio.gather(good[0], broken, *good[1:], return_exceptions=True)
    assert isinstance(answers.pop(1), TopicsRefused)
    assert answers == [None] * 5
    await topics.publish({topic: records(1, 10), narrow: records(5, 1)})
    await topics.close()
    assert numbers(await asyncio.to_thread(on_topic, kafka, topic)) == [*range(1, 11)]
    assert {*numbers(await asyncio.to_thread(on_topic, kafka, narrow))} == {*range(6)}


async def test_what_is_being_published_at_the_end_is_answered(kafka: NativeKafka) -> None:
    topic = make_topic(kafka, PARTITIONS)
    topics = KafkaTopics(kafka.bootstrap, Real())
    await topics.publish({topic: records(0, 1)})
    publishing = [
        asyncio.create_task(topics.publish({topic: records(1 + n * 10, 10)})) for n in range(50)
    ]
    for _ in range(20):
        await asyncio.sleep(0)
    await topics.close()
    await asyncio.gather(*publishing)
    found = await asyncio.to_thread(on_topic, kafka, topic)
    assert sorted(numbers(found)) == [*range(501)]
