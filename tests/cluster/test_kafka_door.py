"""``hub publish`` on a cluster: onto the topic, sealed, and each bad line by its field."""

import json
import os
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from click.testing import Result
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.errors import TopicAlreadyExistsError
from typer.testing import CliRunner

from hub.__main__ import app
from hub.bootstrap import hub_key
from hub.migrating import migrate_postgres
from hub.settings import load
from streams.core.identity import event_key
from streams.topics import EVENTS
from tests.cluster.native_kafka import NativeKafka, free_ports

pytestmark = pytest.mark.cluster

PARTITIONS = 4
KEY = b64encode(bytes(32)).decode()


@pytest.fixture
def environment(kafka: NativeKafka, database: str, tmp_path: Path) -> dict[str, str]:
    """What a process of a cluster is told; its tables and its topic are made."""
    migrate_postgres(database, time.time_ns() // 1_000_000)
    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    with suppress(TopicAlreadyExistsError):
        admin.create_topics({EVENTS: {"num_partitions": PARTITIONS, "replication_factor": 1}})
    admin.close()
    return {
        "HUB_KAFKA": kafka.bootstrap, "HUB_DATABASE": database, "HUB_DATA_DIR": str(tmp_path),
        "HUB_KEK": KEY, "HUB_INDEX_KEY": KEY, "HUB_LINK_KEY": KEY,
    }  # fmt: skip


def question(event_id: str, subject: str, **changed: Any) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat()
    data = {"question_no": "ZX1", "topic": "异地处理交通违法", "by": "福州", "answered_at": now}
    return {
        "specversion": "1.0", "id": event_id, "source": "/test", "subject": subject, "time": now,
        "type": "gov.traffic.question.answered.v1", "data": data, **changed,
    }  # fmt: skip


def run(environment: dict[str, str], lines: Sequence[object], *options: str) -> Result:
    text = "".join((x if isinstance(x, str) else json.dumps(x)) + "\n" for x in lines)
    return CliRunner().invoke(app, ["publish", "-", *options], input=text, env=environment)


def lying_there(broker: NativeKafka, key: str) -> list[tuple[int, bytes]]:
    """(partition, value) of the records under a key."""
    consumer = KafkaConsumer(bootstrap_servers=broker.bootstrap)
    parts = [TopicPartition(EVENTS, n) for n in consumer.partitions_for_topic(EVENTS)]
    consumer.assign(parts)
    consumer.seek_to_beginning(*parts)
    ends = consumer.end_offsets(parts)
    found = []
    while any(consumer.position(part) < ends[part] for part in parts):
        for records in consumer.poll(timeout_ms=500).values():
            found += [(r.partition, r.value) for r in records if r.key == key.encode()]
    consumer.close()
    return found


def test_each_line_is_answered_and_what_is_good_lies_on_the_topic_sealed(
    kafka: NativeKafka, environment: dict[str, str]
) -> None:
    who = f"王-{uuid4().hex}"
    good = [question(f"{who}-{n}", who) for n in range(3)]
    unknown = question("x", who, type="gov.unknown.v1")
    told = run(environment, [good[0], "{bad", unknown, "", good[1], good[2]], "--json")
    assert told.exit_code == 1, told.output
    said = json.loads(told.stdout.splitlines()[-1])
    assert (said["accepted"], said["duplicate"], said["refused"]) == (3, 0, 2)
    assert [(x["line"], x["field"]) for x in said["refusals"]] == [(2, "event"), (3, "type")]
    records = lying_there(kafka, who)
    assert len({partition for partition, _ in records}) == 1
    key = hub_key(load(environment, None))
    assert [json.loads(key.open(value, EVENTS.encode())) for _, value in records] == good


def test_what_is_about_nobody_is_keyed_by_its_own_name(
    kafka: NativeKafka, environment: dict[str, str]
) -> None:
    name = uuid4().hex
    lifted = {"type": "gov.traffic.weather.lifted.v1", "data": {"warning_no": "W1"}}
    told = run(environment, [question(name, "", **lifted)])
    assert told.exit_code == 0, told.output
    assert f"{kafka.bootstrap}: 1 accepted" in told.stdout
    assert len(lying_there(kafka, event_key("/test", name).hex())) == 1


def test_a_database_without_tables_is_a_sentence(environment: dict[str, str]) -> None:
    environment["HUB_DATABASE"] = environment["HUB_DATABASE"].rpartition("/")[0] + "/postgres"
    told = run(environment, [question("1", "P1")])
    assert (told.exit_code, type(told.exception)) == (1, SystemExit)
    assert "hub migrate" in told.stderr


def test_brokers_that_are_away_are_a_sentence(environment: dict[str, str]) -> None:
    brokers = f"127.0.0.1:{free_ports(1)[0]}"
    # by itself: kafka-python leaves the sockets of failed connections to the collector
    told = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "hub", "publish", "-"],
        env={**os.environ, **environment, "HUB_KAFKA": brokers},
        input=json.dumps(question("1", "P1")), capture_output=True, text=True,
    )  # fmt: skip
    assert (told.returncode, told.stdout) == (1, "")
    [sentence] = [line for line in told.stderr.splitlines() if line.startswith("hub: ")]
    assert brokers in sentence
    assert "Traceback" not in told.stderr
