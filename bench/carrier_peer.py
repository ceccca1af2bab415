"""What the other ends of the carriers' benchmarks share. Each is a process of its own that takes
all, and reports all delivered.

One answers what came in one read with one write, the reports behind the answers, so that what is
measured is the client. What a real server costs it beside that is measured against node-smpp.
"""

import asyncio
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from struct import Struct
from typing import cast

_length = Struct(">I").unpack_from


class CarrierPeer(asyncio.Protocol, ABC):
    """One bind, of whatever protocol frames its PDUs by a length in four octets."""

    _transport: asyncio.WriteTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)  # uvloop's is no subclass of it
        self._rest = b""
        self._sequence = 0

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        at = 0
        answers: list[bytes] = []
        reports: list[bytes] = []
        while len(data) - at >= 4 and len(data) - at >= (length := _length(data, at)[0]):
            self.answer(data[at : at + length], answers, reports)
            at += length
        self._rest = data[at:]
        self._transport.write(b"".join(answers + reports))

    @abstractmethod
    def answer(self, pdu: bytes, answers: list[bytes], reports: list[bytes]) -> None:
        """Add what one PDU is answered with, and what is reported on it."""


async def serve(peer: Callable[[], CarrierPeer], counts: Callable[[], str] = str) -> None:
    """Say the port, and serve until the standard input ends; each line of it asks for the counts,
    and is answered with one."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(peer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(counts(), flush=True)
