"""The one-process bed: every step of the river as a task of one event loop, over SQLite.

A worker is a loop around one step: take what there is, serve it, acknowledge, and rest until its
bell rings or its time comes. Work is bounded by the batch, never by the backlog. A step that
raises ends the process (:meth:`LocalBed.run` raises): what was not acknowledged comes again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from channels.base import Channel
from channels.breaker import Breaker
from channels.lanes import Lane
from channels.pacer import Pacer
from streams.clock import Clock
from streams.core.policy import HOUR_MS
from streams.journal.base import JournalStore
from streams.lane_owner import LaneLost, Ownership
from streams.pipeline.collecting import Collector
from streams.pipeline.dispatch import LaneWork, dispatch
from streams.pipeline.receive import receive_parked
from streams.pipeline.replies import serve_replies
from streams.pipeline.river import River
from streams.pipeline.shifting import heed, tend
from streams.pipeline.sweep import Swept, sweep, waits
from streams.pipeline.tick import tick
from streams.pipeline.turns import Precedence, route_in_turns
from streams.sweeps import Page
from streams.topics import EVENTS_URGENT, INBOUND, PARKED, ROUTED, Record, Topics

ROUTE_BATCH = 500
REPLY_BATCH = 50
"""Each is judged on what the one before it changed, so that a batch saves nothing but
acknowledgements."""

SLICE_S = 5
"""A dispatch slice holds at most so many seconds of its lane's rate: it is acknowledged whole."""

SLICE_MAX = 2_000
"""And at most so many records, which is what bounds the memory of a fast lane."""

PROJECT_BATCH = 10_000
PROJECT_PAUSE_MS = 1_000
"""Pages are this old at most; following every commit by itself would cost one more for each."""

OWNER = "local"
"""Who holds the lanes, for people who read the table: a second process shows in the epoch."""

LOOK_MS = 1_000
"""How late a document is taken up that another process published, or a lanes file that changed."""

REST_MS = 600_000
"""How long a worker rests when nothing rings: a bound on what a lost bell could cost."""

Step = Callable[[], Awaitable[int]]
"""Serves once; answers 0 for "there may be more", else for how many ms there is nothing to do."""


class Follower(Protocol):
    """What follows the journal: the projections."""

    def follow(self, limit: int) -> int:
        """Apply up to ``limit`` rows; how many there were."""

    def loads(self, now_ms: int) -> Mapping[str, int]:
        """Calls a second that each lane makes."""


class Sweeps(Protocol):
    """Which streams a sweep looks at, and up to when the last one looked."""

    def swept_ms(self) -> int: ...

    def page(self, start_ms: int, end_ms: int, after: int) -> Page:
        """The next streams that were set going between these times."""

    def done(self, at_ms: int, swept: Swept) -> None: ...


class Pace(NamedTuple):
    """How long workers rest. Where time is simulated and no bell is lost, they rest much longer:
    waking for nothing is all it would cost there."""

    rest_ms: int = REST_MS
    project_pause_ms: int = PROJECT_PAUSE_MS
    look_ms: int = LOOK_MS


PACE = Pace()


class Worker(NamedTuple):
    name: str
    step: Step
    bell: asyncio.Event


class Bells:
    """Topics whose publishing rings the worker that reads them."""

    def __init__(self, topics: Topics) -> None:
        self._topics = topics
        self.of: dict[str, asyncio.Event] = {}

    async def publish(self, batches: Mapping[str, Sequence[Record]]) -> None:
        await self._topics.publish(batches)
        for topic in batches:
            if bell := self.of.get(topic):
                bell.set()

    async def poll(self, topic: str, limit: int) -> list[Record]:
        return await self._topics.poll(topic, limit)

    async def acknowledge(self, topic: str, offset: int) -> None:
        await self._topics.acknowledge(topic, offset)


def _nothing_new() -> bool:
    """Nobody publishes anything."""
    return False


class LocalBed:
    """All workers of one process. ``river.topics`` must be the :class:`Bells` given here;
    ``timers`` rings when timers were written."""

    def __init__(
        self,
        river: River,
        bells: Bells,
        store: JournalStore,
        channels: Mapping[str, Channel],
        follower: Follower,
        sweeps: Sweeps,
        ownership: Ownership,
        timers: asyncio.Event,
        clock: Clock,
        refresh: Callable[[], bool] = _nothing_new,
        pace: Pace = PACE,
    ) -> None:
        self.river = river
        self._bells = bells
        self._store = store
        self._channels = channels
        self._follower = follower
        self._sweeps = sweeps
        self._ownership = ownership
        self._clock = clock
        self._refresh = refresh
        self._pace = pace
        self._ending = asyncio.Event()
        self._precedence = Precedence(clock)
        self._journal_bell = asyncio.Event()
        self._news = {name: asyncio.Event() for name in channels}
        self._collected = {name: asyncio.Event() for name in channels}
        self.lanes: list[LaneWork] = []
        self.breakers = {lane.name: Breaker() for lane in river.documents.lanes}
        self._trouble = asyncio.Event()
        self.workers = list(self._make(timers))

    def _make(self, timers: asyncio.Event) -> list[Worker]:
        workers = [self._reading(f"router {name}", name, self._routing(name)) for name in ROUTED]
        workers += [
            self._reading("parked", PARKED, self._parked),
            self._reading("replies", INBOUND, self._replies),
            Worker("ticker", self._tick, timers),
            Worker("sweeper", self._sweep, asyncio.Event()),
            Worker("projector", self._project, self._journal_bell),
            Worker("documents", self._look, asyncio.Event()),
            Worker("lanes", self._tend, self._trouble),
        ]
        workers += [
            Worker(f"collector {name}", self._collecting(name), bell)
            for name, bell in self._news.items()
        ]
        for lane in self.river.documents.lanes:
            for urgent in (True, False):
                work = self._lane(lane, urgent)
                self.lanes.append(work)
                step = self._dispatching(work)
                workers.append(self._reading(f"lane {work.topic}", work.topic, step))
        return workers

    def _reading(self, name: str, topic: str, step: Step) -> Worker:
        return Worker(name, step, self._bells.of.setdefault(topic, asyncio.Event()))

    def _lane(self, lane: Lane, urgent: bool) -> LaneWork:
        pacer = Pacer(lane.rate_per_s, urgent, 1, self._clock.now_ms(), lane.urgent_percent)
        return LaneWork(
            lane.name, self._channels[lane.via], pacer, self.breakers[lane.name], urgent,
            self._precedence.of(urgent), troubled=self._trouble.set,
        )  # fmt: skip

    # Running

    async def run(self) -> None:
        """Until :meth:`stop`; raises what a step raised."""
        async with asyncio.TaskGroup() as group:
            listeners = [
                group.create_task(self._listen(name), name=f"listener {name}")
                for name in self._channels
            ]
            working = [
                group.create_task(self.work(worker), name=worker.name) for worker in self.workers
            ]
            await asyncio.wait(working)
            for listener in listeners:
                listener.cancel()

    async def _listen(self, name: str) -> None:
        """Ring for what a carrier brings by itself."""
        while True:
            await self._channels[name].arrived()
            self._collected[name].clear()
            self._news[name].set()
            await self._collected[name].wait()

    def stop(self) -> None:
        """Let every worker finish what it has begun."""
        self._ending.set()
        for lane in self.lanes:
            lane.leaving = True
        for worker in self.workers:
            worker.bell.set()

    def ring(self) -> None:
        """Something was journalled: wake whoever follows."""
        self._journal_bell.set()

    async def work(self, worker: Worker) -> None:
        """One worker's loop, until :meth:`stop`."""
        while not self._ending.is_set():
            worker.bell.clear()
            rest_ms = await worker.step()
            if rest_ms and not self._ending.is_set():
                await self._clock.wait(worker.bell, rest_ms)
            else:
                await self._clock.sleep_ms(0)  # a step may find all it asks for at once

    # The steps

    def _routing(self, topic: str) -> Step:
        turns = self._precedence.of(topic == EVENTS_URGENT)

        async def step() -> int:
            records = await self._bells.poll(topic, ROUTE_BATCH)
            if not records:
                return self._pace.rest_ms
            await route_in_turns(self.river, turns, records)
            await self._bells.acknowledge(topic, records[-1].offset)
            self.ring()
            return 0

        return step

    def _dispatching(self, work: LaneWork) -> Step:
        async def step() -> int:
            if work.claim is None:
                work.claim = self._ownership.claim(work.topic, 0, OWNER, self._clock.now_ms())
            lane = self.river.documents.lanes[work.name]
            limit = max(min(lane.rate_per_s * SLICE_S, SLICE_MAX), 1)
            records = await self._bells.poll(work.topic, limit)
            if not records:
                return self._pace.rest_ms
            if await dispatch(self.river, work, records):
                await self._bells.acknowledge(work.topic, records[-1].offset)
            elif not self._ending.is_set():
                raise LaneLost(work.topic, 0)  # another process runs on this folder
            self._news[lane.via].set()
            self.ring()
            return 0

        return step

    def _collecting(self, name: str) -> Step:
        collector = Collector(self.river, self._channels[name], self._collected[name].set)

        async def step() -> int:
            moved, rest_ms = await collector.look()
            if moved:
                self.ring()
            return self._pace.rest_ms if rest_ms is None else rest_ms

        return step

    async def _parked(self) -> int:
        records = await self._bells.poll(PARKED, ROUTE_BATCH)
        if not records:
            return self._pace.rest_ms
        next_ms = await receive_parked(self.river, records)
        await self._bells.acknowledge(PARKED, records[-1].offset)
        self.ring()
        if not next_ms:
            return 0
        self._bells.of[PARKED].clear()
        return max(next_ms - self._clock.now_ms(), 1)

    async def _replies(self) -> int:
        records = await self._bells.poll(INBOUND, REPLY_BATCH)
        if not records:
            return self._pace.rest_ms
        await serve_replies(self.river, records)
        await self._bells.acknowledge(INBOUND, records[-1].offset)
        self.ring()
        return 0

    async def _tick(self) -> int:
        if await tick(self.river):
            self._journal_bell.set()
            return 0
        next_ms = self._store.next_due_ms()
        if next_ms is None:
            return self._pace.rest_ms
        return max(next_ms - self._clock.now_ms(), 1)

    async def _sweep(self) -> int:
        now_ms = self._clock.now_ms()
        hour_ms = now_ms - now_ms % HOUR_MS
        last_ms = self._sweeps.swept_ms()
        if hour_ms > last_ms:
            total = Swept()
            for wait_ms in waits(self.river):
                total = total.and_(await self._between(last_ms - wait_ms, hour_ms - wait_ms))
            self._sweeps.done(hour_ms, total)
            self.ring()
        return hour_ms + HOUR_MS - self._clock.now_ms()

    async def _between(self, start_ms: int, end_ms: int) -> Swept:
        total = Swept()
        page = self._sweeps.page(start_ms, end_ms, 0)
        while page.streams:
            total = total.and_(await sweep(self.river, page.streams))
            page = self._sweeps.page(start_ms, end_ms, page.after)
        return total

    async def _look(self) -> int:
        self._refresh()
        lanes, now_ms = self.river.documents.lanes, self._clock.now_ms()
        for name, breaker in self.breakers.items():
            if heed(self._channels[lanes[name].via], name, breaker, now_ms):
                self._trouble.set()
        return self._pace.look_ms

    async def _tend(self) -> int:
        """Look after the lanes that are not well; whatever happens to one rings."""
        rests = [await tend(self.river, *lane, self._loads) for lane in self.breakers.items()]
        return min((rest for rest in rests if rest), default=self._pace.rest_ms)

    async def _loads(self) -> Mapping[str, int]:
        return self._follower.loads(self._clock.now_ms())

    async def _project(self) -> int:
        applied = self._follower.follow(PROJECT_BATCH)
        if applied == PROJECT_BATCH:
            return 0
        await self._clock.sleep_ms(self._pace.project_pause_ms)
        return 0 if applied else self._pace.rest_ms
