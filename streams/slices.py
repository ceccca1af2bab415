"""Faust's way to Kafka, one of its messages being a slice of a partition instead of a record.

Faust costs some 70 µs a message whatever it holds; a slice of a thousand records makes that
nothing. And Faust acknowledges what an agent raised on, and what one was cancelled in. So here its
own book-keeping counts for nothing: an offset is committed when the partition says that everything
before it was served (`streams.partition`), and for no other reason.

Overrides methods of faust-streaming 0.15 that are not part of its promises: the version is pinned,
and tests/cluster/test_slices.py holds what we need of them.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from typing import Any, Protocol, cast

import faust
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import (
    CommitFailedError,
    ConsumerStoppedError,
    IllegalStateError,
    KafkaConnectionError,
    KafkaError,
)
from faust.transport import base
from faust.transport.consumer import ensure_TPset
from faust.transport.drivers import TRANSPORTS
from faust.types import TP, ConsumerMessage, Message

from streams.partition import Handler, Partition, Slice
from streams.topics import Record

SCHEME = "kafkaslices"
TRANSPORTS.aliases[SCHEME] = "streams.slices:SliceTransport"

POLL_MS = 1_000
"""How long a fetch waits for records. Only a stop has to wait for it."""

FETCH_BYTES = 1_048_576
"""Of one partition at a time: what a partition holds at most beside what it is serving. A record
that is larger comes all the same."""

REBALANCE_MS = 60_000
"""How long the group waits for a worker that is finishing what it has in hand; its calls to
carriers take a second, its database may be away for longer. Then the group goes on without it."""

POLLED_NEVER_MS = 2**31 - 1
"""aiokafka makes a member leave that has not polled for so long. A paced lane may rightly be full
for hours, and a loop that hangs does not send heartbeats either: they come from the same loop."""

METADATA_MS = 30_000
"""A topic that is made after its readers were started is found so soon."""

RETRY_S = 0.5
"""Between two tries to reach a broker at the start."""

HEED_S = 1.0
"""Between two questions to aiokafka what went wrong; it goes on once it was asked."""

COMMIT_S = 5
"""A worker that leaves waits so long for its last commit. What it could not say comes again."""

_log = logging.getLogger("fenghuo.kafka")


class SliceApp(Protocol):
    """What the transport asks of the Faust app it belongs to."""

    brokers: str
    handlers: Mapping[str, Handler]
    session_ms: int

    @property
    def conf(self) -> Any: ...


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Tells Faust of a rebalance, in the order it expects."""

    def __init__(self, consumer: "SliceConsumer") -> None:
        self._consumer = consumer

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        self._consumer.app.on_rebalance_start()
        await self._consumer.on_partitions_revoked(ensure_TPset(revoked))

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self._consumer.takes_up()
        app = self._consumer.app
        app.consumer_generation_id += 1
        await self._consumer.on_partitions_assigned(
            ensure_TPset(assigned), app.consumer_generation_id
        )


class SliceConsumer(base.Consumer):
    """A member of a consumer group, in the loop of its app: if that hangs, so do its heartbeats,
    and the group goes on without it."""

    consumer_stopped_errors = (ConsumerStoppedError,)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._slices = cast(SliceApp, self.app)
        self._held: dict[TopicPartition, Partition] = {}
        self._committed: dict[TopicPartition, int] = {}
        self._committing = asyncio.Lock()
        self._let_gone = False
        self._kafka: AIOKafkaConsumer | None = None

    @property
    def held(self) -> list[Partition]:
        """The partitions that were read since they were assigned."""
        return list(self._held.values())

    # Coming and going

    async def on_start(self) -> None:
        """Returns when a broker has answered, or the app is stopping."""
        while self._kafka is None and not self.should_stop:
            kafka = self._member()
            if missing := await _missing(kafka):
                _log.warning("no broker at %s: %s", self._slices.brokers, missing)
                await kafka.stop()
                await self.sleep(RETRY_S)
            else:
                self._kafka = kafka

    @faust.Service.task
    async def _heed(self) -> None:
        """aiokafka keeps what went wrong for whoever fetches, and waits until it was heard. Faust
        fetches nothing before the first assignment, nor while a slice waits for the next one."""
        while not self.should_stop:
            assert self._kafka is not None
            try:
                self._kafka._coordinator.check_errors()
            except KafkaError as error:
                self._join_again(error)
            await self.sleep(HEED_S)

    def _member(self) -> AIOKafkaConsumer:
        session_ms = self._slices.session_ms
        return AIOKafkaConsumer(
            bootstrap_servers=self._slices.brokers,
            group_id=self._slices.conf.id,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            partition_assignment_strategy=[RoundRobinPartitionAssignor],
            max_partition_fetch_bytes=FETCH_BYTES,
            metadata_max_age_ms=METADATA_MS,
            session_timeout_ms=session_ms,
            heartbeat_interval_ms=session_ms // 4,
            rebalance_timeout_ms=REBALANCE_MS,
            max_poll_interval_ms=POLLED_NEVER_MS,
        )

    async def on_stop(self) -> None:
        """Finish what is in hand, say how far that was, and leave the group."""
        await self._let_go()
        if self._kafka is not None:
            await self._kafka.stop()

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        await self._let_go()  # before anybody else is given what was in hand here
        await super().on_partitions_revoked(revoked)

    async def _let_go(self) -> None:
        """No partition is served any more when this returns, nor held: aiokafka goes on whatever
        is raised here, and what a later assignment fetched would be given to who is leaving."""
        await asyncio.gather(*(partition.let_go() for partition in self.held))
        try:
            async with asyncio.timeout(COMMIT_S):
                await self.commit()
        except (KafkaError, TimeoutError) as error:
            _log.warning("no last commit, some of what was served comes again: %r", error)
        self._let_gone = True
        self._held.clear()
        self._committed.clear()

    def takes_up(self) -> None:
        """What is fetched from here on is fetched for this assignment."""
        self._let_gone = False

    # From Kafka to the stream

    async def _drain_messages(self, fetcher: faust.ServiceT) -> None:
        """What Faust runs from an assignment to the next, or to the end."""
        try:
            while not (self.should_stop or fetcher.should_stop):
                # held before anything is awaited: from here on a commit must not pass them
                slices = [
                    one
                    for tp, records in (await self._fetch()).items()
                    for one in self._hold(tp, records)
                ]
                # nothing came for a second: what is on its way still was lost there
                for slice_ in slices or [one for held in self.held for one in held.on_the_way]:
                    await self._pass_on(slice_)
        except asyncio.CancelledError:
            # during a rebalance Faust takes this for a crash, also when it is the end that cancels
            if not self.app.should_stop:
                raise

    async def _fetch(self) -> Mapping[TopicPartition, list[Any]]:
        assert self._kafka is not None
        try:
            return cast(
                Mapping[TopicPartition, list[Any]], await self._kafka.getmany(timeout_ms=POLL_MS)
            )
        except ConsumerStoppedError:
            if not self.app.should_stop:
                raise
        except KafkaError as error:
            self._join_again(error)
        return {}

    def _join_again(self, error: KafkaError) -> None:
        """What aiokafka did not foresee: a heartbeat, say, that a broker answers while it still
        reads its groups after a start. It sends no more of them until it has joined anew."""
        assert self._kafka is not None
        coordinator = self._kafka._coordinator
        if type(error) is not KafkaError or coordinator._coordination_task.done():
            raise error  # the brokers refuse us, or nothing is left to go on with
        _log.warning("joining the group again: %s", error)
        coordinator.request_rejoin()

    def _hold(self, tp: TopicPartition, records: list[Any]) -> list[Slice]:
        partition = self._held.get(tp)
        if partition is None:
            handler = self._slices.handlers[tp.topic]
            partition = Partition(tp.topic, tp.partition, handler, self._relieved)
            self._held[tp] = partition
        slices = partition.cut([Record(r.key or b"", r.value or b"", r.offset) for r in records])
        if partition.is_full():
            assert self._kafka is not None
            self._kafka.pause(tp)
        return slices

    def _relieved(self, partition: Partition) -> None:
        """A slice was served: fetch on, if that was what it waited for."""
        tp = TopicPartition(partition.topic, partition.number)
        if self._kafka is not None and not partition.leaving and not partition.is_full():
            self._kafka.resume(tp)

    async def _pass_on(self, slice_: Slice) -> None:
        if not self.flow_active:
            await self.can_resume_flow.wait()
        if slice_.partition.leaving:
            return  # it comes again to whoever has the partition now
        tp = TP(slice_.partition.topic, slice_.partition.number)
        await self.callback(
            ConsumerMessage(
                topic=tp.topic,
                partition=tp.partition,
                offset=slice_.end - 1,
                timestamp=0.0,
                timestamp_type=0,
                headers=None,
                key=None,
                value=cast(bytes, slice_),  # the topic's codec hands it through
                checksum=None,
                tp=tp,
                generation_id=self.app.consumer_generation_id,  # of another: a stream skips it
            )
        )

    # What is done with

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
        """Tell Kafka how far each partition was served; says whether it took that."""
        async with self._committing:
            offsets = {
                tp: offset
                for tp in self._assignment()
                if (offset := await self._served(tp)) > self._committed.get(tp, -1)
            }
            if not offsets:
                return False
            assert self._kafka is not None
            try:
                await self._kafka.commit(offsets)
            except (CommitFailedError, IllegalStateError) as error:
                _log.warning("not committed, it comes again: %s", error)
                return False
            self._committed |= offsets
            return True

    async def _served(self, tp: TopicPartition) -> int:
        """Everything before this offset is done with; -1: not known yet.

        With nothing in hand that is where the next fetch begins: past the markers and the aborted
        records that a transaction leaves, which take offsets and never arrive. But while a group
        waits for its other members aiokafka still has the old assignment, whose next fetch would
        begin past what was dropped here.
        """
        assert self._kafka is not None
        if self._kafka.highwater(tp) is None:
            return -1  # nothing was fetched so far
        position = cast(int, await self._kafka.position(tp))
        if self._let_gone:  # looked at last, like what is in hand: much may have happened meanwhile
            return -1
        partition = self._held.get(tp)
        if partition is not None and partition.held:
            return partition.served or -1
        return position

    def _assignment(self) -> set[TopicPartition]:
        return set() if self._kafka is None else cast(set[TopicPartition], self._kafka.assignment())

    # What Faust asks of a consumer, where its own answer would be wrong here

    def assignment(self) -> set[TP]:
        return ensure_TPset(self._assignment())

    async def subscribe(self, topics: Iterable[str]) -> None:
        assert self._kafka is not None
        self._kafka.subscribe(topics=list(topics), listener=_Listener(self))

    async def perform_seek(self) -> None:
        """aiokafka begins an assignment at its committed offsets by itself."""

    def ack(self, message: Message) -> bool:
        """A stream lets go of a message: that says nothing about its records."""
        message.acked = True
        return True

    def track_message(self, message: Message) -> None:
        """Nothing waits for streams here; partitions are waited for."""

    def verify_recovery_event_path(self, now: float, tp: TP) -> None: ...

    def close(self) -> None:
        """Called instead of a rebalance's end when the app is stopping: `on_stop` does it."""

    def _unasked(self, *args: Any, **options: Any) -> Any:
        """What Faust demands of every consumer and asks of none: their callers are replaced above,
        or belong to tables, of which there are none."""
        raise NotImplementedError

    _commit = _getmany = _new_topicpartition = _seek = _to_message = _unasked
    create_topic = topic_partitions = key_partition = _unasked
    earliest_offsets = highwater = highwaters = position = _unasked
    seek_to_committed = seek_wait = _unasked


async def _missing(kafka: AIOKafkaConsumer) -> str:
    """What hinders this member from looking for its group; empty when it has started."""
    try:
        await kafka.start()
    except KafkaConnectionError as error:
        return str(error)
    # One that stood still for longer than its session answers before it is let in again, and tells
    # of nobody. aiokafka takes that for a cluster, and looking for the group fails an assertion.
    return "" if kafka._client.cluster.brokers() else "who answers is not let in yet"


class NoProducer(base.Producer):
    """Steps publish through `streams.kafka_topics`; Faust only ever flushes this one."""

    def supports_headers(self) -> bool:
        return True


class SliceTransport(base.Transport):
    """``kafkaslices://``; the brokers are the app's."""

    Consumer = SliceConsumer
    Producer = NoProducer
    driver_version = "slices of aiokafka"
    default_port = 9092
