"""HTTP as our simulators of providers speak it: one connection, one request after the other."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from typing import Any

import h11
import msgspec
from yarl import URL

from channels.base import Clock
from channels.http_client import Answered, HttpClient

READ_BYTES = 64 * 1024

CALLBACK_S = 5
"""How long whoever is called back may take, to be reached and to answer."""


class Pace(msgspec.Struct, frozen=True):
    """How long things take, in ms. ``late_ms`` is an answer that nobody waits for any more."""

    answer_ms: int = 5
    late_ms: int = 1_300
    step_ms: int = 20


class Exchange:
    """One request, whole, and the answer to it."""

    def __init__(
        self,
        connection: h11.Connection,
        writer: asyncio.StreamWriter,
        request: h11.Request,
        body: bytes,
    ) -> None:
        self.request = request
        self.body = body
        self._connection = connection
        self._writer = writer

    async def answer(self, status: int, body: Any) -> bool:
        """In JSON; whether the connection goes on."""
        data = msgspec.json.encode(body)
        headers = [("content-type", "application/json"), ("content-length", str(len(data)))]
        for event in (
            h11.Response(status_code=status, headers=headers),
            h11.Data(data=data),
            h11.EndOfMessage(),
        ):
            self._writer.write(self._connection.send(event) or b"")
        with suppress(OSError):
            await self._writer.drain()
        return self._connection.our_state is h11.DONE

    def hang_up(self) -> bool:
        """Without a word; the connection does not go on."""
        self._writer.transport.abort()
        return False


class SandboxServer(ABC):
    """A simulator that listens and calls back. ``url`` says where it is, once it was started;
    ``lost`` are the callbacks that nobody took."""

    def __init__(self, clock: Clock) -> None:
        self.url = ""
        self.lost: list[str] = []
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen; ``url`` says where."""
        self._client = HttpClient(self._clock, CALLBACK_S, CALLBACK_S)
        self._server = await asyncio.start_server(self._talk, host, port)
        self.url = f"http://{host}:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        """Hang up on everybody, and call nobody back any more."""
        if self._server is not None:
            self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.close()

    async def call_back(self, url: str, body: bytes, headers: Mapping[str, str]) -> str:
        """Once; what was answered, "" where nobody took it."""
        signed = URL(url, encoded=True)
        answer = await self._client.post(signed, body, headers)
        if isinstance(answer, Answered) and 200 <= answer.status < 300:
            return answer.body.decode()
        what = f"HTTP {answer.status}" if isinstance(answer, Answered) else answer
        self.lost.append(f"{url}: {what}")
        return ""

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        connection = h11.Connection(h11.SERVER)
        try:
            while request := await read_request(connection, reader):
                if not await self._serve(Exchange(connection, writer, *request)):
                    break
                connection.start_next_cycle()
        except (OSError, h11.ProtocolError, asyncio.CancelledError):
            pass  # gone, or hung up on
        finally:
            self._tasks.discard(task)
            writer.close()

    def _meanwhile(self, work: Coroutine[Any, Any, None], name: str = "") -> asyncio.Task[None]:
        """Begin what goes on while others are served; stopping ends it."""
        task = asyncio.create_task(work, name=name or None)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    @abstractmethod
    async def _serve(self, asked: Exchange) -> bool:
        """Answer one request; whether the connection goes on."""


async def read_request(
    connection: h11.Connection, reader: asyncio.StreamReader
) -> tuple[h11.Request, bytes] | None:
    """The next request, whole; None when there is no more."""
    request: h11.Request | None = None
    body = b""
    while True:
        match connection.next_event():
            case h11.NEED_DATA:
                connection.receive_data(await reader.read(READ_BYTES))
            case h11.Request() as request:
                pass
            case h11.Data(data=data):
                body += data
            case h11.EndOfMessage():
                assert request is not None
                return request, body
            case _:
                return None
