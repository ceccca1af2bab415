"""Runs coroutines by a seed: at every named point the seed may switch, pause or crash a process.

Not asyncio: a task hands over at a point (a string) or rests (:class:`Rest`), and nothing else
runs meanwhile. Time stands still but for what this module adds.
"""

import random
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Generator
from heapq import heappop, heappush
from types import coroutine
from typing import Any, NamedTuple

from streams.topics import EVENTS

PAUSE_MAX_MS = 600_000

NERVOUS = 10
"""After partitions changed hands two workers do the same thing, and one of them dies sooner."""


TENDER = frozenset({"journal.append after", "topics.publish before"})
"""Journalled and not published: where a router's death shows most."""


OVERTAKEN_MS = 100
"""Long enough for another to claim a partition, and well within the deadline of a call."""


class Rest(NamedTuple):
    """Sleep until ``until_ms`` (0: for ever) or until the bell rang more often than ``seen``."""

    until_ms: int = 0
    bell: str = ""
    seen: int = 0


@coroutine
def point(name: str) -> Generator[str, None, None]:
    """A place where a process may be stopped for ever."""
    yield name


@coroutine
def rest(until_ms: int = 0, bell: str = "", seen: int = 0) -> Generator[Rest, None, None]:
    yield Rest(until_ms, bell, seen)


class Rates(NamedTuple):
    """How likely each fault is at a point, and how many of them a run bears."""

    switch: float = 0.0
    crash: float = 0.0
    pause: float = 0.0
    move: float = 0.0
    crashes: int = 0
    pauses: int = 0
    moves: int = 0
    until_ms: int = 0


class Process:
    """What crashes and is paused as one: a worker with all its tasks."""

    def __init__(self, name: str, mortal: bool = True) -> None:
        self.name = name
        self.mortal = mortal
        self.alive = True
        self.paused_until_ms = 0
        self.tasks: list[Task] = []


class Task:
    __slots__ = ("coro", "name", "process", "routes", "waiting")

    def __init__(self, process: Process, name: str, coro: Coroutine[Any, Any, None]) -> None:
        self.process = process
        self.name = name
        self.routes = name.startswith(EVENTS)
        self.coro = coro
        self.waiting = 0  # the number of the rest it is in; 0: none


class Scheduler:
    """One run. ``on_crash``, ``on_pause``, ``on_move`` tell the world what befell a process."""

    def __init__(self, rng: random.Random, rates: Rates, now_ms: int, *, trace: bool) -> None:
        self.rng = rng
        self.rates = rates
        self.now_ms = now_ms
        self.hits: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.trace: list[str] | None = [] if trace else None
        self.errors: list[str] = []
        self.rings: defaultdict[str, int] = defaultdict(int)
        self.on_crash: Callable[[Process], None] = lambda process: None
        self.on_pause: Callable[[Process], None] = lambda process: None
        self.on_move: Callable[[], None] = lambda: None
        self._ready: list[Task] = []
        self._later: list[tuple[int, int, Any, int]] = []
        self._bells: defaultdict[str, list[tuple[Task, int]]] = defaultdict(list)
        self._count = 0
        self._nervous = 0
        self._given_up = False
        self._paused_until_ms = 0  # the last moment of any pause so far
        self.running: Task | None = None

    # what a world asks for

    def spawn(self, process: Process, name: str, coro: Coroutine[Any, Any, None]) -> None:
        task = Task(process, name, coro)
        process.tasks.append(task)
        self._ready.append(task)

    def at(self, ms: int, call: Callable[[], None]) -> None:
        self._count += 1
        heappush(self._later, (ms, self._count, call, 0))

    def ring(self, bell: str) -> None:
        self.rings[bell] += 1
        for task, number in self._bells.pop(bell, ()):
            self._wake(task, number)

    def say(self, what: str) -> None:
        if self.trace is not None:
            who = f"{self.running.process.name}.{self.running.name}" if self.running else "world"
            self.trace.append(f"{self.now_ms} {who} {what}")

    def give_up(self) -> None:
        """What is still to come would say nothing new."""
        self._given_up = True

    def crash(self, process: Process) -> None:
        """Its coroutines end where they stand, its memory is gone."""
        process.alive = False
        self._ready = [task for task in self._ready if task.process is not process]
        for task in process.tasks:
            task.waiting = -1
            task.coro.close()
        process.tasks.clear()
        self.on_crash(process)

    def stop_all(self, processes: list[Process]) -> None:
        for process in processes:
            for task in process.tasks:
                task.coro.close()
            process.tasks.clear()

    # running

    def run(self, limit: int) -> bool:
        """Until nothing is left to do; False when that took more than ``limit`` turns, or when
        `give_up` was called."""
        for _ in range(limit):
            if self._given_up:
                return False
            self._wake_due()
            awake = self._ready
            if self._paused_until_ms > self.now_ms:
                awake = [t for t in awake if t.process.paused_until_ms <= self.now_ms]
            if awake:
                task = awake[self.rng.randrange(len(awake))] if len(awake) > 1 else awake[0]
                self._ready.remove(task)
                self._go(task)
            elif not self._advance():
                return True
        return False

    def _advance(self) -> bool:
        moments = [task.process.paused_until_ms for task in self._ready]
        if self._later:
            moments.append(self._later[0][0])
        if not moments:
            return False
        self.now_ms = max(self.now_ms, min(moments))
        return True

    def _wake_due(self) -> None:
        while self._later and self._later[0][0] <= self.now_ms:
            _, _, what, number = heappop(self._later)
            if number:
                self._wake(what, number)
            else:
                what()

    def _wake(self, task: Task, number: int) -> None:
        if task.waiting == number:
            task.waiting = 0
            self._ready.append(task)

    def _go(self, task: Task) -> None:
        self.running = task
        self.now_ms += 1
        try:
            while True:
                what = task.coro.send(None)
                if type(what) is Rest:
                    if self._rest(task, what):
                        return
                    continue
                self.hits[what] += 1
                if self.trace is not None:
                    self.say(what)
                if self._befalls(task, what):
                    return
        except StopIteration:
            task.process.tasks.remove(task)
        except Exception:
            self.errors.append(f"{task.process.name}.{task.name}: {traceback.format_exc(limit=-4)}")
            self.say("raised " + self.errors[-1])
            task.process.tasks.remove(task)
            self.crash(task.process)
        finally:
            self.running = None

    def _rest(self, task: Task, what: Rest) -> bool:
        """Whether the task now waits."""
        if what.bell and self.rings[what.bell] != what.seen:
            return False
        if not what.bell and what.until_ms <= self.now_ms:
            self._ready.append(task)
            return True
        self._count += 1
        task.waiting = self._count
        if what.until_ms:
            heappush(self._later, (what.until_ms, self._count, task, self._count))
        if what.bell:
            self._bells[what.bell].append((task, self._count))
        return True

    def _befalls(self, task: Task, what: str) -> bool:
        """What the seed does at this point; whether the task stops here for now."""
        rates, rng, process = self.rates, self.rng, task.process
        draw = rng.random()
        if process.mortal and self.now_ms < rates.until_ms:
            self._nervous -= 1
            routes = task.routes
            tender = routes and what in TENDER and self._nervous > 0
            crash = rates.crash * (NERVOUS if tender else 1)
            calls = what == "channel.send before"
            move = rates.move * (20 if calls else 5 if routes else 1)
            if draw < crash and self.faults["crash"] < rates.crashes:
                self.faults["crash"] += 1
                self.say("CRASH")
                self.crash(process)
                return True
            draw = rng.random()
            # a sender that stands still between its intent and its call tests every deadline
            pause = rates.pause * (5 if calls else 1)
            if draw < pause and self.faults["pause"] < rates.pauses:
                self.faults["pause"] += 1
                # most pauses are short; the long ones outlast a session
                longest = PAUSE_MAX_MS if rng.random() < 0.4 else 5_000
                self._pause(process, rng.randrange(1, longest))
                self.say(f"PAUSED until {process.paused_until_ms}")
                self._ready.append(task)
                self.on_pause(process)
                return True
            if draw > 1 - move and self.faults["move"] < rates.moves:
                self.faults["move"] += 1
                self._nervous = 300
                self.on_move()
                if calls:  # the next owner claims while this one stands before its call
                    self._pause(process, rng.randrange(1, OVERTAKEN_MS))
                    self._ready.append(task)
                    return True
            draw = rng.random()
        if draw < rates.switch:
            self.faults["switch"] += 1
            self._ready.append(task)
            return True
        return False

    def _pause(self, process: Process, ms: int) -> None:
        process.paused_until_ms = self.now_ms + ms
        self._paused_until_ms = max(self._paused_until_ms, process.paused_until_ms)
