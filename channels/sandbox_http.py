"""HTTP as our simulators of providers speak it: one connection, one request after the other."""

import asyncio
from contextlib import suppress
from typing import Any

import h11
import msgspec

READ_BYTES = 64 * 1024


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
