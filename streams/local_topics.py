"""Topics of the one-process bed: one SQLite file of its own, apart from the journal's.

One process has the file. What it published and did not acknowledge comes again after a restart;
values are sealed before they get here.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from streams import sqlite
from streams.group_writer import Closed, GroupWriter
from streams.topics import Record, TopicsClosed, TopicsRefused, TopicsUnavailable

# A poll is held in memory as a whole; a step that asks for more would wait for it too long.
POLL_LIMIT = 10_000

# 4 MiB, what a busy commit writes: records are written once, and deleted by others than came last.
# A larger cache only keeps a backlog in memory.
CACHE_KIB = 4_096

_CREATE = (
    "CREATE TABLE IF NOT EXISTS topic_log (topic TEXT NOT NULL, off INTEGER NOT NULL,"
    " key BLOB NOT NULL, value BLOB NOT NULL, PRIMARY KEY (topic, off)) STRICT, WITHOUT ROWID"
)
_EXTENT = "SELECT topic, min(off), max(off) FROM topic_log GROUP BY topic"
_INSERT = "INSERT INTO topic_log (topic, off, key, value)"
_DELETE = "DELETE FROM topic_log WHERE topic = ? AND off <= ?"
_POLL = (
    "SELECT key, value, off FROM topic_log WHERE topic = ? AND off > ? AND off <= ?"
    " ORDER BY off LIMIT ?"
)


class _Topic:
    """What there is of a topic; offsets are without gaps, so that counting is subtracting."""

    __slots__ = ("acknowledged", "last", "name", "polled")

    def __init__(self, name: str, acknowledged: int = 0, last: int = 0) -> None:
        self.name = name
        self.acknowledged = acknowledged  # everything up to here is done with
        self.polled = acknowledged
        self.last = last  # everything up to here is safe on the disk


_Publication = list[tuple[_Topic, Sequence[Record]]]

ACKNOWLEDGE_S = 0.1
"""An acknowledgement goes to the disk with the next publication, or after this: one that is lost
only brings back what every step knows how to meet again, and a write of its own costs as much as
the records it is about."""


class SqliteTopics:
    """`streams.topics.Topics` on a file, which is made when it is missing.

    For the tasks of one event loop.
    """

    def __init__(self, path: str | Path, *, synced: bool = True) -> None:
        self._writing = sqlite.connect(path, synced=synced, cache_kib=CACHE_KIB)
        self._writing.execute(_CREATE)
        self._reading = sqlite.connect(path, read_only=True)
        self._topics = {
            name: _Topic(name, first - 1, last)
            for name, first, last in self._reading.execute(_EXTENT)
        }
        self._done: dict[_Topic, int] = {}  # acknowledged, not yet written
        self._later: asyncio.TimerHandle | None = None
        self._closed = False
        self._alone: asyncio.Task[None] | None = None
        self._writer = GroupWriter[_Publication, None](self._begin, nobodys=TopicsUnavailable)

    async def close(self) -> None:
        """Write what waits, then let go of the file."""
        self._closed = True
        if self._later is not None:
            self._later.cancel()
        await self._writer.close()
        if self._done:
            self._begin([])()
        self._reading.close()
        self._writing.close()

    async def publish(self, batches: Mapping[str, Sequence[Record]]) -> None:
        known = [(self._topic(name), records) for name, records in batches.items() if records]
        if known:
            try:
                await self._writer.bring(known, sum(len(records) for _, records in known))
            except Closed as closed:
                raise TopicsClosed("the topics are closed") from closed

    async def poll(self, topic: str, limit: int) -> list[Record]:
        assert limit > 0
        known = self._topic(topic)
        if known.polled >= known.last:
            return []
        return self._poll(known, limit)

    async def acknowledge(self, topic: str, offset: int) -> None:
        if self._closed:
            raise TopicsClosed("the topics are closed")
        known = self._topic(topic)
        known.acknowledged = max(known.acknowledged, min(offset, known.last))
        self._done[known] = known.acknowledged
        if self._later is None:
            loop = asyncio.get_running_loop()
            self._later = loop.call_later(ACKNOWLEDGE_S, self._write_acknowledged)

    def backlog(self) -> dict[str, tuple[int, int]]:
        """How many records each topic holds, and the offset of the oldest; without empty ones."""
        return {
            topic.name: (topic.last - topic.acknowledged, topic.acknowledged + 1)
            for topic in self._topics.values()
            if topic.last > topic.acknowledged
        }

    def _topic(self, name: str) -> _Topic:
        if name not in self._topics:
            self._topics[name] = _Topic(name)
        return self._topics[name]

    def _write_acknowledged(self) -> None:
        self._later = None
        if self._done and not self._closed:
            self._alone = asyncio.get_running_loop().create_task(self._acknowledge_alone())

    async def _acknowledge_alone(self) -> None:
        try:
            await self._writer.bring([], 0)
        except TopicsUnavailable:  # the next publication says so, to whom it matters
            self._later = asyncio.get_running_loop().call_later(
                ACKNOWLEDGE_S, self._write_acknowledged
            )

    def _begin(self, publications: Sequence[_Publication]) -> Callable[[], list[None]]:
        """All of these, and what was acknowledged, in one transaction."""
        lasts: dict[_Topic, int] = {}
        rows: list[tuple[str, int, bytes, bytes]] = []
        for batches in publications:
            for topic, records in batches:
                first = lasts.get(topic, topic.last) + 1
                rows += [
                    (topic.name, offset, record.key, record.value)
                    for offset, record in enumerate(records, first)
                ]
                lasts[topic] = first + len(records) - 1
        return partial(self._finish, rows, dict(self._done), lasts, len(publications))

    def _finish(
        self,
        rows: Sequence[tuple[str, int, bytes, bytes]],
        done: Mapping[_Topic, int],
        lasts: Mapping[_Topic, int],
        publications: int,
    ) -> list[None]:
        """Write; what is known of the topics follows the disk."""
        with _transaction(self._writing):
            sqlite.insert_rows(self._writing, _INSERT, rows)
            for topic, offset in done.items():
                self._writing.execute(_DELETE, (topic.name, offset))
        for topic, offset in done.items():
            if self._done[topic] == offset:  # else more was acknowledged meanwhile
                del self._done[topic]
        for topic, last in lasts.items():
            topic.last = last
        return [None] * publications

    def _poll(self, topic: _Topic, limit: int) -> list[Record]:
        last = topic.last
        with _translated():
            values = (topic.name, topic.polled, last, min(limit, POLL_LIMIT))
            records = list(map(Record._make, self._reading.execute(_POLL, values)))
        # none: they were acknowledged without being polled
        topic.polled = records[-1].offset if records else last
        return records


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    with _translated():
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            connection.execute("COMMIT")
        except BaseException:
            connection.rollback()
            raise


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        match sqlite.trouble(error):
            case sqlite.Trouble.LOCKED | sqlite.Trouble.AWAY:
                raise TopicsUnavailable(str(error)) from error
            case sqlite.Trouble.REFUSED:
                raise TopicsRefused(str(error)) from error
        raise
