"""Fail points: this process kills itself at a named place, as a power cut would end it.

    HUB_FAILPOINT=after_call:3 hub worker dispatcher

dies the third time that a carrier has answered and nothing of it is written. What stands there are
wrappers, put at composition around the journal, the topics, the carriers, the handlers and what the
read models follow; without the setting there are none, and no step knows of them.
"""

import asyncio
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar, cast

from streams.core import events as e
from streams.topics import ROUTED

if TYPE_CHECKING:  # a command that only reads its settings does not load the river
    from sqlalchemy import Connection

    from channels.base import Channel, Message, Outcome
    from streams.journal.base import Committed, Group, Journal, Row, Store, Timer
    from streams.kafka_bed import KafkaBed
    from streams.partition import Handler, Partition
    from streams.topics import Publishing, Record

    AnyTopics = TypeVar("AnyTopics", bound=Publishing)

POINTS: Mapping[str, str] = {
    "after_poll": "records were taken from a topic; nothing was done with them",
    "before_route_commit": "decisions on new legs are written, the transaction is open",
    "after_route_commit": "they are committed, and not published",
    "mid_publish": "half of a publication is on the topics",
    "after_publish": "all of it is; its input is not acknowledged",
    "after_input_ack": "the input is acknowledged",
    "before_intent_commit": "intents are written, the transaction is open",
    "after_intent_commit": "they are committed; no carrier was called",
    "mid_batch_call": "half of a batch was handed over",
    "after_call": "all of it was answered; nothing of it is written",
    "before_outcome_commit": "outcomes are written, the transaction is open",
    "after_outcome_commit": "they are committed; their records are not acknowledged",
    "timer_after_claim": "what fell due is decided; it is not published, its timers still stand",
    "receipt_before_commit": "a report is written, the transaction is open",
    "receipt_after_commit": "it is committed; the carrier was not told that it was taken",
    "projection_mid_batch": "rows are counted in the read models, the transaction is open",
}
"""Every point, and what stands there when the process dies."""

_COMMITS: Mapping[tuple[str, str], tuple[type[e.Base], ...]] = {
    ("before_route_commit", "after_route_commit"): (e.Routed, e.Held, e.Suppressed),
    ("before_intent_commit", "after_intent_commit"): (e.AttemptIntended,),
    ("before_outcome_commit", "after_outcome_commit"): (
        e.Accepted, e.NotSent, e.Throttled, e.Refused,
    ),
    ("receipt_before_commit", "receipt_after_commit"): (e.Delivered, e.Undelivered, e.Read),
}  # fmt: skip
"""The points around a commit, by what it writes."""

_POINTS_OF = {kind.__name__: points for points, kinds in _COMMITS.items() for kind in kinds}


class FailPoint:
    """The one point of this process: ``text`` is ``name:n``, to die at its n-th passing.

    Raises ValueError, which lists the points when there is none of that name.
    """

    def __init__(self, text: str) -> None:
        self.name, _, nth = text.partition(":")
        if self.name not in POINTS:
            raise ValueError(f"there is no point {self.name!r}; there are {', '.join(POINTS)}")
        if not nth.isdecimal() or int(nth) < 1:
            raise ValueError(f"{text!r} is not {self.name}:n, n counting from 1")
        self._left = int(nth)
        self._text = text

    def is_due(self, name: str) -> bool:
        """A point is passed: whether this is where to die."""
        if name != self.name:
            return False
        self._left -= 1
        return self._left == 0

    def passed(self, name: str) -> None:
        if self.is_due(name):
            self.die()

    def die(self) -> None:
        """At once: nothing is flushed, closed or said to anybody but whoever reads the log."""
        os.write(2, f"died at {self._text}\n".encode())
        os.kill(os.getpid(), signal.SIGKILL)


def point_of(text: str) -> FailPoint | None:
    """The setting's point, if it names one."""
    return FailPoint(text) if text else None


# What is wrapped at composition: as it is, where there is no point --------------------------------


def around_journal(journal: "Journal", point: FailPoint | None) -> "Journal":
    """The journal as the steps see it."""
    return cast("Journal", _Journal(journal, point)) if point else journal


def around_topics(topics: "AnyTopics", point: FailPoint | None) -> "AnyTopics":
    return cast("AnyTopics", _Topics(topics, point)) if point else topics


def around_channels(
    channels: "Mapping[str, Channel]", point: FailPoint | None
) -> "Mapping[str, Channel]":
    if point is None:
        return channels
    return {name: cast("Channel", _Channel(one, point)) for name, one in channels.items()}


def around_followed(store: "Store", point: FailPoint | None) -> "Store":
    """The journal's database as the read models follow it."""
    return cast("Store", _Followed(store, point)) if point else store


def around_handlers(
    handlers: "Mapping[str, Handler]", point: FailPoint | None
) -> "Mapping[str, Handler]":
    """What a worker serves of Kafka's topics."""
    if point is None:
        return handlers
    return {topic: _dying(handler, point) for topic, handler in handlers.items()}


def around_bed(bed: "KafkaBed", point: FailPoint | None) -> None:
    """What a worker tells Kafka. In the loop that runs the bed, before it runs."""
    if point is not None:
        bed.app.transport.Consumer = _consumer(point)  # type: ignore[misc]  # this one's alone


class _Wrapper:
    """Everything but what its subclasses say goes through."""

    def __init__(self, inner: Any, point: FailPoint) -> None:
        self._inner = inner
        self._point = point

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class _Journal(_Wrapper):
    def __init__(self, inner: Any, point: FailPoint) -> None:
        super().__init__(inner, point)
        self._serving: asyncio.Task[Any] | None = None
        """Who has timers in hand that are due."""

    async def append(self, group: "Group") -> "Committed":
        commits = {
            _POINTS_OF[name]: None  # in the order of the rows, each once
            for unit in group.units
            for row in unit.rows
            if (name := row.type.partition(".")[0]) in _POINTS_OF
        }

        def before(_: "Connection") -> None:
            for point, _after in commits:
                self._point.passed(point)

        committed: Committed = await self._inner.append(
            group._replace(effects=[*group.effects, before])
        )
        for _before, point in commits:
            self._point.passed(point)
        if any(unit.rows for unit in group.units) and self._serving is asyncio.current_task():
            self._point.passed("timer_after_claim")
        return committed

    async def due(self, now_ms: int, limit: int) -> "list[Timer]":
        timers: list[Timer] = await self._inner.due(now_ms, limit)
        self._serving = asyncio.current_task() if timers else None
        return timers

    async def delete_timers(self, timers: "Sequence[Timer]") -> None:
        self._serving = None
        await self._inner.delete_timers(timers)


class _Topics(_Wrapper):
    async def publish(self, batches: "Mapping[str, Sequence[Record]]") -> None:
        if not batches.keys().isdisjoint(
            ROUTED
        ):  # by the door: whoever brings them has not been answered yet
            await self._inner.publish(batches)
            return
        count = sum(map(len, batches.values()))
        if count > 1 and self._point.is_due("mid_publish"):
            await self._inner.publish(_half(batches, count // 2))
            self._point.die()
        await self._inner.publish(batches)
        self._point.passed("after_publish")

    async def poll(self, topic: str, limit: int) -> "list[Record]":
        records: list[Record] = await self._inner.poll(topic, limit)
        if records:
            self._point.passed("after_poll")
        return records

    async def acknowledge(self, topic: str, offset: int) -> None:
        await self._inner.acknowledge(topic, offset)
        self._point.passed("after_input_ack")


def _half(batches: "Mapping[str, Sequence[Record]]", count: int) -> "dict[str, Sequence[Record]]":
    """The first so many records."""
    half = {}
    for topic, records in batches.items():
        half[topic] = records[:count]
        count -= len(half[topic])
    return half


class _Channel(_Wrapper):
    async def send(
        self, lane: str, messages: "Sequence[Message]", close_ms: int
    ) -> "list[Outcome | None]":
        if len(messages) > 1 and self._point.is_due("mid_batch_call"):
            await self._inner.send(lane, messages[: len(messages) // 2], close_ms)
            self._point.die()
        outcomes: list[Outcome | None] = await self._inner.send(lane, messages, close_ms)
        self._point.passed("after_call")
        return outcomes


class _Followed(_Wrapper):
    """Between reading rows and committing what they add up to lies one transaction."""

    _counting = False

    def since(self, pos: int, limit: int) -> "list[Row]":
        rows: list[Row] = self._inner.since(pos, limit)
        self._counting = bool(rows)
        return rows

    @contextmanager
    def transaction(self) -> "Iterator[Connection]":
        with self._inner.transaction() as connection:
            yield connection
            if self._counting:
                self._counting = False
                self._point.passed("projection_mid_batch")


def _dying(handler: "Handler", point: FailPoint) -> "Handler":
    async def serve(partition: "Partition", records: "Sequence[Record]") -> bool:
        point.passed("after_poll")
        return await handler.serve(partition, records)

    return handler._replace(serve=serve)


def _consumer(point: FailPoint) -> type:
    from streams.slices import SliceConsumer

    class Dying(SliceConsumer):
        async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
            done = await super().commit(topics, start_new_transaction)
            if done and any(partition.served for partition in self.held):
                point.passed("after_input_ack")
            return done

    return Dying
