"""A process that is told to die at a point dies there, and what is at risk there is at risk."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from channels.base import Message
from channels.sandbox_model import Faults
from hub.clock import Virtual
from hub.failpoints import (
    POINTS,
    FailPoint,
    around_channels,
    around_followed,
    around_handlers,
    around_journal,
    around_topics,
    point_of,
)
from hub.settings import SettingsError, load
from streams.core.events import JournalEvent
from streams.journal.base import Group, Timer, Unit
from streams.journal.group import GroupCommit
from streams.journal.sqlite import SqliteStore
from streams.local_topics import SqliteTopics
from streams.partition import Handler, Partition
from streams.pipeline.river import entry
from streams.projections.following import Follower, create
from streams.topics import EVENTS, Record
from tests.hub.test_settings import PRODUCTION
from tests.streams.core.journal_samples import EVERY_EVENT
from tests.streams.small_hub import Direct

STREAM = b"s" * 16
NOW_MS = 1_795_485_600_000
ROUTED, INTENDED, ACCEPTED, DELIVERED = (
    EVERY_EVENT[name] for name in ("Routed", "AttemptIntended", "Accepted", "Delivered")
)


class Died(Exception):  # noqa: N818 - what a process does
    """Where the process would not be any more."""


class Dying(FailPoint):
    """A point at which a test goes on, to look at what is left."""

    def die(self) -> None:
        raise Died


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(tmp_path / "hub.db")
    yield store
    store.close()


@pytest.fixture
async def journal(store: SqliteStore) -> AsyncIterator[GroupCommit]:
    journal = GroupCommit(store, Virtual(NOW_MS))
    yield journal
    await journal.close()


@pytest.fixture
async def topics(tmp_path: Path) -> AsyncIterator[SqliteTopics]:
    topics = SqliteTopics(tmp_path / "topics.db")
    yield topics
    await topics.close()


def unit(version: int, event: JournalEvent) -> Unit:
    return Unit((entry(STREAM, version, event),))


def types(store: SqliteStore) -> list[str]:
    return [row.type for row in store.since(0, 100)]


class TestTheSetting:
    def test_there_are_sixteen(self) -> None:
        assert len(POINTS) == 16

    def test_nothing_is_wrapped_without_it(self, store: SqliteStore, topics: SqliteTopics) -> None:
        assert point_of(load({}).failpoint) is None
        assert around_topics(topics, None) is topics
        assert around_followed(store, None) is store

    def test_an_unknown_point_is_answered_with_all_there_are(self) -> None:
        with pytest.raises(SettingsError) as error:
            load({"HUB_FAILPOINT": "after_lunch:1"})
        assert "there is no point 'after_lunch'" in str(error.value)
        assert all(point in str(error.value) for point in POINTS)

    @pytest.mark.parametrize("text", ["after_call", "after_call:", "after_call:0", "after_call:x"])
    def test_a_point_needs_a_number(self, text: str) -> None:
        with pytest.raises(SettingsError, match="after_call:n, n counting from 1"):
            load({"HUB_FAILPOINT": text})

    def test_production_refuses_it(self) -> None:
        with pytest.raises(SettingsError, match="failpoint must not be set in production"):
            load({**PRODUCTION, "HUB_FAILPOINT": "after_call:1"})

    def test_the_nth_passing_counts(self) -> None:
        point = FailPoint("after_call:3")
        assert [point.is_due("after_call") for _ in range(5)] == [False, False, True, False, False]
        assert not point.is_due("after_poll")


BEFORE = {
    "before_route_commit": [ROUTED],
    "before_intent_commit": [ROUTED, INTENDED],
    "before_outcome_commit": [ROUTED, INTENDED, ACCEPTED],
    "receipt_before_commit": [ROUTED, INTENDED, ACCEPTED, DELIVERED],
}
AFTER = {
    "after_route_commit": [ROUTED],
    "after_intent_commit": [ROUTED, INTENDED],
    "after_outcome_commit": [ROUTED, INTENDED, ACCEPTED],
    "receipt_after_commit": [ROUTED, INTENDED, ACCEPTED, DELIVERED],
}


class TestTheJournal:
    async def written(
        self, journal: GroupCommit, point: str, events: Sequence[JournalEvent]
    ) -> None:
        """A row each time; the last of them is where to die."""
        dying = around_journal(journal, Dying(f"{point}:1"))
        *before, last = enumerate(events, 1)
        for version, event in before:
            await dying.append(Group([unit(version, event)]))
        with pytest.raises(Died):
            await dying.append(Group([unit(*last)]))

    @pytest.mark.parametrize("point", BEFORE)
    async def test_dies_in_the_open_transaction(
        self, journal: GroupCommit, store: SqliteStore, point: str
    ) -> None:
        events = BEFORE[point]
        await self.written(journal, point, events)
        assert len(types(store)) == len(events) - 1

    @pytest.mark.parametrize("point", AFTER)
    async def test_dies_behind_the_commit(
        self, journal: GroupCommit, store: SqliteStore, point: str
    ) -> None:
        events = AFTER[point]
        await self.written(journal, point, events)
        assert len(types(store)) == len(events)

    async def test_a_claim_of_a_timer_is_what_follows_its_reading(
        self, journal: GroupCommit, store: SqliteStore
    ) -> None:
        timer = Timer(NOW_MS, STREAM, "release")
        await journal.append(Group([unit(1, ROUTED)._replace(timers=(timer,))]))
        dying = around_journal(journal, Dying("timer_after_claim:1"))
        await dying.append(Group([unit(2, INTENDED)]))  # another step's
        assert await dying.due(NOW_MS, 10) == [timer]
        with pytest.raises(Died):
            await dying.append(Group([unit(3, EVERY_EVENT["Unknown"])]))
        assert types(store)[-1] == "Unknown.1"
        assert store.due(NOW_MS, 10) == [timer]

    async def test_the_rest_goes_through(self, journal: GroupCommit) -> None:
        dying = around_journal(journal, Dying("after_call:1"))
        await dying.append(Group([unit(1, ROUTED)]))
        assert dying.head == 1
        assert list(await dying.read([STREAM])) == [STREAM]


class TestTheTopics:
    async def test_half_of_a_publication(self, topics: SqliteTopics) -> None:
        dying = around_topics(topics, Dying("mid_publish:2"))
        await dying.publish({"a": [Record(b"", b"1")]})  # has no half
        await dying.publish({"a": [Record(b"", b"2")], "b": [Record(b"", b"3")]})
        with pytest.raises(Died):
            await dying.publish({"a": [Record(b"", b"4")], "b": [Record(b"", b"5")]})
        assert [r.value for r in await topics.poll("a", 10)] == [b"1", b"2", b"4"]
        assert [r.value for r in await topics.poll("b", 10)] == [b"3"]

    async def test_all_of_it_but_not_what_the_door_publishes(self, topics: SqliteTopics) -> None:
        dying = around_topics(topics, Dying("after_publish:1"))
        await dying.publish({EVENTS: [Record(b"", b"1")]})
        with pytest.raises(Died):
            await dying.publish({"a": [Record(b"", b"2")]})
        assert len(await topics.poll("a", 10)) == 1

    async def test_what_was_polled(self, topics: SqliteTopics) -> None:
        dying = around_topics(topics, Dying("after_poll:1"))
        assert await dying.poll("a", 10) == []
        await dying.publish({"a": [Record(b"", b"1")]})
        with pytest.raises(Died):
            await dying.poll("a", 10)

    async def test_what_was_acknowledged(self, topics: SqliteTopics) -> None:
        dying = around_topics(topics, Dying("after_input_ack:1"))
        await dying.publish({"a": [Record(b"", b"1")]})
        with pytest.raises(Died):
            await dying.acknowledge("a", 1)
        assert topics.backlog() == {}

    async def test_what_was_handed_to_a_worker(self) -> None:
        served: list[Sequence[Record]] = []

        async def serve(partition: Partition, records: Sequence[Record]) -> bool:
            served.append(records)
            return True

        [handler] = around_handlers({"a": Handler(serve, 7)}, Dying("after_poll:2")).values()
        partition = Partition("a", 0, handler, lambda _: None)
        assert handler.slice_records == 7
        assert await handler.serve(partition, [Record(b"", b"1")])
        with pytest.raises(Died):
            await handler.serve(partition, [Record(b"", b"2")])
        assert len(served) == 1


class TestTheCarriers:
    @pytest.mark.parametrize(("point", "taken"), [("mid_batch_call", 2), ("after_call", 4)])
    async def test_half_of_a_batch_or_all(self, point: str, taken: int) -> None:
        clock = Virtual(NOW_MS)
        carrier = Direct(clock, Faults(answer_ms=0))
        [dying] = around_channels({"sandbox": carrier}, Dying(f"{point}:1")).values()
        batch = [Message(f"{i:032x}:2", "+8613800000000", "…", NOW_MS + 1_000) for i in range(4)]
        with pytest.raises(Died):
            await dying.send("sms-cmcc", batch, 0)
        assert len(carrier._sandbox.drain()) == taken


async def test_rows_are_counted_and_nothing_of_it_is_committed(
    journal: GroupCommit, store: SqliteStore
) -> None:
    create(store)
    await journal.append(Group([unit(1, ROUTED)]))
    with pytest.raises(Died):
        Follower(around_followed(store, Dying("projection_mid_batch:1"))).follow(10)
    assert Follower(store).follow(10) == 1, "it begins where it stood"
