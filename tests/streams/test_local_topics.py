"""What is published stays until it is acknowledged, and comes again after a restart."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from streams.local_topics import CACHE_KIB, SqliteTopics
from streams.topics import Record, TopicsClosed, TopicsRefused, TopicsUnavailable
from tests.contracts.topics_contract import TopicsContract


def records(*values: int) -> Sequence[Record]:
    return [Record(b"r-1", value.to_bytes(2, "big")) for value in values]


def values(found: Sequence[Record]) -> list[int]:
    return [int.from_bytes(record.value, "big") for record in found]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "topics.db"


@pytest.fixture
async def topics(path: Path) -> AsyncIterator[SqliteTopics]:
    topics = SqliteTopics(path)
    yield topics
    await topics.close()


class LocalBench:
    a, b = "a", "b"

    def __init__(self, path: Path) -> None:
        self._path = path
        self.topics = SqliteTopics(path)

    async def read(self, topic: str, count: int) -> list[Record]:
        await self.topics.close()
        self.topics = SqliteTopics(self._path)
        found = await self.topics.poll(topic, count)
        await self.topics.acknowledge(topic, found[-1].offset)
        return found

    async def close(self) -> None:
        await self.topics.close()


class TestSqliteTopics(TopicsContract):
    @pytest.fixture
    async def bench(self, path: Path) -> AsyncIterator[LocalBench]:
        bench = LocalBench(path)
        yield bench
        if not bench.topics._closed:
            await bench.close()


async def test_records_come_once_and_in_order(topics: SqliteTopics) -> None:
    await topics.publish({"a": records(1, 2), "b": records(9)})
    await topics.publish({"a": records(3)})
    assert values(await topics.poll("a", 2)) == [1, 2]
    assert await topics.poll("a", 9) == [Record(b"r-1", b"\0\3", 3)]
    assert await topics.poll("a", 9) == []
    assert values(await topics.poll("b", 9)) == [9]
    assert await topics.poll("unheard of", 9) == []


async def test_what_is_not_acknowledged_comes_again_after_a_restart(path: Path) -> None:
    before = SqliteTopics(path)
    await before.publish({"a": records(1, 2, 3, 4)})
    await before.poll("a", 9)
    await before.acknowledge("a", 2)
    await before.close()
    after = SqliteTopics(path)
    assert after.backlog() == {"a": (2, 3)}
    assert values(await after.poll("a", 9)) == [3, 4]
    await after.publish({"a": records(5)})
    assert values(await after.poll("a", 9)) == [5]
    await after.close()


async def test_backlog_counts_what_is_held(topics: SqliteTopics) -> None:
    assert topics.backlog() == {}
    await topics.publish({"a": records(1, 2, 3), "b": records(1), "c": []})
    assert topics.backlog() == {"a": (3, 1), "b": (1, 1)}
    await topics.acknowledge("a", 2)
    await topics.acknowledge("a", 1)  # late: nothing comes back
    await topics.acknowledge("b", 99)
    assert topics.backlog() == {"a": (1, 3)}
    await topics.publish({"b": records(2)})
    assert topics.backlog() == {"a": (1, 3), "b": (1, 2)}
    assert values(await topics.poll("b", 9)) == [2]


async def test_a_backlog_lies_on_the_disk_and_not_in_memory(topics: SqliteTopics) -> None:
    [(kept_kib,)] = topics._writing.execute("PRAGMA cache_size")  # negative: not in pages
    assert kept_kib == -CACHE_KIB


async def test_many_publish_and_poll_at_once(topics: SqliteTopics) -> None:
    await asyncio.gather(*[topics.publish({"a": records(n)}) for n in range(1_500)])
    polls = await asyncio.gather(*[topics.poll("a", 100) for _ in range(20)])
    found = [record for poll in polls for record in poll]
    assert sorted(values(found)) == [*range(1_500)]
    assert sorted(record.offset for record in found) == [*range(1, 1_501)]
    assert topics.backlog() == {"a": (1_500, 1)}


async def test_a_record_that_is_refused_harms_nobody_else(topics: SqliteTopics) -> None:
    broken = topics.publish({"a": [Record(b"r-1", None)]})  # type: ignore[arg-type]
    good = [topics.publish({"a": records(n)}) for n in range(5)]
    answers = await asyncio.gather(broken, *good, return_exceptions=True)
    assert isinstance(answers[0], TopicsRefused)
    assert answers[1:] == [None] * 5
    assert values(await topics.poll("a", 9)) == [0, 1, 2, 3, 4]
    assert topics.backlog() == {"a": (5, 1)}


async def test_a_full_disk_loses_nothing(topics: SqliteTopics) -> None:
    await topics.publish({"a": records(1)})
    [(pages,)] = topics._writing.execute("PRAGMA page_count")
    topics._writing.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(TopicsUnavailable):
        await topics.publish({"a": [Record(b"r-1", bytes(100_000))]})
    topics._writing.execute("PRAGMA max_page_count = 100000")
    await topics.publish({"a": records(2)})
    assert values(await topics.poll("a", 9)) == [1, 2]


async def test_after_close_nothing_is_taken(path: Path) -> None:
    topics = SqliteTopics(path)
    publishing = asyncio.create_task(topics.publish({"a": records(1)}))
    await asyncio.sleep(0)
    await topics.close()
    await publishing
    with pytest.raises(TopicsClosed):
        await topics.publish({"a": records(2)})
    with pytest.raises(TopicsClosed):
        await topics.acknowledge("a", 1)
