"""What topics keep, whatever carries them: a suite to inherit.

A carrier joins with a subclass and one fixture, ``bench``, that gives two empty topics, ``bench.a``
and ``bench.b``, and a reader that starts again where it had acknowledged.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol

import pytest

from streams.topics import Publishing, Record, TopicsClosed

KEYS = 7
SLICE = 20


class Bench(Protocol):
    """Topics under test."""

    a: str
    b: str

    @property
    def topics(self) -> Publishing: ...

    async def read(self, topic: str, count: int) -> list[Record]:
        """Begin where the last reader had acknowledged, read ``count`` records, acknowledge them
        and nothing else, and end. ``count`` is everything there, or divisible by `SLICE`."""

    async def close(self) -> None:
        """Close the topics."""


def records(first: int, count: int) -> Sequence[Record]:
    """Numbered, each with one of a few keys."""
    return [Record(b"r-%d" % (n % KEYS), n.to_bytes(4, "big")) for n in range(first, first + count)]


def numbers(found: Sequence[Record]) -> list[int]:
    return [int.from_bytes(record.value, "big") for record in found]


class TopicsContract:
    async def test_everything_published_is_read_once(self, bench: Bench) -> None:
        await bench.topics.publish({bench.a: records(0, 2_000), bench.b: records(5_000, 3)})
        await bench.topics.publish({bench.a: records(2_000, 1)})
        assert sorted(numbers(await bench.read(bench.a, 2_001))) == [*range(2_001)]
        assert sorted(numbers(await bench.read(bench.b, 3))) == [5_000, 5_001, 5_002]

    async def test_records_of_one_key_stay_in_order(self, bench: Bench) -> None:
        for first in range(0, 1_000, 100):
            await bench.topics.publish({bench.a: records(first, 100)})
        found = await bench.read(bench.a, 1_000)
        for key in range(KEYS):
            of_key = [n for n in numbers(found) if n % KEYS == key]
            assert of_key == sorted(of_key)

    async def test_many_publish_at_once(self, bench: Bench) -> None:
        publishing = [bench.topics.publish({bench.a: records(n * 5, 5)}) for n in range(200)]
        await asyncio.gather(*publishing)
        assert sorted(numbers(await bench.read(bench.a, 1_000))) == [*range(1_000)]

    async def test_nothing_to_publish_is_nothing(self, bench: Bench) -> None:
        await bench.topics.publish({})
        await bench.topics.publish({bench.a: [], bench.b: records(1, 1)})
        assert numbers(await bench.read(bench.b, 1)) == [1]

    async def test_any_bytes_come_back_as_they_were(self, bench: Bench) -> None:
        strange = [
            Record(b"", b"\0"),
            Record("王-1".encode(), bytes(range(256))),
            Record(b"\0\xff", b""),
            Record(b"large", bytes(1_000_000)),
        ]
        await bench.topics.publish({bench.a: strange})
        found = await bench.read(bench.a, len(strange))
        assert sorted((r.key, r.value) for r in found) == sorted((r.key, r.value) for r in strange)

    async def test_a_reader_begins_where_the_last_one_had_acknowledged(self, bench: Bench) -> None:
        await bench.topics.publish({bench.a: [Record(b"r-1", bytes([n])) for n in range(100)]})
        assert [r.value[0] for r in await bench.read(bench.a, 2 * SLICE)] == [*range(40)]
        assert [r.value[0] for r in await bench.read(bench.a, 60)] == [*range(40, 100)]

    async def test_after_close_nothing_is_taken(self, bench: Bench) -> None:
        await bench.topics.publish({bench.a: records(1, 1)})
        await bench.close()
        with pytest.raises(TopicsClosed):
            await bench.topics.publish({bench.a: records(2, 1)})
