"""The other end of the SMPP benchmark, in a process of its own: takes all, reports all delivered.

How it answers is `bench.carrier_peer`.
"""

from itertools import count
from time import strftime

import uvloop

from bench.carrier_peer import CarrierPeer, serve
from channels import smpp_codec as codec


class Peer(CarrierPeer):
    """One bind."""

    ids = count(1)

    def answer(self, pdu: bytes, answers: list[bytes], reports: list[bytes]) -> None:
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


if __name__ == "__main__":
    uvloop.run(serve(Peer))
