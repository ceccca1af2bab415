"""The other end of the SMPP benchmark, in a process of its own: takes all, reports all delivered.

How it answers is `bench.carrier_peer`. Who writes a line to it is told its :class:`Counts`.
"""

import asyncio
from time import strftime
from typing import ClassVar

import msgspec
import uvloop

from bench.carrier_peer import CarrierPeer, serve
from channels import smpp_codec as codec

AGAIN_S = 1.0
"""A receipt that the client had no room for comes again after so long."""


class Counts(msgspec.Struct):
    """Over all binds: parts taken, each of which is reported, and receipts that the client has for
    good."""

    taken: int = 0
    acknowledged: int = 0


class Peer(CarrierPeer):
    """One bind."""

    counts: ClassVar = Counts()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._owed: dict[int, bytes] = {}

    def answer(self, pdu: bytes, answers: list[bytes], reports: list[bytes]) -> None:
        head = codec.read_head(pdu)
        if head.command == codec.SUBMIT_SM:
            self.counts.taken += 1
            name = b"%x" % self.counts.taken
            body = name + b"\0"
            answers.append(codec.frame(codec.SUBMIT_SM + codec.RESPONSE, head.sequence, body))
            report = self._receipt(pdu, name)
            self._owed[self._sequence] = report
            reports.append(report)
        elif head.command == codec.DELIVER_SM + codec.RESPONSE:
            self._heard(head.sequence, head.status)
        elif not head.command & codec.RESPONSE:
            body = b"peer\0" if head.command == codec.BIND_TRANSCEIVER else b""
            answers.append(codec.frame(head.command + codec.RESPONSE, head.sequence, body))

    def _heard(self, sequence: int, status: int) -> None:
        """What the client said to a receipt."""
        if status == codec.TRY_LATER:
            loop = asyncio.get_running_loop()
            loop.call_later(AGAIN_S, self._transport.write, self._owed[sequence])
        elif self._owed.pop(sequence, b"") and status == codec.OK:
            self.counts.acknowledged += 1

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


if __name__ == "__main__":
    uvloop.run(serve(Peer, lambda: msgspec.json.encode(Peer.counts).decode()))
