"""A push service as browsers have one, in this process: it opens what it is brought.

It keeps one message a topic, as RFC 8030 section 5.4 asks, and counts what a device would show.
"""

import asyncio
import json
from base64 import urlsafe_b64decode
from collections.abc import Sequence
from dataclasses import dataclass, field

import http_ece
import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from channels.base import Message
from channels.push_account import WebPush
from channels.push_address import base64url, subscription_address
from channels.push_web import PushWeb
from tests.contracts.channel_contract import Bench
from tests.contracts.clocks import RealClock

FAR = 4 * 10**12
KEY = bytes(range(1, 33))
CONTACT = "mailto:push@authority.example"
SECRET = b"0123456789abcdef"

ANSWERS = {
    "throttled": 429,
    "transient": 503,
    "bad_recipient": 410,
    "bad_content": 413,
    "sender": 403,
    "unknown": 500,
}


@dataclass
class Taken:
    """One message as its device has it."""

    shown: dict[str, str]
    headers: dict[str, str]
    claims: dict[str, object]


@dataclass
class PushService:
    """Endpoints are ``/push/NAME``; what a name begins with is what comes of it."""

    device: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )
    url: str = ""
    taken: list[Taken] = field(default_factory=list)
    answered: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(self) -> None:
        application = web.Application()
        application.router.add_post("/push/{name}", self._take)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        await self._runner.cleanup()

    def address(self, name: str) -> str:
        """Of a subscription of the one device behind it."""
        point = self.device.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return subscription_address(f"{self.url}/push/{name}", base64url(point), base64url(SECRET))

    def screen(self) -> dict[str, Taken]:
        """What is shown: of each topic the last."""
        return {taken.headers["Topic"]: taken for taken in self.taken}

    async def _take(self, request: web.Request) -> web.Response:
        behaviour = request.match_info["name"].rpartition("-")[0]
        body = await request.read()
        if behaviour in ANSWERS:
            return web.Response(status=ANSWERS[behaviour], headers={"Retry-After": "7"})
        self.taken.append(self._open(request, body))
        if behaviour in ("answer_lost", "answer_late"):
            await asyncio.sleep(1.5 if behaviour == "answer_late" else 30)
        return web.Response(status=201, headers={"Location": f"{self.url}/m/{len(self.taken)}"})

    def _open(self, request: web.Request, body: bytes) -> Taken:
        plain = http_ece.decrypt(
            body, private_key=self.device, auth_secret=SECRET, version="aes128gcm"
        )
        scheme, _, rest = request.headers["Authorization"].partition(" ")
        assert scheme == "vapid"
        values = dict(part.strip().split("=", 1) for part in rest.split(","))
        point = urlsafe_b64decode(values["k"] + "=" * (-len(values["k"]) % 4))
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        # when it ends is by the clock of whoever made it, which a test may have set
        no_clock = {"verify_exp": False}
        claims = jwt.decode(values["t"], key, ["ES256"], no_clock, audience=self.url)
        return Taken(json.loads(plain), dict(request.headers), claims)


class PushBench(Bench):
    """The channel for browsers on that service."""

    lane = "push-web"
    takes_twice = True  # it is the device that shows it once
    many_ms = 5_000
    can = frozenset(
        (
            *("throttled", "transient", "bad_recipient", "bad_content"),
            *("unknown", "answer_lost", "answer_late", "stop"),
        )
    )

    def __init__(self) -> None:
        self.clock = RealClock()
        self.service = PushService()

    async def open(self) -> None:
        await self.service.start()
        self.connect()

    def connect(self, **changes: object) -> None:
        account = WebPush(CONTACT, KEY, (self.service.url,), answer_s=5)._replace(**changes)
        self.channel = PushWeb(
            self.clock, account, lambda lane, attempt: f"https://hub.example/{lane}/{attempt}"
        )

    async def close(self) -> None:
        await self.channel.close()
        await self.service.stop()

    def message(self, n: int, behaviour: str = "", call_before_ms: int = 0) -> Message:
        to = self.service.address(f"{behaviour}-{n}")
        before_ms = call_before_ms or FAR
        return Message(f"{n:032x}:1", to, f"请打开查看 {n}", before_ms, subject="咨询已答复")

    def now_ms(self) -> int:
        return self.clock.now_ms()

    async def pass_ms(self, ms: int) -> None:
        await self.clock.sleep_ms(ms)

    def taken(self) -> Sequence[str]:
        return [taken.shown["proof"].rpartition("/")[2] for taken in self.service.taken]

    async def stop_provider(self) -> None:
        await self.service.stop()

    async def reconnect(self) -> None:
        await self.channel.close()
        self.connect()

    async def collected(self, acknowledge: bool = True) -> list:  # type: ignore[type-arg]
        """Late answers, for as long as they may take."""
        found = []
        for _ in range(2):
            try:
                async with asyncio.timeout(1):
                    await self.channel.arrived()
            except TimeoutError:
                continue
            found.append(await self.channel.collect())
        return found
