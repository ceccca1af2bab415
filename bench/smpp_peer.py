"""The other end of the SMPP benchmark, in a process of its own: takes all, reports all delivered.

It answers what came in one read with one write, the reports behind the answers, so that what is
measured is the client. What a real server costs it beside that is measured against node-smpp.
"""

import asyncio
import sys
from itertools import count
from struct import Struct
from time import strftime

import uvloop

from channels import smpp_codec as codec

_length = Struct(">I").unpack_from


class Peer(asyncio.Protocol):
    """One bind."""

    ids = count(1)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._rest = b""
        self._sequence = 0

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        at = 0
        answers: list[bytes] = []
        reports: list[bytes] = []
        while len(data) - at >= 4 and len(data) - at >= (length := _length(data, at)[0]):
            self._answer(data[at : at + length], answers, reports)
            at += length
        self._rest = data[at:]
        self._transport.write(b"".join(answers + reports))  # type: ignore[attr-defined]

    def _answer(self, pdu: bytes, answers: list[bytes], reports: list[bytes]) -> None:
        head = codec.read_head(pdu)
        if head.command == codec.SUBMIT_SM:
            name = b"%x" % next(self.ids)
            body = name + b"\0"
            answers.append(codec.frame(codec.SUBMIT_SM + codec.RESPONSE, head.sequence, body))
            reports.append(self._receipt(pdu, name))
        elif not head.command & codec.RESPONSE:
            body = b"peer\0" if head.command == codec.BIND_TRANSCEIVER else b""
            answers.append(codec.frame(head.command + codec.RESPONSE, head.sequence, body))

    def _receipt(self, pdu: bytes, name: bytes) -> bytes:
        carried = codec.read_carried(pdu)
        done = strftime("%y%m%d%H%M").encode()
        text = b"id:%b sub:001 dlvrd:001 submit date:%b done date:%b stat:DELIVRD err:000 text:"
        text %= name, done, done
        tlvs = b"\x00\x1e%b%b\0\x04\x27\x00\x01\x02" % ((len(name) + 1).to_bytes(2, "big"), name)
        self._sequence += 1
        body = b"\0\x01\x01%b\0\0\0%b\0\x04\0\0\0\0\0\0\0\0%c%b%b" % (
            carried.to, carried.source, len(text), text, tlvs,
        )  # fmt: skip
        return codec.frame(codec.DELIVER_SM, self._sequence, body)


async def main() -> None:
    """Until the standard input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Peer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    uvloop.run(main())
