"""A batch handed over by a few couriers, each with one message at a time: mail servers and HTTP
providers take no batches.

A courier knows how to deliver; here is what all batches have in common: they close when nearly all
is answered or their time is up, what was not begun by then is ``NotSent``, and an answer that comes
later is kept for the next collect.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

from channels.base import (
    CLOSE_AT_PERCENT,
    CLOSED,
    NO_TURN,
    Clock,
    Collected,
    LateAnswer,
    Message,
    NotSent,
    Outcome,
    Unknown,
)
from channels.waiting import until

LATE_MAX = 10_000
"""Late answers kept for the next collect; each batch leaves at most one a courier."""

GRACE_MS = 200
"""What the last few on the wire are given then: they have only just been started, and a late
answer costs the hub a timer."""

CLOSE_S = 5
"""How long closing waits for answers, before it hangs up on those to come."""

NOT_STARTED = NotSent("no connection was free before the batch closed")


class Courier(Protocol):
    """Delivers one message at a time. Raises nothing for what a provider may do."""

    async def deliver(self, lane: str, message: Message) -> Outcome: ...


C = TypeVar("C", bound=Courier)


class Couriers(Generic[C]):
    """All couriers of one channel. ``news`` is set when a late answer has come."""

    def __init__(self, clock: Clock, couriers: Sequence[C]) -> None:
        assert couriers
        self.all = tuple(couriers)
        self.news = asyncio.Event()
        self._clock = clock
        self._free: asyncio.Queue[C] = asyncio.Queue()
        for courier in couriers:
            self._free.put_nowait(courier)
        self._workers: set[asyncio.Task[None]] = set()
        self._batches: set[_Batch] = set()
        self._late: deque[LateAnswer] = deque(maxlen=LATE_MAX)
        self._closed = False
        self._answered_ms = 0

    async def send(
        self, lane: str, messages: Sequence[Message], close_ms: int
    ) -> list[Outcome | None]:
        """As :meth:`channels.base.Channel.send`."""
        if self._closed:
            return [CLOSED] * len(messages)
        batch = _Batch(lane, messages)
        self._batches.add(batch)
        for _ in range(min(len(self.all), len(messages))):
            worker = asyncio.create_task(self._work(batch))
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)
        since_ms = self._clock.now_ms()
        close_at_ms = since_ms + close_ms
        try:
            await until(batch.nearly, self._clock, close_ms)
            left_ms = close_at_ms - self._clock.now_ms()
            await until(batch.answered, self._clock, min(GRACE_MS, left_ms))
        finally:
            self._batches.discard(batch)
            # a provider that went on answering is not to blame for what we did not get round to
            batch.close(NO_TURN if self._answered_ms >= since_ms else NOT_STARTED)
        return batch.outcomes

    def late(self) -> tuple[LateAnswer, ...]:
        """What came after its batch had closed, since the last call."""
        self.news.clear()
        late = tuple(self._late)
        self._late.clear()
        return late

    async def finish(self, at_most_s: float) -> list[C]:
        """Begin nothing more, and wait for what is on the wire; the couriers who are free then."""
        self._closed = True
        for batch in self._batches:
            batch.withdraw(CLOSED)
        if self._workers:
            await asyncio.wait(tuple(self._workers), timeout=at_most_s)
        free = []
        while not self._free.empty():
            free.append(self._free.get_nowait())
        return free

    async def close(self, hang_up: Callable[[], Awaitable[None]]) -> None:
        """Finish, and ``hang_up`` on what is not answered by then: its outcome is unknown."""
        await self.finish(CLOSE_S)
        await hang_up()
        await self.finish(CLOSE_S)
        await self._clock.sleep_ms(0)  # the loop's next turn closes the sockets

    async def _work(self, batch: "_Batch") -> None:
        """Deliver messages of this batch by one courier, until none is waiting."""
        courier = await self._free.get()
        try:
            while (index := batch.start()) is not None:
                message = batch.messages[index]
                outcome = await courier.deliver(batch.lane, message)
                if not isinstance(outcome, NotSent | Unknown):
                    self._answered_ms = self._clock.now_ms()
                if not batch.answer(index, outcome):
                    self._late.append(LateAnswer(batch.lane, message.attempt, outcome))
                    self.news.set()
        finally:
            self._free.put_nowait(courier)


class ByCouriers:
    """All of a :class:`~channels.base.Channel` but its name, where lanes share their couriers and
    what these connect by, which is hung up on by ``hang_up``. Its collect holds late answers
    only."""

    def __init__(self, couriers: Couriers[Any], hang_up: Callable[[], Awaitable[None]]) -> None:
        self._couriers = couriers
        self._hang_up = hang_up

    async def send(
        self, lane: str, messages: Sequence[Message], close_ms: int
    ) -> list[Outcome | None]:
        return await self._couriers.send(lane, messages, close_ms)

    async def collect(self) -> Collected:
        return Collected((), self._couriers.late(), 0, 0)

    async def acknowledge(self, token: int) -> None:
        """Nothing is collected that would need it."""

    async def arrived(self) -> None:
        await self._couriers.news.wait()

    async def close(self) -> None:
        await self._couriers.close(self._hang_up)


class Carried(Protocol):
    """A lane with couriers of its own."""

    @property
    def couriers(self) -> Couriers[Any]: ...

    async def close(self) -> None: ...


class ByLane:
    """All of a :class:`~channels.base.Channel` but its name. Each lane has couriers of its own, so
    that a provider that is slow holds up nobody else. Its collect holds late answers only."""

    def __init__(self, lanes: Mapping[str, Carried]) -> None:
        assert lanes
        self._lanes = lanes

    async def send(
        self, lane: str, messages: Sequence[Message], close_ms: int
    ) -> list[Outcome | None]:
        return await self._lanes[lane].couriers.send(lane, messages, close_ms)

    async def collect(self) -> Collected:
        late = [answer for one in self._lanes.values() for answer in one.couriers.late()]
        return Collected((), tuple(late), 0, 0)

    async def acknowledge(self, token: int) -> None:
        """Nothing is collected that would need it."""

    async def arrived(self) -> None:
        waiting = [asyncio.create_task(one.couriers.news.wait()) for one in self._lanes.values()]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()

    async def close(self) -> None:
        await asyncio.gather(*(one.close() for one in self._lanes.values()))


class _Batch:
    """Messages, their outcomes so far, and which of them nobody has begun."""

    def __init__(self, lane: str, messages: Sequence[Message]) -> None:
        self.lane = lane
        self.messages = messages
        self.outcomes: list[Outcome | None] = [None] * len(messages)
        self.nearly = asyncio.Event()
        """All begun, and nearly all answered."""
        self.answered = asyncio.Event()
        self._waiting = deque(range(len(messages)))
        self._open = True
        self._answers = 0
        self._settle()

    def start(self) -> int | None:
        """The next message to be sent; None when there is none."""
        return self._waiting.popleft() if self._waiting else None

    def answer(self, index: int, outcome: Outcome) -> bool:
        """Whether the outcome came before the batch closed."""
        if self._open:
            self.outcomes[index] = outcome
            self._answers += 1
            self._settle()
        return self._open

    def withdraw(self, outcome: Outcome) -> None:
        """Answer for all that nobody has begun: it never will be."""
        while (index := self.start()) is not None:
            self.answer(index, outcome)

    def close(self, outcome: Outcome) -> None:
        self.withdraw(outcome)
        self._open = False

    def _settle(self) -> None:
        if not self._waiting and self._answers * 100 >= len(self.messages) * CLOSE_AT_PERCENT:
            self.nearly.set()
        if self._answers == len(self.messages):
            self.answered.set()
