"""How a worker is: the signs of its life, the port that tells them, and who asks there.

A worker notes what goes well (the database answered, a slice was finished); a sign that stays away
for longer than it may is a sentence in the answer to ``/readyz``. The port answers from the
worker's own event loop, so a loop that is stuck does not answer at all, which is wrong, too.
"""

import asyncio
import http.client
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

import msgspec

REQUEST_MAX = 4_096
"""Bytes of a request: a probe sends some two hundred."""

REQUEST_S = 5
"""How long a request may take to arrive: whoever takes longer is not asking how we are."""

ANSWER_S = 4
"""How long an answer is waited for: a loop that is busy for that long serves nobody."""

ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - read, not bound
"""Where to ask somebody who listens on every address."""


class Health(msgspec.Struct):
    """An answer of ``/readyz``: ``wrong`` holds a sentence for each thing that is."""

    status: str
    wrong: list[str] = []


@dataclass
class _Sign:
    within_s: float
    sentence: str
    seen_s: float | None = None


class Signs:
    """What has to go on happening, and when it did last; ``now_s`` never goes back."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._signs: dict[str, _Sign] = {}

    def expect(self, name: str, within_s: float, sentence: str) -> None:
        """From now on ``sentence`` is true unless ``name`` was seen in the last ``within_s``."""
        self._signs[name] = _Sign(within_s, sentence)

    def see(self, name: str) -> None:
        """It happened, just now."""
        self._signs[name].seen_s = self._now_s()

    def wrong(self) -> list[str]:
        """A sentence for each sign that stays away, in the order they were expected."""
        now_s = self._now_s()
        return [text for sign in self._signs.values() if (text := _missed(sign, now_s))]


def _missed(sign: _Sign, now_s: float) -> str:
    if sign.seen_s is None:
        return f"{sign.sentence} (not once so far)"
    away_s = now_s - sign.seen_s
    return f"{sign.sentence} (for {away_s:.0f} s)" if away_s > sign.within_s else ""


class HealthPort:
    """Answers ``/healthz`` (this loop turns) and ``/readyz`` (and nothing is wrong), in JSON.

    ``wrong`` is asked each time and must not block, and so is ``notes``: what people should look
    at although the worker goes on, which is told with a status of 200. ``port`` 0 takes a free one,
    which it is once the port is open.
    """

    def __init__(
        self,
        port: int,
        wrong: Callable[[], Sequence[str]],
        host: str = "127.0.0.1",
        notes: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        self.port = port
        self._host = host
        self._wrong = wrong
        self._notes = notes
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self) -> None:
        self._server = await asyncio.start_server(
            self._serve, self._host, self.port, limit=REQUEST_MAX
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(
            OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError
        ):
            async with asyncio.timeout(REQUEST_S):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(self._answer(head.split(b" ", 2)[1:2]))
                await writer.drain()
        writer.close()

    def _answer(self, path: list[bytes]) -> bytes:
        match path:
            case [b"/healthz"]:
                return _response(200, Health("ok"))
            case [b"/readyz"]:
                wrong = list(self._wrong())
                said = Health("wrong", wrong) if wrong else Health("ok", list(self._notes()))
                return _response(503 if wrong else 200, said)
            case _:
                return _response(404, Health("unknown", ["there are /healthz and /readyz"]))


def _response(status: int, health: Health) -> bytes:
    body = msgspec.json.encode(health)
    head = (
        f"HTTP/1.1 {status} {http.client.responses[status]}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body


def ask(host: str, port: int) -> list[str]:
    """What is wrong with whoever listens there: nothing, what it says, or that it says nothing."""
    host = ANYWHERE.get(host, host)
    line = http.client.HTTPConnection(host, port, timeout=ANSWER_S)
    try:
        line.request("GET", "/readyz")
        answer = line.getresponse()
        health = msgspec.json.decode(answer.read(), type=Health)
    except (OSError, http.client.HTTPException) as error:
        return [f"{host}:{port} does not answer: {str(error) or type(error).__name__}"]
    except msgspec.DecodeError:
        return [f"{host}:{port} answers, and is no hub"]
    finally:
        line.close()
    if answer.status == 200:
        return []
    return health.wrong or [f"{host}:{port} is not ready and does not say why"]
