"""A provider of texts, calls and push messages by HTTPS, on loopback: for tests and for trying.

It is the sandbox carrier behind an interface such as providers have: requests are signed, refusals
come as codes in answers of 200 as often as by status, reports are called back signed and brought
again when nobody takes them. The guide on declared providers shows the interface, and a lane that
describes it. What befalls a message is the sandbox carrier's, by the end of its number or by
chance; some ends (:data:`SPECIAL`) mean something here alone.
"""

import asyncio
import base64
import hmac
from collections import OrderedDict
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec
from aiohttp import web

from channels.base import (
    Accepted,
    Clock,
    Message,
    Outcome,
    Permanent,
    Receipt,
    Throttled,
    Transient,
)
from channels.http_client import Answered, HttpClient
from channels.sandbox import Ledger
from channels.sandbox_model import PENDING_MAX, Faults, Sandbox
from channels.sandbox_model import SPECIAL as FATES

SPECIAL: dict[str, str] = {
    "99990020": "server_error",  # taken, and answered with 500
    "99990021": "dropped",  # not taken, and the connection reset
    "99990031": "NO_ANSWER",
    "99990032": "BUSY",
    "99990033": "MACHINE",
    "99990034": "hangs_up",  # listens, and presses nothing
    "99990036": "no_more",  # presses 0
}

Kind = Literal["sms", "voice", "push"]
RESOURCES: dict[str, Kind] = {"messages": "sms", "calls": "voice", "pushes": "push"}

OK = "0"
UNSIGNED, REPLAYED, UNREADABLE = "4010", "4011", "4000"

REFUSALS: dict[str, tuple[int, str]] = {
    "throttled": (429, "4290"),
    "transient": (200, "5001"),
    "recipient": (200, "1001"),
    "content": (200, "2001"),
    "account": (403, "4030"),
    "lane": (200, "3009"),
}
"""Status and code of what is not taken, by why."""

AGE_MAX_MS = 300_000
"""How far a request's time may be from ours."""

NONCES_MAX = 100_000
"""Requests that are known again."""

BODY_MAX = 64 * 1024
CALLBACK_S = 5
STOP_S = 0.05
"""How long stopping waits for answers; the library takes 0 for ever."""

TRIES = 5
RETRY_MS = 1_000
"""How often a report is brought, and the time between."""

REPORTS_MAX = 200
"""Reports in one callback."""


class Account(NamedTuple):
    """Who may send, and how callbacks are signed. ``callback_url`` takes the reports of requests
    that give no address of their own."""

    app: str
    key: str
    callback_key: str
    callback_url: str = ""


class Body(msgspec.Struct):
    """The body of a request. ``ttl`` is how many seconds it is of use."""

    to: str
    content: str
    out_id: str = ""
    sender: str = ""
    notify_url: str = ""
    ttl: int = 0


class _Asked(NamedTuple):
    """What is remembered of a message that was taken, until it is reported."""

    kind: Kind
    to: str
    out_id: str
    notify_url: str


class HttpSandbox:
    """The server. ``lost`` are the callbacks that nobody took."""

    def __init__(
        self, clock: Clock, account: Account, ledger: Path, seed: int = 1,
        faults: Faults = Faults(),  # noqa: B008 a frozen value
    ) -> None:  # fmt: skip
        self.url = ""
        self.lost: list[str] = []
        self.hung = False
        """Takes connections, and answers nobody."""
        self.deaf = False
        """Calls nobody back."""
        self._clock = clock
        self._account = account
        self._sandbox = Sandbox(seed, faults)
        self._ledger = Ledger(ledger)
        self._ledger.restore(self._sandbox)
        self._asked: OrderedDict[str, _Asked] = OrderedDict()
        self._nonces: OrderedDict[str, None] = OrderedDict()
        self._news = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen; ``url`` says where."""
        application = web.Application(client_max_size=BODY_MAX)
        application.router.add_post("/v1/{resource}", self._serve)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=STOP_S)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        self.url = f"http://{host}:{self._runner.addresses[0][1]}"
        self._client = HttpClient(self._clock, CALLBACK_S, CALLBACK_S)
        self._task(self._report())

    async def stop(self) -> None:
        """Hang up on everybody, and call nobody back any more."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._runner.cleanup()
        await self._client.close()
        self._ledger.close()

    def _task(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # Requests

    async def _serve(self, request: web.Request) -> web.Response:
        body = await request.read()
        if self.hung:
            await asyncio.Event().wait()
        kind = RESOURCES.get(request.match_info["resource"])
        if kind is None:
            return _answer(404, "4040")
        if refusal := self._unproved(request, body):
            return _answer(401, refusal)
        try:
            asked = msgspec.json.decode(body, type=Body)
        except msgspec.DecodeError:
            return _answer(400, UNREADABLE)
        return await self._take(request, kind, asked)

    def _unproved(self, request: web.Request, body: bytes) -> str:
        """Why it is not this account's, or not now; "" when it is."""
        headers = request.headers
        told, nonce = headers.get("X-Timestamp", ""), headers.get("X-Nonce", "")
        parts = ("POST", request.path, told, nonce, sha256(body).hexdigest())
        proof = base64.b64encode(_hmac(self._account.key, "\n".join(parts).encode())).decode()
        given = headers.get("X-Signature", "")
        if headers.get("X-App", "") != self._account.app or not hmac.compare_digest(
            proof.encode(), given.encode()
        ):
            return UNSIGNED
        if not told.isdecimal() or abs(int(told) - self._clock.now_ms()) > AGE_MAX_MS:
            return REPLAYED
        if nonce in self._nonces:
            return REPLAYED
        self._nonces[nonce] = None
        if len(self._nonces) > NONCES_MAX:
            self._nonces.popitem(last=False)
        return ""

    async def _take(self, request: web.Request, kind: Kind, asked: Body) -> web.Response:
        own = SPECIAL.get(asked.to[-8:], "")
        if own == "dropped":
            return _reset(request)
        message = Message(
            asked.out_id.replace("-", ":"), asked.to, asked.content, self._clock.now_ms()
        )
        now_ms = self._clock.now_ms()
        (answer,) = self._sandbox.submit(f"{kind}-http", [message], now_ms)
        entries = self._sandbox.drain()
        self._ledger.write(entries)
        for entry in entries:
            if entry.outcome == "taken":
                self._remember(entry.ref, _Asked(kind, asked.to, asked.out_id, asked.notify_url))
        self._news.set()
        if own == "server_error":
            return _answer(500, "9999")
        if answer.outcome is None:
            await asyncio.Event().wait()
        if answer.due_ms > now_ms:
            await self._clock.sleep_ms(answer.due_ms - now_ms)
        return _answered(request, answer.outcome)

    def _remember(self, ref: str, asked: _Asked) -> None:
        self._asked[ref] = asked
        if len(self._asked) > PENDING_MAX:
            self._asked.popitem(last=False)

    # Callbacks

    async def _report(self) -> None:
        """Bring what is due, for as long as it runs."""
        while True:
            self._news.clear()
            now_ms = self._clock.now_ms()
            told = self._sandbox.collect(now_ms, REPORTS_MAX)
            if told.receipts:
                self._task(self._bring(told.token, told.receipts))
                continue
            waiting: list[asyncio.Task[Any]] = [asyncio.create_task(self._news.wait())]
            if told.next_ms:
                sleep_ms = max(told.next_ms - now_ms, 1)
                waiting.append(asyncio.create_task(_slept(self._clock, sleep_ms)))
            try:
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for one in waiting:
                    one.cancel()

    async def _bring(self, token: int, receipts: tuple[Receipt, ...]) -> None:
        """One callback to each address; acknowledged when every one was taken or given up."""
        by_url: dict[str, list[dict[str, str]]] = {}
        for receipt in receipts:
            asked = self._asked.get(receipt.ref)
            url = (asked.notify_url if asked else "") or self._account.callback_url
            by_url.setdefault(url, []).append(_told(receipt, asked))
        for url, reports in by_url.items():
            if url and not self.deaf:
                await self._call(url, msgspec.json.encode({"reports": reports}))
        self._ledger.acknowledged(self._sandbox.acknowledge(token))

    async def _call(self, url: str, body: bytes) -> None:
        for turn in range(TRIES):
            if turn:
                await self._clock.sleep_ms(RETRY_MS)
            told = str(self._clock.now_ms())
            proof = _hmac(self._account.callback_key, told.encode() + b"\n" + body).hex()
            headers = {
                "Content-Type": "application/json", "X-Timestamp": told, "X-Signature": proof,
            }  # fmt: skip
            answer = await self._client.post(url, body, headers)
            if isinstance(answer, Answered) and answer.status < 300:
                return
        self.lost.append(url)


async def _slept(clock: Clock, ms: int) -> None:
    await clock.sleep_ms(ms)


def _told(receipt: Receipt, asked: _Asked | None) -> dict[str, str]:
    """A report as it is called back."""
    out_id = receipt.attempt.replace(":", "-")
    told = {"id": receipt.ref, "out_id": asked.out_id if asked else out_id}
    if asked is None or asked.kind != "voice":
        return told | {"status": receipt.code, "reason": ""}
    own = SPECIAL.get(asked.to[-8:], "")
    if receipt.status != "delivered":
        return told | {"status": "NO_ANSWER", "key": ""}
    match own:
        case "NO_ANSWER" | "BUSY" | "MACHINE":
            return told | {"status": own, "key": ""}
        case "hangs_up":
            return told | {"status": "ANSWERED", "key": ""}
        case "no_more":
            return told | {"status": "ANSWERED", "key": "0"}
        case _:
            return told | {"status": "ANSWERED", "key": "" if asked.to[-8:] in FATES else "1"}


def _answered(request: web.Request, outcome: Outcome | None) -> web.Response:
    match outcome:
        case Accepted(ref):
            return _answer(200, OK, {"id": ref})
        case Throttled(_, retry_after_ms):
            status, code = REFUSALS["throttled"]
            return _answer(status, code, wait_s=-(-retry_after_ms // 1_000))
        case Transient():
            return _answer(*REFUSALS["transient"])
        case Permanent(_, scope):
            return _answer(*REFUSALS[scope])
        case _:
            return _reset(request)


def _reset(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


def _answer(
    status: int, code: str, data: Mapping[str, str] | None = None, wait_s: int = 0
) -> web.Response:
    text = msgspec.json.encode({"code": code, "message": _SAYS.get(code, "refused"), "data": data})
    headers = {"Retry-After": str(wait_s)} if wait_s else {}
    return web.Response(status=status, body=text, content_type="application/json", headers=headers)


_SAYS = {OK: "accepted", UNSIGNED: "bad signature", REPLAYED: "stale or replayed"}


def _hmac(key: str, text: bytes) -> bytes:
    return hmac.new(key.encode(), text, sha256).digest()


async def serve(
    clock: Clock, account: Account, host: str, port: int, ledger: Path, faults: Faults,
    listening: Callable[[str], None],
) -> None:  # fmt: skip
    """Be the provider until cancelled. What was taken is a line of ``ledger``, written before
    anybody is answered; it goes on where the ledger ends."""
    sandbox = HttpSandbox(clock, account, ledger, faults=faults)
    await sandbox.start(host, port)
    listening(sandbox.url)
    try:
        await asyncio.Event().wait()
    finally:
        await sandbox.stop()
