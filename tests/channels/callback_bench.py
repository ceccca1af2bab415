"""What the benches of channels that are called back share: a door of the test's own that takes the
callbacks, and a channel that hands out what came there.

The hub's door journals what it takes; this one only keeps it, read by the same code.
"""

import asyncio
from abc import ABC, abstractmethod
from typing import ClassVar, Protocol

from aiohttp import web
from msgspec.structs import replace

from channels.base import Channel, Collected, Receipt
from tests.contracts.channel_contract import Bench
from tests.contracts.clocks import RealClock

FAR = 4 * 10**12

BY_CALLBACK = frozenset(
    (
        *("throttled", "transient", "bad_recipient", "bad_content", "bad_account"),
        *("unknown", "answer_lost", "answer_late", "stop"),
        *("undelivered", "receipt_lost", "receipt_repeated", "conflicting"),
        *("receipt_early", "receipt_late"),
    )
)
"""A callback is acknowledged by its answer, not by us, and so no "receipt"."""


class PausedClock(RealClock):
    """Whose sleepers can be held."""

    def __init__(self) -> None:
        self.running = asyncio.Event()
        self.running.set()

    async def sleep_ms(self, ms: int) -> None:
        await super().sleep_ms(ms)
        await self.running.wait()


class CallbackDoor(ABC):
    """Takes callbacks at ``paths``, and keeps what is told by those that are signed."""

    paths: ClassVar[tuple[str, ...]]

    def __init__(self) -> None:
        self.url = ""
        self.news = asyncio.Event()

    async def open(self) -> None:
        application = web.Application()
        for path in self.paths:
            application.router.add_post(path, self.take)
        self._runner = web.AppRunner(application)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def close(self) -> None:
        await self._runner.cleanup()

    @abstractmethod
    async def take(self, request: web.Request) -> web.Response:
        """Keep what it tells, and set ``news`` where a receipt came."""

    @abstractmethod
    def receipts(self) -> tuple[Receipt, ...]:
        """Those that came since the last call."""


class Provider(Protocol):
    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class CallbackBench(Bench):
    """A subclass makes clock, door and sandbox, and connects a channel."""

    many_ms = 5_000
    can = BY_CALLBACK
    idle_s = 1.0
    """Without news for so long, nothing more comes."""

    clock: PausedClock
    door: CallbackDoor
    sandbox: Provider

    @abstractmethod
    def connect(self) -> None:
        """A channel to the simulator, given to :meth:`hand_out`."""

    def hand_out(self, made: Channel) -> None:
        """The bench's channel from now on, whose collect also hands out what the door took."""
        door, collect_own, arrived_own = self.door, made.collect, made.arrived

        async def collect() -> Collected:
            own = await collect_own()
            door.news.clear()
            return replace(own, receipts=door.receipts())

        async def arrived() -> None:
            waiting = [asyncio.create_task(arrived_own()), asyncio.create_task(door.news.wait())]
            try:
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in waiting:
                    task.cancel()

        made.collect, made.arrived = collect, arrived  # type: ignore[method-assign]
        self.channel = made

    async def open(self) -> None:
        await self.door.open()
        await self.sandbox.start()
        self.connect()

    async def close(self) -> None:
        await self.channel.close()
        await self.sandbox.stop()
        await self.door.close()

    def now_ms(self) -> int:
        return self.clock.now_ms()

    async def pass_ms(self, ms: int) -> None:
        await self.clock.sleep_ms(ms)

    def hold(self) -> None:
        self.clock.running.clear()

    def release(self) -> None:
        self.clock.running.set()

    async def stop_provider(self) -> None:
        await self.sandbox.stop()

    async def reconnect(self) -> None:
        await self.channel.close()
        self.connect()

    async def collected(self, acknowledge: bool = True) -> list[Collected]:
        """All that comes until nothing has come for a while."""
        found = []
        while True:
            try:
                async with asyncio.timeout(self.idle_s):
                    await self.channel.arrived()
            except TimeoutError:
                return found
            found.append(await self.channel.collect())
