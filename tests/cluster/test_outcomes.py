"""Outcomes on a real topic: told from PostgreSQL, read as an upstream system reads them."""

from collections.abc import Iterator
from uuid import uuid4

import msgspec
import pytest
from kafka import KafkaAdminClient
from kafka.errors import TopicAlreadyExistsError

from hub.clock import Real
from streams.journal.group import at_once
from streams.journal.postgres import PostgresStore
from streams.kafka_topics import KafkaTopics
from streams.outcomes import Outcome, Teller, outcomes_after
from streams.topics import OUTCOMES
from streams.upstream_client import OutcomeReader
from tests.cluster.native_kafka import NativeKafka
from tests.streams.histories import write_lives

pytestmark = pytest.mark.cluster


@pytest.fixture
def store(database: str) -> Iterator[PostgresStore]:
    kept = PostgresStore(database)
    yield kept
    kept.close()


@pytest.fixture
def topic(kafka: NativeKafka) -> str:
    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    try:
        admin.create_topics({OUTCOMES: {"num_partitions": 3, "replication_factor": 1}})
    except TopicAlreadyExistsError:
        raise AssertionError("another test tells outcomes on this broker") from None
    finally:
        admin.close()
    return OUTCOMES


async def test_what_is_told_is_read_in_the_order_of_the_journal(
    kafka: NativeKafka, topic: str, store: PostgresStore
) -> None:
    write_lives(store, 3, legs=range(400))
    expected = outcomes_after(store, 0, store.head()).outcomes
    topics = KafkaTopics(kafka.bootstrap, Real())
    teller = Teller(store, topics, at_once)
    while await teller.tell(scan=500):
        pass
    await topics.close()
    found: list[Outcome] = []
    with OutcomeReader(kafka.bootstrap, uuid4().hex, topic=topic) as reader:
        while len(found) < len(expected):
            found += msgspec.convert(reader.poll(), list[Outcome])
    assert found == expected
