"""One world: workers around one journal, one set of topics, one carrier, run by one seed."""

import random
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any
from unittest.mock import patch

from channels.breaker import Breaker
from channels.lanes import WHOLE, Lanes
from channels.pacer import Pacer
from channels.sandbox_model import FAULTS, Faults
from preferences.vault import Keys, Vault
from streams.core.identity import Index
from streams.core.notices import urgent_types
from streams.documents import Refresher
from streams.lane_owner import Claim, Ownership
from streams.people import SqlPeople
from streams.pipeline import stop_follower, stopping
from streams.pipeline.collecting import Collector
from streams.pipeline.dispatch import LaneWork, dispatch
from streams.pipeline.receive import receive_parked
from streams.pipeline.replies import serve_replies
from streams.pipeline.river import River
from streams.pipeline.route import route
from streams.pipeline.shifting import TEND_MS, tend
from streams.pipeline.sweep import Swept, sweep, waits
from streams.pipeline.tick import tick
from streams.topics import EVENTS, EVENTS_URGENT, INBOUND, PARKED, ROUTED, Record, dispatch_topic
from tests.simulation.book import Book
from tests.simulation.catalog import documents
from tests.simulation.choices import Chosen, choose
from tests.simulation.lanes import Fate, Nervous, Steered, fate_of, reloaded, steer
from tests.simulation.provider import BELL, Provider, SimChannel
from tests.simulation.replies import Writing
from tests.simulation.scenario import Choice, Scenario
from tests.simulation.scheduler import Process, Rates, Scheduler, point, rest
from tests.simulation.store import TIMERS, MemoryStore, SimJournal
from tests.simulation.topics import PARTITIONS, Partition, SimTopics, View

KEYS = Keys(bytes(range(32)), bytes(range(32, 64)))
SESSION_MS = 12_000
"""A worker that says nothing for so long loses its partitions."""

HOUR_MS = 3_600_000
SWEEPS = "sweeps"
DOCUMENTS = "documents"
TROUBLE = "trouble"

FEW_LEGS = ((1, 2), (2, 2), (1_000, 10_000))
"""How many legs a stop cancels in its own transaction, and looks up for a page: in most seeds so
few that cases of three have more."""

LANES_OF = ("LaneSteered.", "Shifted.", "WordingStopped.")
"""Types of rows in the streams of lanes."""

Step = Callable[[Sequence[Record]], Awaitable[int]]


class Clock:
    """``streams.clock.Clock`` without an event loop."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def now_ms(self) -> int:
        return self._scheduler.now_ms

    async def sleep_ms(self, ms: int) -> None:
        await point("clock.sleep before")
        await rest(self._scheduler.now_ms + ms)
        await point("clock.sleep after")

    async def wait(self, event: Any, timeout_ms: int) -> bool:
        raise NotImplementedError("steps do not wait for bells")


class Worker:
    """One process with all loops of the river; its memory ends with it."""

    def __init__(self, world: "World", name: str) -> None:
        self.world = world
        self.process = Process(name)
        self.works: dict[str, LaneWork] = {}
        self.breakers: dict[str, Breaker] = {}
        self.learned: dict[str, int] = {}
        """When this worker came to know that a lane is paused."""
        self.channel: SimChannel
        self.river: River

    def start(self) -> None:
        world = self.world
        self.process.alive = True
        self.river = world.river()
        self.channel = world.provider.connect(self.process.name)
        self.breakers = {lane.name: Nervous() for lane in self.river.documents.lanes}
        self.learned = {}
        for name, loop in (
            ("ticker", self._tick), ("sweeper", self._sweep), ("collector", self._collect),
            ("documents", self._follow), ("tender", self._tend),
        ):  # fmt: skip
            self._spawn(name, loop())

    def take(self, partition: Partition) -> None:
        """The partition is this worker's from now on."""
        limit, step = self._step_of(partition)
        work = self.works.get(partition.bell)
        reading = self._read(partition, partition.generation, limit, step, work)
        self._spawn(partition.bell, reading)

    def leave(self, partition: Partition) -> None:
        """The worker is told that it loses a partition; others only find out."""
        if work := self.works.get(partition.bell):
            work.leaving = True

    def _spawn(self, name: str, coro: Coroutine[Any, Any, None]) -> None:
        self.world.scheduler.spawn(self.process, name, coro)

    # the loops

    async def _read(
        self, partition: Partition, generation: int, limit: int, step: Step, work: LaneWork | None
    ) -> None:
        scheduler, topics = self.world.scheduler, self.world.topics
        position = partition.committed
        if work is not None:
            await point("lane.claim before")
            work.claim = self.world.claim(partition, self.process.name)
            await point("lane.claim after")
        while partition.generation == generation:
            seen = scheduler.rings[partition.bell]
            await point("topics.poll before")
            records = partition.records[position : position + limit]
            if not records:
                await rest(bell=partition.bell, seen=seen)
                continue
            await point("topics.poll after")
            wait_until_ms = await step(records)
            if wait_until_ms < 0:  # left undone: it comes again, to whoever has the partition
                if partition.generation == generation:
                    self.take(partition)
                return
            await point("topics.acknowledge before")
            topics.acknowledge(partition, generation, records)
            await point("topics.acknowledge after")
            position += len(records)
            if wait_until_ms > scheduler.now_ms:
                await rest(wait_until_ms)

    def _step_of(self, partition: Partition) -> tuple[int, Step]:
        river, world, topic = self.river, self.world, partition.topic
        if topic in ROUTED:

            async def routing(records: Sequence[Record]) -> int:
                await route(river, records)
                return 0

            return world.batch, routing
        if topic == PARKED:

            async def parked(records: Sequence[Record]) -> int:
                return await receive_parked(river, records)

            return 50, parked
        if topic == INBOUND:

            async def replies(records: Sequence[Record]) -> int:
                await serve_replies(river, records)
                return 0

            return 5, replies
        lane_name, urgent = world.lanes[topic]
        lane = river.documents.lanes[lane_name]
        pacer = Pacer(lane.rate_per_s, urgent, PARTITIONS, world.scheduler.now_ms)
        channel = self.channel.on_lane()
        work = LaneWork(
            lane_name, channel, pacer, self.breakers[lane_name], urgent, partitions=PARTITIONS,
            troubled=lambda: self.world.scheduler.ring(TROUBLE),
        )  # fmt: skip
        channel.overtaken_pos = lambda: self.world.overtaken_pos(partition, work.claim)
        self.works[partition.bell] = work

        async def dispatching(records: Sequence[Record]) -> int:
            return 0 if await dispatch(river, work, records) else -1

        return max(lane.rate_per_s, 1), dispatching

    async def _follow(self) -> None:
        """Documents as others publish them, and the lanes file as it changes."""
        world, scheduler = self.world, self.world.scheduler
        read = [0]

        def file() -> Lanes | None:
            news = world.files[read[0] :]
            read[0] = len(world.files)
            return news[-1] if news else None

        refresher = Refresher(world.store, self.river, world.documents, file)
        while True:
            seen = scheduler.rings[DOCUMENTS]
            await point("documents.refresh")
            refresher.refresh()
            lanes = self.river.documents.lanes
            paused = {lane.name for lane in lanes if lanes.is_paused(lane.name)}
            self.learned = {x: self.learned.get(x, scheduler.now_ms) for x in sorted(paused)}
            await rest(bell=DOCUMENTS, seen=seen)
            await rest(scheduler.now_ms + scheduler.rng.randrange(1_500))

    async def _tend(self) -> None:
        """Lanes that are not well; more and more seldom where nothing comes that could show it."""
        scheduler, wait_ms = self.world.scheduler, TEND_MS
        while True:
            seen = scheduler.rings[TROUBLE], scheduler.rings[DOCUMENTS]
            unwell = False
            for name, breaker in self.breakers.items():
                if any(work.name == name for work in self.works.values()):
                    await tend(self.river, name, breaker, self.world.loads)
                    share = self.river.documents.lanes.standing(name).share
                    unwell |= breaker.state != "closed" or share != WHOLE
            if not unwell or wait_ms == HOUR_MS:
                await rest(bell=TROUBLE, seen=seen[0])
            else:
                await rest(scheduler.now_ms + wait_ms, TROUBLE, seen[0])
            same = seen == (scheduler.rings[TROUBLE], scheduler.rings[DOCUMENTS])
            wait_ms = min(wait_ms * 2, HOUR_MS) if same else TEND_MS

    async def _tick(self) -> None:
        scheduler, store = self.world.scheduler, self.world.store
        while True:
            seen = scheduler.rings[TIMERS]
            next_ms = store.next_due_ms()
            if next_ms is None:
                await rest(bell=TIMERS, seen=seen)
            elif next_ms > scheduler.now_ms:
                # not all at the same moment, or every timer would be served three times
                await rest(next_ms + scheduler.rng.randrange(800), TIMERS, seen)
                if (due := store.next_due_ms()) is not None and due > scheduler.now_ms:
                    continue
            await tick(self.river)

    async def _sweep(self) -> None:
        world, scheduler = self.world, self.world.scheduler
        while True:
            seen = scheduler.rings[SWEEPS]
            last_ms = world.swept_ms
            hour_ms = world.book.next_sweep_ms(last_ms, waits(self.river))
            if hour_ms > scheduler.now_ms:
                await rest(hour_ms + scheduler.rng.randrange(800), SWEEPS, seen)
                continue
            if not hour_ms:
                await rest(bell=SWEEPS, seen=seen)
                continue
            for wait_ms in waits(self.river):
                await point("sweeps.page")
                streams = world.book.set_going(last_ms - wait_ms, hour_ms - wait_ms)
                if streams:
                    done = await sweep(self.river, streams)
                    world.swept += Counter(done._asdict())
                    if done.caught:
                        scheduler.say(f"sweep caught {done.caught}")
            world.swept_ms = max(world.swept_ms, hour_ms)
            scheduler.ring(SWEEPS)

    async def _collect(self) -> None:
        scheduler = self.world.scheduler
        collector = Collector(self.river, self.channel)
        while True:
            seen = scheduler.rings[BELL]
            moved, rest_ms = await collector.look()
            if moved:
                continue
            if rest_ms is None:
                await rest(bell=BELL, seen=seen)
            elif rest_ms:
                await rest(scheduler.now_ms + rest_ms + scheduler.rng.randrange(300), BELL, seen)


class World:
    """Everything of one run."""

    def __init__(
        self, seed: int, scenario: Scenario, rates: Rates, store: MemoryStore, *, trace: bool
    ) -> None:
        self.seed = seed
        self.rng = random.Random(seed * 7 + 3)
        self.scenario = scenario
        store.reset()
        self.store = store
        self.scheduler = Scheduler(self.rng, rates, scenario.start_ms, trace=trace)
        self.scheduler.on_crash = self._on_crash
        self.scheduler.on_pause = self._on_pause
        self.scheduler.on_move = self._on_move
        self.vault = Vault(KEYS, random.Random(seed * 7 + 4).randbytes)
        self.index = Index(KEYS.derive("look-up"))
        self.documents = documents()
        self.lanes = {
            dispatch_topic(lane.name, urgent): (lane.name, urgent)
            for lane in self.documents.lanes
            for urgent in (True, False)
        }
        self.urgent = [name.encode() for name in urgent_types(self.documents.catalog)]
        names = [*ROUTED, PARKED, *self.lanes, *((INBOUND,) if scenario.writings else ())]
        self.topics = SimTopics(self.scheduler, self.rng, names)
        self.provider = Provider(self.scheduler, seed, _carrier(self.rng))
        self.fate = fate_of(seed, scenario, self.documents.lanes)
        self.provider.dark = self.fate.dark
        self.files: list[Lanes] = []
        self.steered: Counter[str] = Counter()
        self.ownership = Ownership(store.transaction)
        self.claimed: defaultdict[str, list[int]] = defaultdict(list)
        self.chosen: Chosen = {}
        self.batch = self.rng.choice((1, 3, 20))
        self.few_legs = FEW_LEGS[seed // 5 % len(FEW_LEGS)]
        self.book = Book(self.documents)
        self.swept: Counter[str] = Counter()
        self.swept_ms = scenario.start_ms // HOUR_MS * HOUR_MS
        self.on_commit: Callable[[], None] = lambda: None
        self.outside = Process("outside", mortal=False)
        self.workers = [Worker(self, f"w{i}") for i in range(self.rng.choice((2, 3)))]

    def river(self) -> River:
        journal = SimJournal(self.store, self.scheduler, self._committed)
        people = SqlPeople(self.store.readers, self.vault, journal, journal.aside)
        return River(
            journal, View(self.topics), people, self.vault, self.index, Clock(self.scheduler),
            self.documents, self.vault.hub,
        )  # fmt: skip

    def claim(self, partition: Partition, owner: str) -> Claim:
        """Take a lane's partition over; where the journal stood then is kept."""
        claim = self.ownership.claim(
            partition.topic, partition.number, owner, self.scheduler.now_ms
        )
        self.claimed[partition.bell].append(len(self.book.lines))
        assert claim.epoch == len(self.claimed[partition.bell])
        return claim

    def overtaken_pos(self, partition: Partition, claim: Claim | None) -> int | None:
        """Where the journal stood when another claimed the partition; None: nobody has."""
        claimed = self.claimed[partition.bell]
        if claim is None or claim.epoch == len(claimed):
            return None
        return claimed[claim.epoch]

    def run(self, limit: int = 400_000) -> bool:
        """Until everything is quiet; False when it never was."""
        for worker in self.workers:
            worker.start()
        self._balance()
        for said in self.scenario.said:
            sealed = self.vault.hub.seal(said.raw, b"events")
            self.scheduler.at(said.at_ms, self._publishing(said.raw, sealed, said.key))
        for choice in self.scenario.choices:
            self.scheduler.at(choice.at_ms, self._choosing(choice))
        for writing in self.scenario.writings:
            self.scheduler.at(writing.at_ms, self._writing(writing))
        self._befall(self.fate)
        at_once, page = self.few_legs
        with (
            patch.object(stopping, "STOP_AT_ONCE", at_once),
            patch.multiple(stop_follower, STOP_AT_ONCE=at_once, PAGE=page),
        ):
            quiet = self.scheduler.run(limit)
        self.scheduler.stop_all([self.outside, *(w.process for w in self.workers)])
        return quiet

    def _befall(self, fate: Fate) -> None:
        for steered in fate.steered:
            self.scheduler.at(steered.at_ms, self._steering(steered))
        if fate.reloaded_ms:
            self.scheduler.at(fate.reloaded_ms, self._reload)

    def _reload(self) -> None:
        self.files.append(reloaded(self.documents.lanes, self.fate.weights))
        self.steered["lanes file changed"] += 1
        self.scheduler.ring(DOCUMENTS)

    def _steering(self, steered: Steered) -> Callable[[], None]:
        async def act() -> None:
            if await steer(self.river(), steered):
                self.steered[f"lane {steered.action}"] += 1

        return lambda: self.scheduler.spawn(self.outside, f"steering {steered.lane}", act())

    async def loads(self) -> dict[str, int]:
        """No read model runs here: lanes are taken to be idle."""
        await point("lanes.loads")
        return {}

    def _publishing(self, raw: bytes, sealed: bytes, key: str) -> Callable[[], None]:
        topic = EVENTS_URGENT if any(name in raw for name in self.urgent) else EVENTS
        return lambda: self.topics.put(topic, Record(key.encode(), sealed))

    def _choosing(self, choice: Choice) -> Callable[[], None]:
        def start() -> None:
            coro = choose(self.river(), choice.ref, choice.chosen, self.chosen)
            self.scheduler.spawn(self.outside, f"choice of {choice.ref}", coro)

        return start

    def _writing(self, writing: Writing) -> Callable[[], None]:
        def say() -> None:
            self.steered["written back"] += 1
            self.provider.mouth.say(writing)
            self.scheduler.ring(BELL)

        return say

    def _committed(self, groups: object) -> None:
        self.book.take(self.store, self.scheduler.now_ms)
        self.on_commit()
        if any(line.row.type.startswith(LANES_OF) for line in self.book.fresh):
            self.scheduler.ring(DOCUMENTS)
            self.scheduler.ring(TROUBLE)
        if self.book.sweepable:
            self.book.sweepable = False
            self.scheduler.ring(SWEEPS)

    # what befalls workers

    def _alive(self) -> list[Worker]:
        now_ms = self.scheduler.now_ms
        return [
            w
            for w in self.workers
            if w.process.alive and w.process.paused_until_ms < now_ms + SESSION_MS
        ]

    def _balance(self) -> None:
        """Every partition has a live owner; who had it before may not know yet."""
        workers = {w.process.name: w for w in self._alive()}
        for partition in self.topics.assign(list(workers)):
            if partition.owner:
                workers[partition.owner].take(partition)

    def _on_crash(self, process: Process) -> None:
        worker = next(w for w in self.workers if w.process is process)
        worker.channel.drop()
        for partition in self.topics.partitions.values():
            if partition.owner == process.name:
                self.topics.move(partition, "")
        back_ms = self.scheduler.now_ms + self.rng.choice((100, 20_000, 300_000))

        def restart() -> None:
            if not process.alive:
                process.paused_until_ms = 0
                worker.start()
                self._balance()

        self.scheduler.at(back_ms, restart)
        self.scheduler.at(self.scheduler.now_ms + self.rng.randrange(SESSION_MS), self._orphans)

    def _on_pause(self, process: Process) -> None:
        if process.paused_until_ms > self.scheduler.now_ms + SESSION_MS:
            self.scheduler.at(self.scheduler.now_ms + SESSION_MS, self._orphans)
            self.scheduler.at(process.paused_until_ms, self._orphans)

    def _orphans(self) -> None:
        """The partitions of whoever is gone find new owners."""
        alive = {w.process.name: w for w in self._alive()}
        for partition in self.topics.partitions.values():
            if partition.owner not in alive:
                owner = self.rng.choice(sorted(alive)) if alive else ""
                self.topics.move(partition, owner)
                if owner:
                    alive[owner].take(partition)

    def _on_move(self) -> None:
        """Partitions change hands for no reason, as when a worker joins."""
        alive = {w.process.name: w for w in self._alive()}
        if not alive:
            return
        for partition in self.topics.partitions.values():
            if self.rng.random() < 0.3:
                owner = self.rng.choice(sorted(alive))
                if self.rng.random() < 0.5 and (former := alive.get(partition.owner)):
                    former.leave(partition)
                self.topics.move(partition, owner)
                alive[owner].take(partition)


def _carrier(rng: random.Random) -> Faults:
    """A carrier on a bad day: each kind of fault in some of the seeds, and often enough there."""
    chances = {fault: rng.choice((0.0, 0.0, 0.03, 0.12)) for fault in FAULTS}
    chances["bad_account"] = rng.choice((0.0, 0.02, 0.04))
    chances["reset"] = rng.choice((0.0, 0.02, 0.05))
    return Faults(**chances, late_ms=rng.choice((3_000, 20_000, 90_000)))


__all__ = ["Swept", "Worker", "World"]
