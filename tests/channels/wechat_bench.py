"""A WeChat channel before our simulator, and a door of the test's own that takes the callbacks."""

import base64
from collections.abc import Sequence

from aiohttp import web
from msgspec.structs import replace

from channels.base import Message, Receipt
from channels.sandbox_http import Pace
from channels.wechat import WechatChannel
from channels.wechat_account import Door, Wechat, door_of
from channels.wechat_callbacks import fields_of, read_report
from channels.wechat_sandbox import WechatSandbox
from tests.channels.callback_bench import FAR, CallbackBench, CallbackDoor, PausedClock

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


class Callbacks(CallbackDoor):
    """Takes callbacks, and keeps the reports that are signed."""

    paths = ("/callbacks/wechat/{lane}",)

    def __init__(self) -> None:
        super().__init__()
        self.told: list[Receipt] = []
        self.refused = 0

    async def take(self, request: web.Request) -> web.Response:
        fields = fields_of(the_door(), request.query, await request.read())
        if fields is None:
            self.refused += 1
            return web.Response(status=403)
        report = read_report(request.match_info["lane"], fields, 1_700_000_000_000)
        if report is not None:
            self.told.append(report)
            self.news.set()
        return web.Response(text="success")

    def receipts(self) -> tuple[Receipt, ...]:
        found, self.told = tuple(self.told), []
        return found


class WechatBench(CallbackBench):
    lane = LANE
    takes_twice = False  # one client_msg_id is shown once
    echoes = False

    def __init__(self) -> None:
        self.clock = PausedClock()
        self.door = Callbacks()
        self.sandbox = WechatSandbox(self.clock, the_door(), SECRET, pace=Pace())

    def connect(self, secret: str = SECRET, **changes: object) -> None:
        """A channel to the simulator, whose collect also hands out what the door took."""
        self.sandbox.callback = f"{self.door.url}/callbacks/wechat/{LANE}"
        account = replace(ACCOUNT, **{"url": self.sandbox.url, **changes})
        made = WechatChannel(self.clock, {LANE: account}, {LANE: secret})
        self.hand_out(made)

    def message(self, n: int, behaviour: str = "", call_before_ms: int = 0) -> Message:
        to = f"openid-{n}-{behaviour}" if behaviour else f"openid-{n}"
        text = f"progress\nthing1: 第{n}步\nurl: https://122.gov.cn/{n}"
        return Message(f"{n:032x}:1", to, text, call_before_ms or FAR)

    def taken(self) -> Sequence[str]:
        return [f"{entry.client_id}:1" for entry in self.sandbox.entries]
