"""CMPP as a :class:`~channels.carrier_session.Dialect`: frames to outcomes and receipts."""

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from struct import Struct
from typing import Any

from channels import cmpp_codec as codec
from channels.base import Accepted, Receipt, Reply, ReportStatus
from channels.binding import Refused
from channels.carrier_session import (
    ANSWER,
    ASKED,
    BOUND,
    BROUGHT,
    ENDING,
    NOTHING,
    Brought,
)
from channels.carrier_times import Times
from channels.carriers import Phone, normalise
from channels.cmpp_account import Cmpp
from channels.cmpp_codes import REFUSALS, Verdicts, status_of

_ANSWERED = codec.SUBMIT + codec.RESPONSE
_CONNECTED = codec.CONNECT + codec.RESPONSE
_ENDED = codec.TERMINATE + codec.RESPONSE
_unpack = Struct(">III").unpack_from
_ALIVE = b"\0"
"""The body of an answer to an active test: one reserved octet."""


class CmppDialect:
    """One lane's. ``attempt_of(phone, number)`` tells which attempt a receipt or a reply is about
    that ``phone`` sent to our ``number``; "" when that is not known.

    Binds are made one after another, so the last authenticator is the one that is answered.
    """

    header = codec.HEADER
    frame_max = codec.PDU_MAX

    def __init__(
        self,
        lane: str,
        version: codec.Version,
        cmpp: Cmpp,
        secret: str,
        attempt_of: Callable[[str, str], str],
    ) -> None:
        self._lane = lane
        self._version = version
        self._cmpp = cmpp
        self._secret = secret
        self._proof = b""
        self._times = Times(cmpp.receipt_zone_min)
        self._verdicts = Verdicts(cmpp.own_codes())
        self._attempt_of = attempt_of if cmpp.extension_digits else None

    def bind(self, sequence: int, now_ms: int) -> bytes:
        source = self._cmpp.source_addr
        stamp = datetime.fromtimestamp(now_ms / 1000, self._times.zone).strftime("%m%d%H%M%S")
        self._proof = codec.authenticator(source, self._secret, stamp)
        body = codec.connect_body(self._version, source, self._proof, stamp)
        return codec.frame(codec.CONNECT, sequence, body)

    def submit(self, sequence: int, body: bytes) -> bytes:
        return codec.frame(codec.SUBMIT, sequence, body)

    def probe(self, sequence: int) -> bytes:
        return codec.frame(codec.ACTIVE_TEST, sequence)

    def goodbye(self, sequence: int) -> bytes:
        return codec.frame(codec.TERMINATE, sequence)

    def hear(self, frame: bytes, now_ms: int) -> tuple[int, int, Any]:
        _, command, sequence = _unpack(frame)
        if command == _ANSWERED:
            msg_id, result = codec.read_result(frame)
            outcome = self._verdicts.of(result) if result else Accepted(codec.written_id(msg_id))
            return ANSWER, sequence, outcome
        if command == codec.DELIVER:
            return BROUGHT, sequence, self._brought(frame, sequence, now_ms)
        if command == codec.ACTIVE_TEST:
            answer = codec.frame(codec.ACTIVE_TEST + codec.RESPONSE, sequence, _ALIVE)
            return ASKED, sequence, answer
        if command == codec.TERMINATE:
            return ENDING, sequence, codec.frame(_ENDED, sequence)
        if command == _ENDED:
            return ENDING, sequence, b""
        if command == _CONNECTED:
            return BOUND, sequence, self._refused(codec.read_connected(frame))
        if command & codec.RESPONSE:
            return NOTHING, sequence, None
        raise codec.Malformed(f"command {command:#x} is none that a gateway sends")

    def not_now(self, frame: bytes) -> bytes:
        return self._answer(frame, codec.FLOW)

    def not_understood(self, frame: bytes) -> bytes:
        if codec.read_head(frame).command != codec.DELIVER:
            return b""
        return self._answer(frame, codec.MALFORMED)

    def _answer(self, frame: bytes, result: int) -> bytes:
        sequence = codec.read_head(frame).sequence
        return codec.deliver_answer(self._version, sequence, codec.read_msg_id(frame), result)

    def _brought(self, frame: bytes, sequence: int, now_ms: int) -> Brought:
        carried = codec.read_carried(self._version, frame)
        answer = codec.deliver_answer(self._version, sequence, carried.msg_id)
        if not carried.is_report:
            return Brought(self._reply(carried, now_ms), answer)
        report = codec.read_report(carried.content)
        status, code = _judged(report.stat)
        if status is None:
            return Brought(None, answer)
        return Brought(
            Receipt(
                self._lane,
                codec.written_id(report.msg_id),
                status,
                code,
                self._times.ms_of(report.done.decode("latin-1")) or now_ms,
                self._about(report.to, carried.to) if self._attempt_of else "",
            ),
            answer,
        )

    def _reply(self, carried: codec.Carried, now_ms: int) -> Reply:
        source = codec.read_text(carried.source)
        phone = normalise(source)
        return Reply(
            self._lane,
            phone.number if isinstance(phone, Phone) else source,
            codec.read_text(carried.to),
            codec.decode_text(carried.coding, carried.udh, carried.content),
            now_ms,
            self._about(carried.source, carried.to),
            codec.written_id(carried.msg_id) if carried.msg_id else "",
        )

    def _about(self, phone: bytes, number: bytes) -> str:
        if self._attempt_of is None:
            return ""
        return self._attempt_of(codec.read_text(phone), codec.read_text(number))

    def _refused(self, answer: codec.Connected) -> Refused | None:
        if answer.status:
            known = REFUSALS.get(answer.status)
            name = f"{known.name} ({answer.status})" if known else f"status {answer.status}"
            return Refused(f"the gateway refused the connect: {name}", lasting=known is not None)
        proven = codec.proves(answer, self._proof, self._secret)
        if self._cmpp.proof_required and not proven:
            return Refused("the gateway did not prove that it knows the secret", lasting=True)
        return None


@lru_cache(1_000)
def _judged(stat: bytes) -> tuple[ReportStatus | None, str]:
    """What a report's word proves, and the word."""
    word = codec.read_text(stat)
    return status_of(word), word
