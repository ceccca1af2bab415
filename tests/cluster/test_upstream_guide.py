"""The program that the guide for upstream systems shows, run as it stands."""

import re
import sqlite3
import sys
import types
from uuid import uuid4

import msgspec
import pytest
from kafka import KafkaProducer

from streams import upstream_client
from streams.outcomes import Outcome
from tests.cluster.kafka_topics import ends, make_topic
from tests.cluster.native_kafka import NativeKafka
from tests.cluster.upstream_system import event
from tests.reference import DOCS

pytestmark = pytest.mark.cluster


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> types.SimpleNamespace:
    """The functions of the page's first program."""
    page = (DOCS / "guides" / "upstream.md").read_text(encoding="utf-8")
    program, *_ = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    monkeypatch.setitem(sys.modules, "upstream_client", upstream_client)
    names: dict[str, object] = {}
    exec(compile(program, "upstream.md", "exec"), names)
    return types.SimpleNamespace(**names)


@pytest.fixture
def db(shown: types.SimpleNamespace) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.executescript(shown.TABLES)
    return connection


def test_an_outbox_is_brought_once_and_a_bad_event_is_kept_with_its_fault(
    kafka: NativeKafka, shown: types.SimpleNamespace, db: sqlite3.Connection
) -> None:
    topic = make_topic(kafka, 2)
    for said in (event(1), event(2), {**event(3), "time": "yesterday"}, event(1)):
        shown.note(db, said)
    with upstream_client.UpstreamClient(kafka.bootstrap, topic=topic) as client:
        shown.bring(db, client)
        shown.bring(db, client)
    assert sum(ends(kafka, topic).values()) == 2
    rows = db.execute("SELECT placed, fault FROM outbox ORDER BY rowid").fetchall()
    assert [placed for placed, _ in rows] == [1, 1, 0]
    assert rows[2][1].startswith("time: expected RFC 3339")


def test_outcomes_find_their_events_and_the_latest_stays(
    kafka: NativeKafka, shown: types.SimpleNamespace, db: sqlite3.Connection
) -> None:
    for number in (1, 2):
        shown.note(db, event(number))
    (own,), (other,) = db.execute("SELECT event FROM outbox ORDER BY rowid")
    told = [
        Outcome(7, own, "unconfirmed", 0, "n", "aa"),
        Outcome(9, own, "delivered", 0, "n", "aa"),
        Outcome(10, "0" * 32, "delivered", 0, "n", "bb"),
        Outcome(11, other, "refused", 0, reason="time: expected RFC 3339"),
        Outcome(7, own, "unconfirmed", 0, "n", "aa"),
    ]
    topic = make_topic(kafka, 1)
    producer = KafkaProducer(bootstrap_servers=kafka.bootstrap)
    producer.send(topic, msgspec.json.encode({"data": {"outcomes": told}}))
    producer.close()
    with upstream_client.OutcomeReader(kafka.bootstrap, uuid4().hex, topic=topic) as reader:
        while not (found := db.execute("SELECT * FROM outcome ORDER BY pos").fetchall()):
            shown.take_back(db, reader)
    assert found == [("aa", own, "delivered", 9), (other, other, "refused", 11)]
