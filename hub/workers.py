"""``hub worker KIND…``: one process of a cluster, doing one thing, or several.

    router      events → decided legs on their lanes' topics
    dispatcher  lanes' topics → carriers, and what carriers report on the same lines
    receiver    what people write back, and reports that came before what they report on
    timer       what falls due, the hourly sweep, the read models, what is told back upstream

Several kinds in one process share its commits and what it has in mind; kinds apart share the work
of several cores. A worker ends when it is told to, having finished what it has in hand, or at once
when a step fails in a way nobody foresaw. What it had not acknowledged comes again to another.
"""

import asyncio
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Literal

from channels.base import Channel
from channels.breaker import Breaker
from channels.lanes import Lanes
from channels.pacer import Pacer
from hub.bootstrap import check_passwords, settle
from hub.cluster import ClusterHub, open_cluster
from hub.failpoints import around_bed, around_followed, around_handlers
from hub.health import HealthPort, Signs
from hub.settings import Settings
from streams.clock import Clock
from streams.core.policy import HOUR_MS
from streams.kafka_bed import KafkaBed
from streams.lane_loads import per_second
from streams.lane_owner import Ownership
from streams.outcomes import SCAN, Teller
from streams.partition import Handler, Partition, Serve
from streams.pipeline.collecting import Collector
from streams.pipeline.dispatch import LaneWork, dispatch
from streams.pipeline.receive import receive_parked
from streams.pipeline.replies import serve_replies
from streams.pipeline.shifting import TEND_MS, heed, tend
from streams.pipeline.sweep import Swept, sweep, waits
from streams.pipeline.tick import tick
from streams.pipeline.turns import Precedence, route_in_turns
from streams.projections.following import Follower
from streams.sweeps import SqlSweeps
from streams.topics import EVENTS, EVENTS_URGENT, INBOUND, PARKED, Record, dispatch_topic

Kind = Literal["router", "dispatcher", "receiver", "timer"]

ROUTE_BATCH = 500
URGENT_BATCH = 100
"""So many wait for each other's decisions at most."""

REPLY_BATCH = 50
"""Each is judged on what the one before it changed, so that a batch saves nothing but
acknowledgements."""

SLICE_S = 5
"""A dispatch slice holds at most so many seconds of its partition's rate: acknowledged whole."""

SLICE_MAX = 1_000

PROJECT_BATCH = 10_000
PAUSE_MS = 1_000
"""How old pages are at most, and how late a document that was published is taken up."""

TICK_MS = 250
"""How late a timer is at most: nobody rings here when one is written."""

COLLECT_MS = 500
"""How long a line is left alone that says nothing by itself."""

SEEN_S = 60
"""A consumer that stopped is an alarm within a minute."""

WATCH_MS = 5_000

Step = Callable[[], Awaitable[int]]
"""Serves once; answers for how many ms there is nothing to do."""


async def work(
    settings: Settings, clock: Clock, kinds: Sequence[Kind], say: Callable[[str], None]
) -> None:
    """Be a worker until SIGTERM or SIGINT."""
    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.set)
    hub = await open_cluster(settings, clock, ending, patient=True)
    settle()
    try:
        await Worker(hub, kinds, ending).run(say)
    finally:
        await hub.close()


class Worker:
    """One worker: the topics it serves, by kind, and what it does by the clock."""

    def __init__(self, hub: ClusterHub, kinds: Sequence[Kind], ending: asyncio.Event) -> None:
        self._hub = hub
        self._name = ", ".join(kinds)
        self._ending = ending
        self._precedence = Precedence(hub.clock)
        self.signs = Signs()
        self._steps: dict[str, Step] = {"documents": self._refresh, "brokers": self._look}
        self._beds: list[KafkaBed] = []
        self.handlers: dict[Kind, Mapping[str, Handler]] = {}
        for kind in kinds:
            handlers, steps = _KINDS[kind](self)
            self._steps |= steps
            if handlers:
                self.handlers[kind] = around_handlers(handlers, hub.point)
        self._served: dict[Partition, tuple[int, float]] = {}

    async def run(self, say: Callable[[str], None]) -> None:
        """With beds of its own, until the process is to end."""
        for kind, handlers in self.handlers.items():
            bed = bed_of(self._hub.settings, kind, handlers)
            around_bed(bed, self._hub.point)
            self._beds.append(bed)
        await self.beside(say)

    async def beside(self, say: Callable[[str], None]) -> None:
        """What it does by the clock, and its beds if it has any, until the process is to end."""
        settings = self._hub.settings
        self.signs.expect("database", SEEN_S, "the database did not answer")
        if self._beds:
            self.signs.expect("group", SEEN_S, "no broker has given it partitions")
        async with asyncio.TaskGroup() as group:
            for name, step in self._steps.items():
                group.create_task(self._loop(step), name=name)
            group.create_task(self._loop(self._watch), name="watch")
            port = HealthPort(settings.worker_port, self._wrong, settings.host, self._hub.notes)
            if settings.worker_port:
                await port.open()
            running = [group.create_task(bed.run()) for bed in self._beds]
            say(f"{self._name} at work, process {os.getpid()}")
            await self._ending.wait()
            for bed in self._beds:
                bed.stop()
            await asyncio.gather(*running)
            await port.close()
        say(f"{self._name} ended")

    async def _loop(self, step: Step) -> None:
        while not self._ending.is_set():
            rest_ms = await step()
            if rest_ms:
                await self._hub.clock.wait(self._ending, rest_ms)

    # How it is

    def _wrong(self) -> list[str]:
        return [*self.signs.wrong(), *self._hub.wrong(), *self._stuck()]

    def _stuck(self) -> list[str]:
        """Partitions that hold records and finish none of them."""
        now_s = asyncio.get_running_loop().time()
        return [
            f"{partition!r} has finished nothing for {now_s - since_s:.0f} s"
            for partition, (_, since_s) in self._served.items()
            if partition.held and now_s - since_s > SEEN_S
        ]

    async def _watch(self) -> int:
        await self._hub.reads(self._hub.store.head)
        self.signs.see("database")
        if self._beds and all(bed.joined for bed in self._beds):
            self.signs.see("group")
        now_s = asyncio.get_running_loop().time()
        before, self._served = self._served, {}
        for partition in (one for bed in self._beds for one in bed.partitions):
            served, since_s = before.get(partition, (-1, now_s))
            moved = served != partition.served or not partition.held
            self._served[partition] = (partition.served, now_s if moved else since_s)
        return WATCH_MS

    async def _look(self) -> int:
        await self._hub.topics.look()
        return WATCH_MS

    async def _refresh(self) -> int:
        await self._hub.reads(self._hub.refresher.refresh)
        return PAUSE_MS

    # What each kind does

    def router(self) -> tuple[dict[str, Handler], dict[str, Step]]:
        async def serve(partition: Partition, records: Sequence[Record]) -> bool:
            turns = self._precedence.of(partition.topic == EVENTS_URGENT)
            await route_in_turns(self._hub.river, turns, records)
            return True

        return self._serving("router", serve), {}

    def dispatcher(self) -> tuple[dict[str, Handler], dict[str, Step]]:
        check_passwords(self._hub.river.documents.lanes)
        lanes = _Lanes(self._hub, self._precedence)
        handlers = self._serving("dispatcher", lanes.serve)
        lines = self._hub.channels.items()
        steps = {f"line {name}": self._collecting(line) for name, line in lines}
        return handlers, {**steps, "lanes": lanes.tend}

    def receiver(self) -> tuple[dict[str, Handler], dict[str, Step]]:
        async def serve(partition: Partition, records: Sequence[Record]) -> bool:
            if partition.topic == INBOUND:
                await serve_replies(self._hub.river, records)
                return True
            return await parked(partition, records)

        async def parked(partition: Partition, records: Sequence[Record]) -> bool:
            """They are parked anew, or were joined. One that is not due is waited for here: all
            that lies behind it was parked later."""
            next_ms = await receive_parked(self._hub.river, records)
            if next_ms and not partition.leaving:
                wait_ms = min(max(next_ms - self._hub.clock.now_ms(), 1), PAUSE_MS)
                await self._hub.clock.wait(self._ending, wait_ms)
            return True

        return self._serving("receiver", serve), {}

    def _serving(self, kind: Kind, serve: Serve) -> dict[str, Handler]:
        lanes = self._hub.river.documents.lanes
        slices = slices_of(kind, lanes, self._hub.settings.partitions)
        return {topic: Handler(serve, records) for topic, records in slices.items()}

    def timer(self) -> tuple[dict[str, Handler], dict[str, Step]]:
        follower = Follower(around_followed(self._hub.store, self._hub.point))
        sweeps = SqlSweeps(self._hub.store)
        teller = Teller(self._hub.store, self._hub.topics, self._hub.reads)

        async def project() -> int:
            taken = await self._hub.reads(follower.follow, PROJECT_BATCH)
            return 0 if taken == PROJECT_BATCH else PAUSE_MS

        async def serve_due() -> int:
            return 0 if await tick(self._hub.river) else TICK_MS

        async def sweep_hour() -> int:
            return await _sweep_due(self._hub, sweeps)

        async def tell_back() -> int:
            return 0 if await teller.tell() == SCAN else PAUSE_MS

        return {}, {
            "ticker": serve_due, "projector": project, "sweeper": sweep_hour, "teller": tell_back,
        }  # fmt: skip

    def _collecting(self, channel: Channel) -> Step:
        collector = Collector(self._hub.river, channel)

        async def step() -> int:
            moved, rest_ms = await collector.look()
            if moved:
                return 0
            return COLLECT_MS if rest_ms is None else min(max(rest_ms, 1), COLLECT_MS)

        return step


def bed_of(settings: Settings, kind: Kind, handlers: Mapping[str, Handler]) -> KafkaBed:
    """A bed in which all workers of a kind share its topics."""
    return KafkaBed(settings.kafka, f"hub-{kind}", handlers, session_ms=settings.session_ms)


def slices_of(kind: Kind, lanes: Lanes, partitions: int) -> dict[str, int]:
    """The topics that a kind serves, and how many records of each are acknowledged together."""
    match kind:
        case "router":
            return {EVENTS_URGENT: URGENT_BATCH, EVENTS: ROUTE_BATCH}
        case "receiver":
            return {PARKED: ROUTE_BATCH, INBOUND: REPLY_BATCH}
        case "dispatcher":
            return {
                dispatch_topic(lane.name, urgent): max(
                    min(lane.rate_per_s * SLICE_S // partitions, SLICE_MAX), 1
                )
                for lane in lanes
                for urgent in (True, False)
            }
        case "timer":
            return {}


_KINDS: Mapping[Kind, Callable[[Worker], tuple[dict[str, Handler], dict[str, Step]]]] = {
    "router": Worker.router,
    "dispatcher": Worker.dispatcher,
    "receiver": Worker.receiver,
    "timer": Worker.timer,
}


class _OwnedLane(LaneWork):
    """A lane's partition in this worker's hands: it leaves when the partition does."""

    def __init__(self, partition: Partition, *lane: object) -> None:
        super().__init__(*lane)  # type: ignore[arg-type]
        self.partition = partition

    @property
    def leaving(self) -> bool:
        return self._lost or self.partition.leaving

    @leaving.setter
    def leaving(self, lost: bool) -> None:
        self._lost = lost


class _Lanes:
    """Serves partitions of lanes' topics; a partition is claimed when it is first served."""

    def __init__(self, hub: ClusterHub, precedence: Precedence) -> None:
        self._hub = hub
        self._precedence = precedence
        self._owner = f"{socket.gethostname()}:{os.getpid()}"
        self._ownership = Ownership(hub.store.transaction)
        self._breakers: dict[str, Breaker] = {}
        self._works: dict[tuple[str, int], _OwnedLane] = {}
        self._lanes = {
            dispatch_topic(lane.name, urgent): (lane.name, urgent)
            for lane in hub.river.documents.lanes
            for urgent in (True, False)
        }

    async def serve(self, partition: Partition, records: Sequence[Record]) -> bool:
        here = partition.topic, partition.number
        work = self._works.get(here)
        if work is None or work.partition is not partition:
            work = self._works[here] = await self._claimed(partition)
        return await dispatch(self._hub.river, work, records)

    async def tend(self) -> int:
        """Look after the lanes this worker hands over on."""
        lanes, channels = self._hub.river.documents.lanes, self._hub.channels
        for name, breaker in list(self._breakers.items()):
            heed(channels[lanes[name].via], name, breaker, self._hub.clock.now_ms())
            await tend(self._hub.river, name, breaker, self._loads)
        return TEND_MS

    async def _loads(self) -> Mapping[str, int]:
        now_ms = self._hub.clock.now_ms()
        return await self._hub.reads(per_second, self._hub.store.readers, now_ms)

    async def _claimed(self, partition: Partition) -> _OwnedLane:
        hub = self._hub
        name, urgent = self._lanes[partition.topic]
        lane = hub.river.documents.lanes[name]
        now_ms = hub.clock.now_ms()
        partitions = hub.settings.partitions
        pacer = Pacer(lane.rate_per_s, urgent, partitions, now_ms, lane.urgent_percent)
        breaker = self._breakers.setdefault(name, Breaker())
        channel, turns = hub.channels[lane.via], self._precedence.of(urgent)
        work = _OwnedLane(partition, name, channel, pacer, breaker, urgent, turns, partitions)
        work.claim = await hub.reads(
            self._ownership.claim, partition.topic, partition.number, self._owner, now_ms
        )
        return work


async def _sweep_due(hub: ClusterHub, sweeps: SqlSweeps) -> int:
    """Sweep what became due with the last full hour; for how long there is nothing to do then."""
    now_ms = hub.clock.now_ms()
    hour_ms = now_ms - now_ms % HOUR_MS
    last_ms = await hub.reads(sweeps.swept_ms)
    if hour_ms > last_ms:
        total = Swept()
        for wait_ms in waits(hub.river):
            start_ms, end_ms = last_ms - wait_ms, hour_ms - wait_ms
            page = await hub.reads(sweeps.page, start_ms, end_ms, 0)
            while page.streams:
                total = total.and_(await sweep(hub.river, page.streams))
                page = await hub.reads(sweeps.page, start_ms, end_ms, page.after)
        await hub.reads(sweeps.done, hour_ms, total)
    return max(hour_ms + HOUR_MS - hub.clock.now_ms(), 1)
