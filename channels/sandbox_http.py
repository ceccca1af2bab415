"""HTTP as our simulators of providers speak it: one connection, one request after the other."""

import asyncio
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import Any

import h11
import httpx
import msgspec

READ_BYTES = 64 * 1024


class SandboxServer(ABC):
    """A simulator that listens and calls back. ``url`` says where it is, once it was started."""

    def __init__(self, callback_s: float) -> None:
        self.url = ""
        self._callback_s = callback_s
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen; ``url`` says where."""
        self._client = httpx.AsyncClient(timeout=self._callback_s, trust_env=False)
        self._server = await asyncio.start_server(self._talk, host, port)
        self.url = f"http://{host}:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        """Hang up on everybody, and call nobody back any more."""
        if self._server is not None:
            self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.aclose()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        connection = h11.Connection(h11.SERVER)
        try:
            while request := await read_request(connection, reader):
                if not await self._serve(connection, writer, *request):
                    break
                connection.start_next_cycle()
        except (OSError, h11.ProtocolError, asyncio.CancelledError):
            pass  # gone, or hung up on
        finally:
            self._tasks.discard(task)
            writer.close()

    @abstractmethod
    async def _serve(
        self,
        connection: h11.Connection,
        writer: asyncio.StreamWriter,
        request: h11.Request,
        body: bytes,
    ) -> bool:
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


async def answer_json(
    connection: h11.Connection, writer: asyncio.StreamWriter, status: int, body: Any
) -> bool:
    """One answer; whether the connection goes on."""
    data = msgspec.json.encode(body)
    headers = [("content-type", "application/json"), ("content-length", str(len(data)))]
    for event in (
        h11.Response(status_code=status, headers=headers),
        h11.Data(data=data),
        h11.EndOfMessage(),
    ):
        writer.write(connection.send(event) or b"")
    with suppress(OSError):
        await writer.drain()
    return connection.our_state is h11.DONE
