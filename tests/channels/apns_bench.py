"""Apple's service for pushes, as far as we know it, on a real HTTP/2 server (hypercorn, TLS).

The protocol is somebody else's implementation; the answers are ours, after Apple's documentation.
"""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from hypercorn.asyncio import serve
from hypercorn.config import Config

from channels.base import Message
from channels.push_account import Apns
from channels.push_apns import PushApns
from tests.contracts.channel_contract import Bench
from tests.contracts.clocks import RealClock

FAR = 4 * 10**12
SIGNER = ec.generate_private_key(ec.SECP256R1())
PEM = SIGNER.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

ANSWERS = {
    "throttled": (429, "TooManyRequests"),
    "transient": (503, "ServiceUnavailable"),
    "badrecipient": (410, "Unregistered"),
    "badtoken": (400, "BadDeviceToken"),
    "badcontent": (413, "PayloadTooLarge"),
    "sender": (403, "InvalidProviderToken"),
    "unknown": (502, ""),
}

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


@dataclass
class Taken:
    """One message as it came."""

    device: str
    headers: dict[str, str]
    payload: dict[str, Any]
    claims: dict[str, Any]


@dataclass
class Apple:
    """Devices are named by what comes of them, and a number."""

    folder: Path
    url: str = ""
    versions: set[str] = field(default_factory=set)
    taken: list[Taken] = field(default_factory=list)

    async def start(self) -> None:
        certificate, key = self._certificate()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        config = Config()
        config.bind = [f"127.0.0.1:{port}"]
        config.certfile, config.keyfile = str(certificate), str(key)
        config.alpn_protocols = ["h2"]
        config.graceful_timeout = config.shutdown_timeout = 0.2
        config.loglevel = "CRITICAL"
        config.keep_alive_max_requests = REQUESTS_MAX
        self._ending = asyncio.Event()
        self._serving = asyncio.create_task(
            serve(self._app, config, shutdown_trigger=self._ending.wait)  # type: ignore[arg-type]
        )
        self.url = f"https://127.0.0.1:{port}"
        for _ in range(500):
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.01)
            else:
                writer.close()
                return
        raise AssertionError("it does not listen")

    async def stop(self) -> None:
        self._ending.set()
        await self._serving

    @property
    def certificate(self) -> Path:
        return self.folder / "apple.pem"

    async def _app(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        body = b""
        while True:
            part = await receive()
            body += part.get("body", b"")
            if not part.get("more_body"):
                break
        self.versions.add(scope["http_version"])
        device = scope["path"].rpartition("/")[2]
        behaviour = device.rstrip("0123456789")
        status, reason = ANSWERS.get(behaviour, (200, ""))
        if status == 200:
            headers = {name.decode(): value.decode() for name, value in scope["headers"]}
            token = headers["authorization"].removeprefix("bearer ")
            claims = jwt.decode(
                token, SIGNER.public_key(), ["ES256"], {"verify_iat": False}
            ) | jwt.get_unverified_header(token)
            self.taken.append(Taken(device, headers, json.loads(body), claims))
            if behaviour in ("late", "lost"):
                await asyncio.sleep(1.5 if behaviour == "late" else 8)
        answer = [(b"apns-id", f"ID-{len(self.taken)}".encode()), (b"retry-after", b"7")]
        await send({"type": "http.response.start", "status": status, "headers": answer})
        told = json.dumps({"reason": reason}).encode() if reason else b""
        await send({"type": "http.response.body", "body": told})

    def _certificate(self) -> tuple[Path, Path]:
        """Of this machine only, for a day."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "apple")])
        now = datetime.now(UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), False
            )
            .sign(key, hashes.SHA256())
        )
        files = self.certificate, self.folder / "apple.key"
        files[0].write_bytes(made.public_bytes(Encoding.PEM))
        files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return files


REQUESTS_MAX = 1_000_000
"""On one connection: Apple keeps one for as long as it is used, hypercorn by itself for a thousand.
"""


class ApnsBench(Bench):
    """The channel for Apple's devices on that service."""

    lane = "push-apns"
    takes_twice = True  # it is the device that shows it once
    many_ms = 5_000
    can = frozenset(
        (
            *("throttled", "transient", "bad_recipient", "bad_content"),
            *("unknown", "answer_lost", "answer_late", "stop"),
        )
    )

    def __init__(self, folder: Path) -> None:
        self.clock = RealClock()
        self.apple = Apple(folder)

    async def open(self) -> None:
        await self.apple.start()
        self.connect()

    def connect(self, **changes: object) -> None:
        account = Apns(
            PEM, "KEY4567890", "TEAM567890", "cn.gov.app", self.apple.url,
            str(self.apple.certificate), answer_s=5,
        )  # fmt: skip
        account = account._replace(**changes)  # type: ignore[arg-type]
        self.channel = PushApns(self.clock, account)

    async def close(self) -> None:
        await self.channel.close()
        await self.apple.stop()

    def message(self, n: int, behaviour: str = "", call_before_ms: int = 0) -> Message:
        named = behaviour.removeprefix("answer_").replace("_", "") or "ok"
        before_ms = call_before_ms or FAR
        return Message(
            f"{n:032x}:1", f"apns:{named}{n}", f"请打开查看 {n}", before_ms, subject="咨询已答复"
        )

    def now_ms(self) -> int:
        return self.clock.now_ms()

    async def pass_ms(self, ms: int) -> None:
        await self.clock.sleep_ms(ms)

    def taken(self) -> Sequence[str]:
        return [f"{taken.headers['apns-collapse-id']}:1" for taken in self.apple.taken]

    async def stop_provider(self) -> None:
        await self.apple.stop()

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
