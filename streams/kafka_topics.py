"""Topics on Kafka: what is published is with every replica that counts when `publish` returns.

A publication goes out as one batch of records for each partition, which costs a third of sending
them one by one. The partition is a hash of the key, the one every client of Kafka uses, so that
whoever else keys records by recipient lands in the same partition.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, ProducerClosed

from streams.clock import Clock
from streams.partitioner import partition_of
from streams.topics import Record, TopicsClosed, TopicsRefused, TopicsUnavailable

BATCH_BYTES = 262_144
"""Of a batch: large enough that its header and its round trip cost nothing, and well below what a
broker takes."""

RECORD_BYTES = 1_048_576
"""The largest key and value together; topics are made to take it (`streams.topic_plan`). A notice
is a thousandth of it."""

ANSWER_MS = 20_000
"""How long a broker may take over a request before it is asked again."""

RETRY_MS = 200
"""Between two tries of what a broker did not take."""

LOOK_S = 4
"""A broker that says nothing for so long when it is asked how it is counts as away."""

CLOSE_S = 10
"""How long the end waits for brokers that are away, before it gives up what is being published:
nobody was told that it is safe."""

_log = logging.getLogger("fenghuo.kafka")

Batches = Mapping[str, Sequence[Record]]
Part = tuple[str, int, list[Record]]
"""Topic, partition, and what is for it."""


class KafkaTopics:
    """`streams.topics.Publishing` on the brokers (host:port,host:port), for one event loop.

    While the brokers are away a publication waits: for ``patience_s`` seconds, and then raises
    `TopicsUnavailable`; by default for ever. Memory is bounded by the callers: each waits for its
    publication before it brings the next. A publication that had to be tried again may be there
    twice; every reader of the river expects that.
    """

    def __init__(self, brokers: str, clock: Clock, *, patience_s: float | None = None) -> None:
        self._brokers = brokers
        self._clock = clock
        self._patience_s = patience_s
        self._line: _Line | None = None
        self._starting = asyncio.Lock()
        self._stopping: set[asyncio.Task[None]] = set()
        self._closed = False
        self.wrong = ""
        """What :meth:`look` found."""

        self._narrow: set[str] = set()  # topics that take less than our batches

    async def close(self) -> None:
        """Let what is being published be answered, then let go of the brokers."""
        self._closed = True
        self._replace(self._line)
        await asyncio.gather(*self._stopping)

    async def look(self) -> None:
        """Ask the brokers something; ``wrong`` says from then on whether nobody answered."""
        try:
            async with asyncio.timeout(LOOK_S):
                line = await self._started()
                await line.producer.client.fetch_all_metadata()
        except (KafkaError, TimeoutError):
            self.wrong = "the brokers do not answer"
        except TopicsClosed:
            return
        else:
            self.wrong = ""

    async def publish(self, batches: Batches) -> None:
        left: Batches = {topic: records for topic, records in batches.items() if records}
        _refuse_large(left)
        try:
            async with asyncio.timeout(self._patience_s):
                while left:
                    left = await self._try(left)
        except TimeoutError as error:
            raise TopicsUnavailable("the brokers do not answer") from error

    async def _try(self, batches: Batches) -> Batches:
        """Publish them; what was not taken, to be tried again after a while."""
        line = await self._started()
        try:
            parts = await _by_partition(line.producer, batches)
            taken = await line.send(parts)
        except KafkaError as error:
            _log.warning("nothing was published, a topic is missing: %r", error)
            return batches
        left: dict[str, list[Record]] = {}
        for (topic, partition, records), failure in zip(parts, taken, strict=True):
            match failure:
                case None:
                    continue
                case MessageSizeTooLargeError():
                    self._replace(line)
                    raise TopicsRefused(f"a record for {topic} is too large there") from failure
                case KafkaError():
                    _log.warning("not published to %s/%d: %r", topic, partition, failure)
                    left.setdefault(topic, []).extend(records)
                case _:
                    raise failure
        if left:
            # It numbers what it sends to a partition; after a loss, the numbers fit no more.
            self._replace(line)
            await self._clock.sleep_ms(RETRY_MS)
        return left

    async def _started(self) -> "_Line":
        """Once a broker has let us in."""
        while True:
            async with self._starting:
                if self._closed:
                    raise TopicsClosed("the topics are closed")
                if self._line is None:
                    self._line = await self._start()
                if self._line is not None:
                    return self._line
            await self._clock.sleep_ms(RETRY_MS)

    async def _start(self) -> "_Line | None":
        producer = AIOKafkaProducer(
            bootstrap_servers=self._brokers,
            acks="all",
            enable_idempotence=True,
            max_batch_size=BATCH_BYTES,
            max_request_size=2 * RECORD_BYTES,
            request_timeout_ms=ANSWER_MS,
        )
        try:
            await producer.start()
        except KafkaError as error:
            _log.warning("no broker at %s: %r", self._brokers, error)
            await producer.stop()
            return None
        except BaseException:
            await producer.stop()
            raise
        return _Line(producer, self._narrow)

    def _replace(self, line: "_Line | None") -> None:
        """The next publication starts another; what others have in this one ends with it."""
        if line is None or self._line is not line:
            return
        self._line = None
        stopping = asyncio.create_task(line.stop(), name="stop of a producer")
        self._stopping.add(stopping)
        stopping.add_done_callback(self._stopping.discard)


class _Line:
    """A producer, and for each partition what waits to go out by it."""

    def __init__(self, producer: AIOKafkaProducer, narrow: set[str]) -> None:
        self.producer = producer
        self._narrow = narrow
        self._outlets: dict[tuple[str, int], _Outlet] = {}

    async def send(self, parts: Sequence[Part]) -> list[BaseException | None]:
        """What hindered each part; None: it is safe."""
        answers = [self._outlet(topic, number).bring(some) for topic, number, some in parts]
        return await asyncio.gather(*answers, return_exceptions=True)

    def _outlet(self, topic: str, partition: int) -> "_Outlet":
        outlet = self._outlets.get((topic, partition))
        if outlet is None:
            outlet = _Outlet(self.producer, topic, partition, self._narrow)
            self._outlets[topic, partition] = outlet
        return outlet

    async def stop(self) -> None:
        """What is on its way is answered, or after a while failed."""
        outlets = self._outlets.values()
        try:
            async with asyncio.timeout(CLOSE_S):
                await asyncio.gather(*(outlet.finish() for outlet in outlets))
        except TimeoutError:
            for outlet in outlets:
                outlet.give_up()
            # or `stop` would wait for brokers that are away as long as they are
            await self.producer.client.close()
            await self.producer._sender.close()
        await self.producer.stop()


class _Outlet:
    """One partition. What callers bring while a batch is on its way goes out together in the next:
    of a partition, one is on its way at a time in any case, since it numbers them."""

    def __init__(
        self, producer: AIOKafkaProducer, topic: str, partition: int, narrow: set[str]
    ) -> None:
        self._producer = producer
        self._topic = topic
        self._partition = partition
        self._narrow = narrow
        self._waiting: dict[asyncio.Future[None], Sequence[Record]] = {}
        self._task: asyncio.Task[None] | None = None

    def bring(self, records: Sequence[Record]) -> asyncio.Future[None]:
        """Done when they are safe. Whoever cancels it takes back what has not gone out."""
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[answer] = records
        answer.add_done_callback(lambda answer: self._waiting.pop(answer, None))
        if self._task is None or self._task.done():
            name = f"outlet {self._topic}/{self._partition}"
            self._task = asyncio.create_task(self._work(), name=name)
        return answer

    async def finish(self) -> None:
        """Everything that was brought is answered, or failed."""
        if self._task is not None:
            await asyncio.wait({self._task})

    def give_up(self) -> None:
        """Whatever waits is not known to be safe."""
        if self._task is not None:
            self._task.cancel()

    async def _work(self) -> None:
        going: list[asyncio.Future[None]] = []
        try:
            while self._waiting:
                going = list(self._waiting)[: 1 if self._topic in self._narrow else None]
                records = [record for answer in going for record in self._waiting.pop(answer)]
                try:
                    await self._send(records)
                except KafkaError as error:
                    _fail(going, self._judged(error, len(going)))
                else:
                    for answer in going:
                        if not answer.done():
                            answer.set_result(None)
        finally:
            _fail([*going, *self._waiting], ProducerClosed())

    def _judged(self, error: KafkaError, callers: int) -> KafkaError:
        """A record that is too large is the fault of one of them: the next try is one by one."""
        if isinstance(error, MessageSizeTooLargeError) and callers > 1:
            self._narrow.add(self._topic)
            return ProducerClosed()
        return error

    async def _send(self, records: Sequence[Record]) -> None:
        """In order; returns when all of them are safe."""
        batch = self._producer.create_batch()
        for record in records:
            if batch.append(key=record.key, value=record.value, timestamp=None) is None:
                await self._deliver(batch)  # it is full
                batch = self._producer.create_batch()
                batch.append(key=record.key, value=record.value, timestamp=None)
        await self._deliver(batch)

    async def _deliver(self, batch: Any) -> None:
        await (await self._producer.send_batch(batch, self._topic, partition=self._partition))


def _fail(answers: Sequence[asyncio.Future[None]], error: KafkaError) -> None:
    for answer in answers:
        if not answer.done():
            answer.set_exception(error)


async def _by_partition(producer: AIOKafkaProducer, batches: Batches) -> list[Part]:
    parts: list[Part] = []
    for topic, records in batches.items():
        count = len(await producer.partitions_for(topic))
        here: dict[int, list[Record]] = {}
        for record in records:
            here.setdefault(partition_of(record.key, count), []).append(record)
        parts += [(topic, partition, part) for partition, part in here.items()]
    return parts


def _refuse_large(batches: Batches) -> None:
    for topic, records in batches.items():
        for record in records:
            if len(record.key) + len(record.value) > RECORD_BYTES:
                raise TopicsRefused(f"a record for {topic} has more than {RECORD_BYTES:,} bytes")
