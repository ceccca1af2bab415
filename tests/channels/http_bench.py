"""A lane that is declared in the guide, before the sandbox of its provider, and a door of the
test's own that takes the callbacks."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from aiohttp import web
from msgspec.structs import replace

from channels.base import Message, Receipt
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
from tests.channels.callback_bench import FAR, CallbackBench, CallbackDoor, PausedClock
from tests.contracts.clocks import RealClock

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "http.md"
SMS, VOICE = re.findall(r"^```toml\n(.*?)^```", GUIDE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
"""The lanes that the guide shows."""

SECRETS = {"key": "not-a-secret", "callback": "nor-this"}
APP = "fenghuo"

QUICK = Faults(answer_ms=5, slow_ms=300, late_ms=1_100, receipt_ms=20, grid_ms=1)
NUMBER_OF = {name: f"+86138{digits}" for digits, name in {**SPECIAL, **OWN}.items()}


def declared(text: str = SMS) -> Http:
    """The account of the one lane."""
    (lane,) = load_lanes(text, PROTOCOLS)
    account: Http = lane.account
    return account


class Door(CallbackDoor):
    """Takes callbacks, and keeps what is told by those that are signed."""

    paths = (
        "/callbacks/http/{lane}",
        "/callbacks/http/{lane}/{stream}/{version}/{token}",
    )

    def __init__(self, http: Http) -> None:
        super().__init__()
        self.told: list[Told] = []
        self.refused: list[str] = []
        self.fails = 0
        """How many callbacks are not taken from now on."""
        self._http = http

    async def take(self, request: web.Request) -> web.Response:
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
        found = tuple(one for one in self.told if isinstance(one, Receipt))
        self.told.clear()
        return found


class HttpBench(CallbackBench):
    """The lane of ``text``; ``resource`` is what it asks of the provider."""

    takes_twice = True  # the provider has no key that makes two requests one

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

    def connect(self, secrets: Mapping[str, str] = SECRETS, **changes: Any) -> None:
        """A channel to the sandbox, whose collect also hands out what the door took."""
        path = self.http.url.partition("/v1/")[2]
        told = {"url": f"{self.sandbox.url}/v1/{path}", "answer_ms": 4_000, **changes}
        made = HttpChannel(
            self.clock, {self.lane: replace(self.http, **told)}, {self.lane: secrets},
            self.door.url, self._name,
        )  # fmt: skip
        self.hand_out(made)

    def written(self, n: int, at_ms: int = 0, **changes: Any) -> Written:
        """The request for the ``n``-th message, as the channel would make it."""
        path = self.http.url.partition("/v1/")[2]
        http = replace(self.http, url=f"{self.sandbox.url}/v1/{path}", **changes)
        writer = Writer(self.lane, http, SECRETS, self.door.url)
        return writer.write(self.message(n), at_ms or self.now_ms())

    async def close(self) -> None:
        await super().close()
        self._folder.cleanup()

    def message(self, n: int, behaviour: str = "", call_before_ms: int = 0) -> Message:
        if behaviour.endswith("_late"):
            self.idle_s = QUICK.late_ms * 2 / 1_000
        to = NUMBER_OF.get("reset" if behaviour == "unknown" else behaviour) or self.usual(n)
        return Message(f"{n:032x}:1", to, f"消息 {n}", call_before_ms or FAR)

    def usual(self, n: int) -> str:
        """Somebody whom nothing befalls."""
        return f"+86138{n:08d}"

    def taken(self) -> Sequence[str]:
        return [entry.attempt for entry in read_ledger(self.ledger) if entry.outcome == "taken"]
