"""A WeChat channel before our simulator, and a door of the test's own that takes the callbacks.

The hub's door journals what it takes; this one only keeps it, read by the same code.
"""

import asyncio
import base64
from collections.abc import Sequence

from aiohttp import web
from msgspec.structs import replace

from channels.base import Collected, Message, Receipt
from channels.wechat import WechatChannel
from channels.wechat_account import Door, Wechat, door_of
from channels.wechat_callbacks import fields_of, read_report
from channels.wechat_sandbox import Pace, WechatSandbox
from tests.channels.twilio_bench import FAR, PausedClock
from tests.contracts.channel_contract import Bench

LANE = "wechat-gov"
SECRET = "not-a-secret"
TOKEN = "our-token"
KEY = base64.b64encode(bytes(range(32))).decode().rstrip("=")
ENVIRON = {"WECHAT_TOKEN": TOKEN, "WECHAT_KEY": KEY}
ACCOUNT = Wechat(
    app_id="wx0123456789abcdef",
    password_env="WECHAT_SECRET",
    templates={"progress": "TM-1"},
    token_env="WECHAT_TOKEN",
    key_env="WECHAT_KEY",
    connections=20,
    answer_s=4,
)


def the_door() -> Door:
    door = door_of(ACCOUNT, TOKEN, KEY)
    assert door is not None
    return door


class Callbacks:
    """Takes callbacks, and keeps the reports that are signed."""

    def __init__(self) -> None:
        self.url = ""
        self.receipts: list[Receipt] = []
        self.refused = 0
        self.news = asyncio.Event()

    async def open(self) -> None:
        application = web.Application()
        application.router.add_post("/callbacks/wechat/{lane}", self._take)
        self._runner = web.AppRunner(application)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/callbacks/wechat/{LANE}"

    async def close(self) -> None:
        await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        fields = fields_of(the_door(), request.query, await request.read())
        if fields is None:
            self.refused += 1
            return web.Response(status=403)
        report = read_report(request.match_info["lane"], fields, 1_700_000_000_000)
        if report is not None:
            self.receipts.append(report)
            self.news.set()
        return web.Response(text="success")


class WechatBench(Bench):
    lane = LANE
    takes_twice = False  # one client_msg_id is shown once
    many_ms = 5_000
    echoes = False
    can = frozenset(
        (
            *("throttled", "transient", "bad_recipient", "bad_content", "bad_account"),
            *("unknown", "answer_lost", "answer_late", "stop"),
            *("undelivered", "receipt_lost", "receipt_repeated", "conflicting"),
            *("receipt_early", "receipt_late"),
        )
    )

    def __init__(self) -> None:
        self.clock = PausedClock()
        self.door = Callbacks()
        self.sandbox = WechatSandbox(self.clock, the_door(), SECRET, pace=Pace())

    async def open(self) -> None:
        await self.door.open()
        await self.sandbox.start()
        self.sandbox.callback = self.door.url
        self.connect()

    def connect(self, secret: str = SECRET, **changes: object) -> None:
        """A channel to the simulator, whose collect also hands out what the door took."""
        account = replace(ACCOUNT, **{"url": self.sandbox.url, **changes})
        made = WechatChannel(self.clock, {LANE: account}, {LANE: secret})
        collect_own, arrived_own = made.collect, made.arrived
        door = self.door

        async def collect() -> Collected:
            own = await collect_own()
            door.news.clear()
            told, door.receipts = tuple(door.receipts), []
            return replace(own, receipts=told)

        async def arrived() -> None:
            waiting = [
                asyncio.create_task(arrived_own()),
                asyncio.create_task(door.news.wait()),
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
        to = f"openid-{n}-{behaviour}" if behaviour else f"openid-{n}"
        text = f"progress\nthing1: 第{n}步\nurl: https://122.gov.cn/{n}"
        return Message(f"{n:032x}:1", to, text, call_before_ms or FAR)

    def now_ms(self) -> int:
        return self.clock.now_ms()

    async def pass_ms(self, ms: int) -> None:
        await self.clock.sleep_ms(ms)

    def hold(self) -> None:
        self.clock.running.clear()

    def release(self) -> None:
        self.clock.running.set()

    def taken(self) -> Sequence[str]:
        return [f"{entry.client_id}:1" for entry in self.sandbox.entries]

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
