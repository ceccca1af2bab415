"""Topics on the brokers as a whole: what there is, and making what is missing."""

from collections.abc import Collection, Mapping
from contextlib import suppress
from threading import Event
from types import TracebackType
from typing import Any, Self

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource
from kafka.errors import KafkaError, TopicAlreadyExistsError

from streams.topic_plan import Found, Topic, configs
from streams.topics import TopicsUnavailable

REPLICAS = 3
"""Copies of each record, where there are so many brokers."""

ANSWER_MS = 10_000

SHOWN_S = 0.1
SHOWN_TRIES = 100
"""Brokers hear of a change within some milliseconds, or three hundred on a machine under load."""


class TopicAdmin:
    """Asks the brokers (host:port,host:port), one question after the other.

    Raises `TopicsUnavailable`.
    """

    def __init__(self, brokers: str) -> None:
        self._brokers = brokers
        try:
            self._client = KafkaAdminClient(
                bootstrap_servers=brokers.split(","),
                bootstrap_timeout_ms=ANSWER_MS,
                request_timeout_ms=ANSWER_MS,
            )
        except KafkaError as error:
            raise TopicsUnavailable(f"no broker answers at {brokers}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()
        if isinstance(error, KafkaError):
            raise TopicsUnavailable(f"the brokers at {self._brokers}: {error}") from error

    def found(self, names: Collection[str]) -> dict[str, Found]:
        """Those of these topics that exist."""
        known = set(self._client.list_topics())
        there = [name for name in names if name in known]
        if not there:
            return {}
        asked = [ConfigResource("topic", name) for name in there]
        told = self._client.describe_configs(asked, config_filter="all")["topic"]
        return {
            topic["name"]: _found(topic, told[topic["name"]])
            for topic in self._client.describe_topics(there)
        }

    def make(self, topics: Collection[Topic], partitions: int) -> None:
        """Make them; one that was made meanwhile is left as it is."""
        replicas = min(REPLICAS, len(self._client.describe_cluster()["brokers"]))
        for topic in topics:
            wanted = {
                "num_partitions": partitions,
                "replication_factor": replicas,
                "configs": configs(topic, replicas),
            }
            with suppress(TopicAlreadyExistsError):
                self._client.create_topics({topic.name: wanted})
        if topics:
            self._client.wait_for_topics([topic.name for topic in topics])

    def configure(self, name: str, values: Mapping[str, str]) -> None:
        """Set these of a topic's configurations; returns when a broker shows them. The controller
        answers before the brokers have heard of it: a look in between finds the old ones."""
        self._client.alter_configs([ConfigResource("topic", name, dict(values))])
        pause = Event()
        for _ in range(SHOWN_TRIES):
            if values.items() <= self.found([name])[name].configs.items():
                return
            pause.wait(SHOWN_S)
        raise TopicsUnavailable(f"no broker at {self._brokers} shows what was set of {name}")


def _found(topic: Mapping[str, Any], told: Mapping[str, Mapping[str, Any]]) -> Found:
    partitions = topic["partitions"]
    return Found(
        len(partitions),
        min(len(partition["replica_nodes"]) for partition in partitions),
        {name: config["value"] for name, config in told.items()},
    )
