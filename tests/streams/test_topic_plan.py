"""Which topics there must be, and what is wrong with those there are."""

from dataclasses import dataclass

import pytest

from streams.kafka_topics import RECORD_BYTES
from streams.topic_plan import (
    DAY_MS,
    HOUR_MS,
    LARGEST_BYTES,
    Found,
    Topic,
    configs,
    differences,
    plan,
    shortcomings,
)

LONGEST_MS = 72 * HOUR_MS
LANE = Topic("dispatch.sms", 7 * DAY_MS, LONGEST_MS + DAY_MS)


@dataclass
class Have:
    """A topic as it should be, except for what a test says."""

    partitions: int = 12
    replicas: int = 3

    def but(self, **changed: str) -> Found:
        renamed = {name.replace("_", "."): value for name, value in changed.items()}
        return Found(self.partitions, self.replicas, configs(LANE, 3) | renamed)


def test_every_lane_has_a_normal_and_an_urgent_topic() -> None:
    names = [topic.name for topic in plan(["sms", "mail"], LONGEST_MS)]
    assert names == [
        "events", "dispatch.sms", "dispatch.sms.urgent", "dispatch.mail", "dispatch.mail.urgent",
        "parked", "outcomes", "inbound",
    ]  # fmt: skip


@pytest.mark.parametrize("longest_ms", [HOUR_MS, LONGEST_MS, 90 * DAY_MS])
def test_a_lane_keeps_records_longer_than_any_message_is_valid(longest_ms: int) -> None:
    for topic in plan(["sms"], longest_ms):
        assert topic.kept_ms >= topic.least_ms
        if topic.name.startswith("dispatch"):
            assert topic.least_ms > longest_ms


def test_the_largest_record_fits_into_a_batch() -> None:
    assert LARGEST_BYTES > RECORD_BYTES


def test_what_is_made_is_right() -> None:
    for topic in plan(["sms"], LONGEST_MS):
        for replicas in (1, 2, 3):
            assert differences(topic, 12, Found(12, replicas, configs(topic, replicas))) == []


def test_a_topic_may_keep_more_than_it_must() -> None:
    assert differences(LANE, 12, Have().but(retention_ms="-1", max_message_bytes="9999999")) == []
    assert differences(LANE, 12, Have().but(min_insync_replicas="3")) == []


def test_one_broker_less_stops_nobody_and_loses_nothing() -> None:
    assert configs(LANE, 1)["min.insync.replicas"] == "1"
    assert configs(LANE, 2)["min.insync.replicas"] == "1"
    assert configs(LANE, 3)["min.insync.replicas"] == "2"


@pytest.mark.parametrize(
    ("found", "wrong"),
    [
        (None, "it is missing"),
        (Have(partitions=6).but(), "it has 6 partitions, not 12"),
        (
            Have().but(retention_ms=str(95 * HOUR_MS)),
            "records are kept for 95 h, and are needed for 96 h",
        ),
        (Have().but(retention_bytes="1000"), "retention.bytes is 1000, not -1"),
        (Have().but(cleanup_policy="compact"), "cleanup.policy is compact, not delete"),
        (
            Have().but(message_timestamp_type="CreateTime"),
            "message.timestamp.type is CreateTime, not LogAppendTime",
        ),
        (Have().but(max_message_bytes="1048588"), "max.message.bytes is 1048588, not 2097152"),
        (Have().but(min_insync_replicas="1"), "min.insync.replicas is 1, not 2"),
    ],
)
def test_what_is_wrong_is_said(found: Found | None, wrong: str) -> None:
    assert differences(LANE, 12, found) == [wrong]


def test_what_is_mended_is_right() -> None:
    found = Have().but(retention_ms="1", cleanup_policy="compact", retention_bytes="5")
    mended = shortcomings(LANE, found)
    assert set(mended) == {"retention.ms", "cleanup.policy", "retention.bytes"}
    assert differences(LANE, 12, found._replace(configs=dict(found.configs) | mended)) == []
