"""A Twilio channel before our simulator, and a door of the test's own that takes the callbacks.

The hub's door journals what it takes; this one only keeps it, read by the same code.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from aiohttp import web
from msgspec.structs import replace

from channels.base import Accepted, Collected, LateAnswer, Message, Receipt
from channels.twilio_account import Account
from channels.twilio_callbacks import Keys, Report, fields_of, read_call, read_sms
from channels.twilio_channel import TwilioChannel
from channels.twilio_sandbox import Pace, TwilioSandbox
from channels.twilio_sandbox_model import SPECIAL
from tests.contracts.channel_contract import Bench
from tests.contracts.clocks import RealClock

SID = "AC" + "0" * 32
TOKEN = "not-a-secret"
SENDER = "+15550001000"
FAR = 4 * 10**12

NUMBER_OF = {behaviour: "+155" + digits for digits, behaviour in SPECIAL.items()}


def account(url: str, callback_url: str, **changes: object) -> Account:
    return replace(Account(SID, TOKEN, SENDER, callback_url, api_url=url, answer_s=4), **changes)


class PausedClock(RealClock):
    """Whose sleepers can be held."""

    def __init__(self) -> None:
        self.running = asyncio.Event()
        self.running.set()

    async def sleep_ms(self, ms: int) -> None:
        await super().sleep_ms(ms)
        await self.running.wait()


class Door:
    """Takes callbacks, and keeps the reports that are signed."""

    def __init__(self) -> None:
        self.url = ""
        self.reports: list[Report] = []
        self.refused: list[str] = []
        self.news = asyncio.Event()

    async def open(self) -> None:
        application = web.Application()
        application.router.add_post(
            "/callbacks/twilio/{kind}/{lane}/{stream}/{version}", self._take
        )
        self._runner = web.AppRunner(application)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def close(self) -> None:
        await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        url = self.url + request.raw_path
        fields = fields_of(url, headers, await request.read(), Keys(TOKEN))
        if fields is None:
            self.refused.append(url)
            return web.Response(status=403)
        read = read_sms if request.match_info["kind"] == "sms" else read_call
        attempt = f"{request.match_info['stream']}:{request.match_info['version']}"
        report = read(request.match_info["lane"], attempt, fields, 1_700_000_000_000)
        if report is not None:
            self.reports.append(report)
        if isinstance(report, Receipt):
            self.news.set()
        return web.Response(status=204)

    def receipts(self) -> tuple[Receipt, ...]:
        """Those that came since the last call."""
        found = tuple(report for report in self.reports if isinstance(report, Receipt))
        self.reports.clear()
        return found

    def accepted(self) -> list[tuple[str, str]]:
        """Attempts that are on their way, and their names."""
        return [
            (report.attempt, report.outcome.ref)
            for report in self.reports
            if isinstance(report, LateAnswer) and isinstance(report.outcome, Accepted)
        ]


class TwilioBench(Bench):
    """``make`` makes the channel over an account."""

    takes_twice = True  # no key of Twilio's makes two creates one
    many_ms = 5_000
    can = frozenset(
        (
            *("throttled", "transient", "bad_recipient", "bad_content", "bad_account"),
            *("unknown", "answer_lost", "answer_late", "stop"),
            *("undelivered", "receipt_lost", "receipt_repeated", "conflicting"),
            *("receipt_early", "receipt_late"),
        )
    )

    def __init__(self, lane: str, make: Callable[[RealClock, Account], TwilioChannel]) -> None:
        self.lane = lane
        self.clock = PausedClock()
        self.door = Door()
        self.sandbox = TwilioSandbox(self.clock, SID, TOKEN, Pace())
        self._make = make

    async def open(self) -> None:
        await self.door.open()
        await self.sandbox.start()
        self.connect()

    def connect(self, **changes: object) -> None:
        """A channel to the simulator, whose collect also hands out what the door took."""
        bench = self
        made = self._make(self.clock, account(self.sandbox.url, self.door.url, **changes))
        collect_own, arrived_own = made.collect, made.arrived

        async def collect() -> Collected:
            own = await collect_own()
            bench.door.news.clear()
            return replace(own, receipts=bench.door.receipts())

        async def arrived() -> None:
            waiting = [
                asyncio.create_task(arrived_own()),
                asyncio.create_task(bench.door.news.wait()),
            ]
            try:
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in waiting:
                    task.cancel()

        made.collect, made.arrived = collect, arrived  # type: ignore[method-assign]
        self.channel = made

    async def close(self) -> None:
        await self.channel.close()
        await self.sandbox.stop()
        await self.door.close()

    def message(self, n: int, behaviour: str = "", call_before_ms: int = 0) -> Message:
        to = NUMBER_OF.get(behaviour, f"+1555123{n:04d}")
        return Message(f"{n:032x}:1", to, f"消息 {n}", call_before_ms or FAR)

    def now_ms(self) -> int:
        return self.clock.now_ms()

    async def pass_ms(self, ms: int) -> None:
        await self.clock.sleep_ms(ms)

    def hold(self) -> None:
        self.clock.running.clear()

    def release(self) -> None:
        self.clock.running.set()

    def taken(self) -> Sequence[str]:
        return [entry.attempt for entry in self.sandbox.entries]

    async def stop_provider(self) -> None:
        await self.sandbox.stop()

    async def reconnect(self) -> None:
        await self.channel.close()
        self.connect()

    async def collected(self, acknowledge: bool = True) -> list[Collected]:
        """All that comes until nothing has come for a second."""
        found = []
        while True:
            try:
                async with asyncio.timeout(1):
                    await self.channel.arrived()
            except TimeoutError:
                return found
            found.append(await self.channel.collect())


def entry_of(bench: TwilioBench, attempt: str) -> Mapping[str, object]:
    return next(bench.sandbox.model.shown(e) for e in bench.sandbox.entries if e.attempt == attempt)
