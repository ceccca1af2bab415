"""A lane that is declared in the guide, before the sandbox of its provider, and a door of the
test's own that takes the callbacks.

The hub's door journals what it takes; this one only keeps it, read by the same code.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from aiohttp import web
from msgspec.structs import replace

from channels.base import Collected, Message, Receipt
from channels.http_account import Http
from channels.http_callbacks import Called, Told, is_theirs, read
from channels.http_channel import HttpChannel
from channels.http_request import Writer, Written, token_of
from channels.http_sandbox import SPECIAL as OWN
from channels.http_sandbox import Account, HttpSandbox
from channels.lanes_file import load_lanes
from channels.sandbox import read_ledger
from channels.sandbox_model import SPECIAL, Faults
from hub.lanes_file import PROTOCOLS
from tests.contracts.channel_contract import Bench
from tests.contracts.clocks import RealClock

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "http.md"
SMS, VOICE = re.findall(r"^```toml\n(.*?)^```", GUIDE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
"""The lanes that the guide shows."""

SECRETS = {"key": "not-a-secret", "callback": "nor-this"}
APP = "fenghuo"
FAR = 4 * 10**12

QUICK = Faults(answer_ms=5, slow_ms=300, late_ms=1_100, receipt_ms=20, grid_ms=1)
NUMBER_OF = {name: f"+86138{digits}" for digits, name in {**SPECIAL, **OWN}.items()}


def declared(text: str = SMS) -> Http:
    """The account of the one lane."""
    (lane,) = load_lanes(text, PROTOCOLS)
    account: Http = lane.account
    return account


class PausedClock(RealClock):
    """Whose sleepers can be held."""

    def __init__(self) -> None:
        self.running = asyncio.Event()
        self.running.set()

    async def sleep_ms(self, ms: int) -> None:
        await super().sleep_ms(ms)
        await self.running.wait()


class Door:
    """Takes callbacks, and keeps what is told by those that are signed."""

    def __init__(self, http: Http) -> None:
        self.url = ""
        self.told: list[Told] = []
        self.refused: list[str] = []
        self.fails = 0
        """How many callbacks are not taken from now on."""
        self.news = asyncio.Event()
        self._http = http

    async def open(self) -> None:
        application = web.Application()
        application.router.add_post("/callbacks/http/{lane}", self._take)
        application.router.add_post("/callbacks/http/{lane}/{stream}/{version}/{token}", self._take)
        self._runner = web.AppRunner(application)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def close(self) -> None:
        await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        if self.fails:
            self.fails -= 1
            return web.Response(status=503)
        callback = self._http.callback
        assert callback is not None
        names = request.match_info
        attempt = f"{names['stream']}:{names['version']}" if "stream" in names else ""
        headers = {name.lower(): value for name, value in request.headers.items()}
        called = Called(request.host, request.path, {}, headers, await request.read())
        theirs = is_theirs(callback.check, SECRETS, called, RealClock().now_ms())
        token = token_of(SECRETS["callback"], names["lane"], attempt)
        if not theirs or (attempt and names["token"] != token):
            self.refused.append(request.path)
            return web.Response(status=403)
        self.told += read(callback, names["lane"], attempt, called.body, RealClock().now_ms())
        self.news.set()
        return web.Response(status=204)

    def receipts(self) -> tuple[Receipt, ...]:
        """Those that came since the last call."""
        found = tuple(one for one in self.told if isinstance(one, Receipt))
        self.told.clear()
        return found


class HttpBench(Bench):
    """The lane of ``text``; ``resource`` is what it asks of the provider."""

    takes_twice = True  # the provider has no key that makes two requests one
    many_ms = 5_000
    # a callback is acknowledged by its answer, not by us, and so no "receipt"
    can = frozenset(
        (
            *("throttled", "transient", "bad_recipient", "bad_content", "bad_account"),
            *("unknown", "answer_lost", "answer_late", "stop"),
            *("undelivered", "receipt_lost", "receipt_repeated", "conflicting"),
            *("receipt_early", "receipt_late"),
        )
    )

    def __init__(self, text: str = SMS, lane: str = "sms-example", name: str = "sms_http") -> None:
        self.lane = lane
        self.clock = PausedClock()
        self.http = declared(text)
        self.door = Door(self.http)
        self._name = name
        self.idle_s = 0.25
        self._folder = TemporaryDirectory()
        self.ledger = Path(self._folder.name) / "ledger.jsonl"
        self.sandbox = self.provider()

    def provider(self, callback_url: str = "") -> HttpSandbox:
        account = Account(APP, SECRETS["key"], SECRETS["callback"], callback_url)
        return HttpSandbox(self.clock, account, self.ledger, faults=QUICK)

    async def open(self) -> None:
        await self.door.open()
        await self.sandbox.start()
        self.connect()

    def connect(self, secrets: Mapping[str, str] = SECRETS, **changes: Any) -> None:
        """A channel to the sandbox, whose collect also hands out what the door took."""
        bench = self
        path = self.http.url.partition("/v1/")[2]
        told = {"url": f"{self.sandbox.url}/v1/{path}", "answer_ms": 4_000, **changes}
        made = HttpChannel(
            self.clock, {self.lane: replace(self.http, **told)}, {self.lane: secrets},
            self.door.url, self._name,
        )  # fmt: skip
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

    def written(self, n: int, at_ms: int = 0, **changes: Any) -> Written:
        """The request for the ``n``-th message, as the channel would make it."""
        path = self.http.url.partition("/v1/")[2]
        http = replace(self.http, url=f"{self.sandbox.url}/v1/{path}", **changes)
        writer = Writer(self.lane, http, SECRETS, self.door.url)
        return writer.write(self.message(n), at_ms or self.now_ms())

    async def close(self) -> None:
        await self.channel.close()
        await self.sandbox.stop()
        await self.door.close()
        self._folder.cleanup()

    def message(self, n: int, behaviour: str = "", call_before_ms: int = 0) -> Message:
        if behaviour.endswith("_late"):
            self.idle_s = QUICK.late_ms * 2 / 1_000
        to = NUMBER_OF.get("reset" if behaviour == "unknown" else behaviour) or self.usual(n)
        return Message(f"{n:032x}:1", to, f"消息 {n}", call_before_ms or FAR)

    def usual(self, n: int) -> str:
        """Somebody whom nothing befalls."""
        return f"+86138{n:08d}"

    def now_ms(self) -> int:
        return self.clock.now_ms()

    async def pass_ms(self, ms: int) -> None:
        await self.clock.sleep_ms(ms)

    def hold(self) -> None:
        self.clock.running.clear()

    def release(self) -> None:
        self.clock.running.set()

    def taken(self) -> Sequence[str]:
        return [entry.attempt for entry in read_ledger(self.ledger) if entry.outcome == "taken"]

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
