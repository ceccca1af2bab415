"""Which topics there must be, what each keeps and for how long. Pure; `streams.topic_admin` makes
them.

How many partitions they have is a setting: a lane's rate is divided by it, and a key's partition
depends on it. So a topic with another number is wrong, and cannot be mended by adding some.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from streams.topics import EVENTS, INBOUND, OUTCOMES, PARKED, dispatch_topic

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

EVENTS_KEPT_MS = 30 * DAY_MS
"""A journal that was restored from a copy a month old finds all events since on the topic. Older
ones are in the archive; at forty million events a year, a month of them is 2 GB."""

LANES_KEPT_MS = 7 * DAY_MS
"""What waits for a carrier that is away over the longest holidays is past its validity before."""

PARKED_KEPT_MS = 7 * DAY_MS
"""A receipt is tried for a day; the rest is for workers that were away."""

OUTCOMES_KEPT_MS = 14 * DAY_MS
"""What an upstream system finds that was away; whoever was away for longer asks the API."""

INBOUND_KEPT_MS = 30 * DAY_MS
"""What citizens wrote is kept until somebody serves it, or a month."""

SPARE_MS = DAY_MS
"""Between the end of the longest validity and the first that may be deleted: what is past it has to
be read, so that it ends as expired."""

LARGEST_BYTES = 2_097_152
"""Of a batch: the largest record that is published (`streams.kafka_topics`), and room for its
headers."""


class Topic(NamedTuple):
    """A topic as it must be: records are kept for ``kept_ms``, and never less than ``least_ms``."""

    name: str
    kept_ms: int
    least_ms: int


class Found(NamedTuple):
    """A topic as the brokers have it."""

    partitions: int
    replicas: int
    configs: Mapping[str, str]


def plan(lanes: Iterable[str], longest_ms: int) -> list[Topic]:
    """All topics of a hub with these lanes, where no message is valid for more than
    ``longest_ms``."""
    least_ms = longest_ms + SPARE_MS
    lanes_ms = max(LANES_KEPT_MS, least_ms)
    return [
        Topic(EVENTS, EVENTS_KEPT_MS, DAY_MS),
        *(
            Topic(dispatch_topic(lane, urgent), lanes_ms, least_ms)
            for lane in lanes
            for urgent in (False, True)
        ),
        Topic(PARKED, PARKED_KEPT_MS, 2 * DAY_MS),
        Topic(OUTCOMES, OUTCOMES_KEPT_MS, DAY_MS),
        Topic(INBOUND, INBOUND_KEPT_MS, DAY_MS),
    ]


def configs(topic: Topic, replicas: int) -> dict[str, str]:
    """What a new topic is made with."""
    return {
        "cleanup.policy": "delete",
        "retention.ms": str(topic.kept_ms),
        "retention.bytes": "-1",  # by time alone: a burst must not push out what is valid
        # by the time of arrival: whoever produces with a clock that is slow would lose records
        "message.timestamp.type": "LogAppendTime",
        "max.message.bytes": str(LARGEST_BYTES),
        "min.insync.replicas": str(_in_sync(replicas)),
    }


def shortcomings(topic: Topic, found: Found) -> dict[str, str]:
    """Configurations of a topic under which it would lose or refuse records, with the value each
    should have. One that keeps more than it must is right."""
    wanted = configs(topic, found.replicas)
    least = {
        "retention.ms": topic.least_ms,
        "max.message.bytes": LARGEST_BYTES,
        "min.insync.replicas": _in_sync(found.replicas),
    }
    return {
        name: value
        for name, value in wanted.items()
        if not _suffices(found.configs[name], value, least.get(name))
    }


def differences(topic: Topic, partitions: int, found: Found | None) -> list[str]:
    """A sentence for each thing that is wrong with a topic."""
    if found is None:
        return ["it is missing"]
    wrong = []
    if found.partitions != partitions:
        wrong.append(f"it has {found.partitions} partitions, not {partitions}")
    for name, value in shortcomings(topic, found).items():
        if name == "retention.ms":
            kept, least = _hours(int(found.configs[name])), _hours(topic.least_ms)
            wrong.append(f"records are kept for {kept}, and are needed for {least}")
        else:
            wrong.append(f"{name} is {found.configs[name]}, not {value}")
    return wrong


def _suffices(now: str, wanted: str, least: int | None) -> bool:
    if least is None:
        return now == wanted
    return int(now) >= least or int(now) == -1  # without end


def _in_sync(replicas: int) -> int:
    """Of three or more copies two must have a record before it counts as safe, so that it outlasts
    a broker; with fewer, one that is away must not stop everything."""
    return 2 if replicas > 2 else 1


def _hours(ms: int) -> str:
    return f"{ms / HOUR_MS:g} h"
