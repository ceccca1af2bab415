"""``hub topics`` on a real broker: makes, mends, and says what it cannot."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.topic_admin import TopicAdmin
from tests.cluster.kafka_topics import make_topic
from tests.cluster.native_kafka import NativeKafka, free_ports

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NativeKafka]:
    """A broker whose topics have the names of a hub's, once they are made."""
    broker = NativeKafka(tmp_path_factory.mktemp("empty"))
    broker.start()
    yield broker
    broker.stop()


class Ended:
    def __init__(self, folder: Path, brokers: str, *options: str, **settings: str) -> None:
        keys = dict.fromkeys(("HUB_KEK", "HUB_INDEX_KEY", "HUB_LINK_KEY"), "A" * 43 + "=")
        environment = {name: v for name, v in os.environ.items() if not name.startswith("HUB_")}
        environment |= {
            **keys, "HUB_DATA_DIR": str(folder), "HUB_KAFKA": brokers,
            "HUB_DATABASE": "postgresql+psycopg://nobody@127.0.0.1/none", **settings,
        }  # fmt: skip
        told = subprocess.run(
            [sys.executable, "-m", "hub", "topics", *options],
            capture_output=True, text=True, env=environment,
        )  # fmt: skip
        self.code = told.returncode
        self.out = told.stdout
        self.err = told.stderr

    def wrong(self) -> dict[str, list[str]]:
        return {name: said for name, said in json.loads(self.out)["topics"].items() if said}


def test_topics_are_made_mended_and_judged(empty: NativeKafka, tmp_path: Path) -> None:
    missing = Ended(tmp_path, empty.bootstrap, "--check", "--json")
    assert missing.code == 1
    assert set(map(tuple, missing.wrong().values())) == {("it is missing",)}

    made = Ended(tmp_path, empty.bootstrap, "--json")
    assert (made.code, made.wrong()) == (0, {})
    assert set(json.loads(made.out)["topics"]) == set(missing.wrong())
    assert Ended(tmp_path, empty.bootstrap, "--check").code == 0

    with TopicAdmin(empty.bootstrap) as brokers:
        brokers.configure("events", {"retention.ms": "3600000"})
    checked = Ended(tmp_path, empty.bootstrap, "--check", "--json")
    assert checked.code == 1
    assert checked.wrong() == {"events": ["records are kept for 1 h, and are needed for 24 h"]}
    assert Ended(tmp_path, empty.bootstrap).code == 0
    with TopicAdmin(empty.bootstrap) as brokers:
        assert int(brokers.found(["events"])["events"].configs["retention.ms"]) > 24 * 3_600_000

    others = Ended(tmp_path, empty.bootstrap, HUB_PARTITIONS="6")
    assert others.code == 1
    assert "it has 12 partitions, not 6" in others.out


def test_what_was_set_is_shown_from_then_on(empty: NativeKafka) -> None:
    topic = make_topic(empty, 12)
    with TopicAdmin(empty.bootstrap) as brokers:
        for number in range(30):
            wanted = {"retention.ms": str(3_600_000 + number)}
            brokers.configure(topic, wanted)
            assert wanted.items() <= brokers.found([topic])[topic].configs.items()


def test_brokers_that_are_away_are_one_sentence(tmp_path: Path) -> None:
    [port] = free_ports(1)
    ended = Ended(tmp_path, f"127.0.0.1:{port}")
    assert ended.code == 1
    assert ended.err.splitlines()[-1] == f"hub: no broker answers at 127.0.0.1:{port}"
    assert "Traceback" not in ended.err


def test_a_hub_without_brokers_has_no_topics(tmp_path: Path) -> None:
    ended = Ended(tmp_path, "", HUB_DATABASE="")
    assert ended.code == 2
