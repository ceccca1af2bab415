"""The bed on Kafka: a Faust app whose agents hand each slice to the task of its partition.

    bed = KafkaBed("kafka:9092", "router", {"events": Handler(serve_events)})
    await bed.run()     # until `bed.stop()`

or ``faust -A module worker`` with ``app = bed.app`` there. Every process that names the same group
shares the partitions of its topics with the others.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ClassVar

import faust
from faust.app.base import BootStrategy
from faust.serializers.codecs import Codec

from streams.ending import end_process
from streams.partition import Handler, Partition, Slice
from streams.slices import SCHEME, SliceConsumer

SESSION_MS = 12_000
"""Silence after which the group gives a member's partitions away: no pause of a healthy process
lasts so long, and a killed one's work waits no longer."""

COMMIT_INTERVAL_S = 1.0
"""How far apart commits are: a killed worker's last second comes again, beside what was in hand."""

BUFFER_SLICES = 4
"""Of an agent: it only hands on, so the queue before it never fills."""


class KafkaBed:
    """Serves topics as a member of a consumer group.

    ``brokers`` as host:port,host:port. Without topics of these names nothing comes.
    """

    def __init__(
        self,
        brokers: str,
        group: str,
        handlers: Mapping[str, Handler],
        *,
        session_ms: int = SESSION_MS,
    ) -> None:
        self.app = _App(
            group,
            broker=f"{SCHEME}://",
            web_enabled=False,
            topic_disable_leader=True,
            topic_allow_declare=False,
            stream_buffer_maxsize=BUFFER_SLICES,
            stream_wait_empty=False,
            stream_recovery_delay=0.0,
            broker_commit_interval=COMMIT_INTERVAL_S,
        )
        self.app.brokers = brokers
        self.app.handlers = handlers
        self.app.session_ms = session_ms
        for topic in handlers:
            source = self.app.topic(topic, value_serializer=_Whole())
            self.app.agent(source, name=f"serve-{topic}")(_hand_over)
        self._ending = asyncio.Event()

    @property
    def partitions(self) -> list[Partition]:
        """The partitions in hand, those that nothing came from left out."""
        consumer = self.app._consumer
        return consumer.held if isinstance(consumer, SliceConsumer) else []

    @property
    def joined(self) -> bool:
        """Whether the group has let this worker in; its share may be nothing."""
        return self.app.consumer_generation_id > 0

    async def run(self) -> None:
        """Until :meth:`stop`: then what is begun is finished and said, and the group is left.

        Brokers that are away are waited for, at the start and later.
        """
        starting = asyncio.create_task(self.app.start(), name="start of the bed")
        ending = asyncio.create_task(self._ending.wait(), name="end of the bed")
        try:
            await asyncio.wait({starting, ending}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
            await ending
        finally:
            ending.cancel()
            await self.app.stop()
            await asyncio.wait({starting})

    def stop(self) -> None:
        """Have :meth:`run` end."""
        self._ending.set()


class _Whole(Codec):
    """A slice is read by its step; the codec named ``raw`` takes nothing but bytes."""

    def _loads(self, s: Any) -> Any:
        return s


class _Boot(BootStrategy):
    enable_kafka_producer = False


class _App(faust.App):
    """Whatever breaks in it ends the process: Faust would go on with less than it had."""

    BootStrategy: ClassVar[type[BootStrategy]] = _Boot

    brokers: str
    handlers: Mapping[str, Handler]
    session_ms: int

    closing: Callable[[], Awaitable[None]] | None = None
    """Called when nothing is served any more."""

    async def on_shutdown(self) -> None:
        await super().on_shutdown()
        if self.closing is not None:
            await self.closing()

    async def on_first_start(self) -> None:
        """No folder: there are no tables to keep in one."""

    def _crash(self, reason: BaseException) -> None:
        end_process("the connection to Kafka broke", reason)


async def _hand_over(slices: faust.StreamT[Slice]) -> None:
    """The agent of every topic. It awaits nothing else, so no partition waits for another here."""
    async for slice_ in slices:
        slice_.partition.bring(slice_)
