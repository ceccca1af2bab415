"""The other end of the CMPP benchmark, in a process of its own: takes all, reports all delivered.

``python -m bench.cmpp_peer cmpp2`` or ``cmpp3``.
"""

import sys
from hashlib import md5
from itertools import count
from struct import Struct
from time import strftime

import uvloop

from bench.carrier_peer import CarrierPeer, serve
from channels import cmpp_codec as codec

SECRET = "secret"

_report = Struct(">Q7s10s10s").pack


class Peer(CarrierPeer):
    """One bind. A phone and its kind are 33 octets in 3.0, where 2.0 has 21 and no kind."""

    ids = count(1 << 60)

    def __init__(self, version: codec.Version) -> None:
        newer = version is codec.CMPP3
        self._version = version
        self._phone = Struct("32sx" if newer else "21s").pack
        self._tail = bytes(20 if newer else 8)
        self._source_at, self._phone_at = (108, 130) if newer else (96, 118)

    def answer(self, pdu: bytes, answers: list[bytes], reports: list[bytes]) -> None:
        _, command, sequence = codec.read_head(pdu)
        if command == codec.SUBMIT:
            msg_id = next(self.ids)
            body = self._version.result.pack(msg_id, codec.OK)
            answers.append(codec.frame(codec.SUBMIT + codec.RESPONSE, sequence, body))
            reports.append(self._receipt(pdu[codec.HEADER :], msg_id))
        elif command == codec.CONNECT:
            answers.append(codec.frame(codec.CONNECT + codec.RESPONSE, sequence, self._proof(pdu)))
        elif not command & codec.RESPONSE:
            answers.append(codec.frame(command + codec.RESPONSE, sequence))

    def _proof(self, pdu: bytes) -> bytes:
        theirs = pdu[codec.HEADER + 6 : codec.HEADER + 22]
        status = bytes(4 if self._version is codec.CMPP3 else 1)
        return (
            status + md5(status + theirs + SECRET.encode(), usedforsecurity=False).digest() + b"\0"
        )

    def _receipt(self, submit: bytes, msg_id: int) -> bytes:
        source = submit[self._source_at : self._source_at + 21]
        phone = submit[self._phone_at : self._phone_at + 21]
        done = strftime("%y%m%d%H%M").encode()
        wide = phone.ljust(32, b"\0") if self._version is codec.CMPP3 else phone
        report = _report(msg_id, b"DELIVRD", done, done) + wide + bytes(4)
        self._sequence += 1
        body = b"".join((
            msg_id.to_bytes(8, "big"), source, bytes(13), self._phone(phone), b"\1",
            bytes((len(report),)), report, self._tail,
        ))  # fmt: skip
        return codec.frame(codec.DELIVER, self._sequence, body)


if __name__ == "__main__":
    version = codec.VERSIONS[sys.argv[1]]
    uvloop.run(serve(lambda: Peer(version)))
