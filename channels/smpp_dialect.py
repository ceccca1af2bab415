"""SMPP 3.4 as a :class:`~channels.carrier_session.Dialect`: frames to outcomes and receipts."""

from collections.abc import Callable
from struct import Struct
from typing import Any

from channels import smpp_codec as codec
from channels.base import Accepted, Receipt, Reply
from channels.binding import Refused
from channels.carrier_session import (
    ANSWER,
    ASKED,
    BOUND,
    BROUGHT,
    ENDING,
    NOTHING,
    Brought,
    log,
)
from channels.carriers import Phone, normalise
from channels.smpp_account import Smpp
from channels.smpp_codes import REFUSALS, Verdicts, written
from channels.smpp_receipts import Ids, Reader

_SUBMIT_ANSWER = codec.SUBMIT_SM + codec.RESPONSE
_BIND_ANSWER = codec.BIND_TRANSCEIVER + codec.RESPONSE
_GOODBYE_ANSWER = codec.UNBIND + codec.RESPONSE

_header = Struct(">IIII")
_pack, _unpack = _header.pack, _header.unpack_from


class SmppDialect:
    """One lane's. ``attempt_of(phone, number)`` tells which attempt a receipt or a reply is about
    that ``phone`` sent to our ``number``; "" when that is not known."""

    header = codec.HEADER
    frame_max = codec.PDU_MAX

    def __init__(
        self, lane: str, smpp: Smpp, password: str, attempt_of: Callable[[str, str], str]
    ) -> None:
        self._lane = lane
        self._bind = codec.bind_body(smpp.system_id, password, smpp.system_type)
        self._ids = Ids(smpp.answered_id, smpp.reported_id, smpp.fold_ids)
        self._receipts = Reader(self._ids, smpp.receipt_zone_min)
        self._verdicts = Verdicts(smpp.own_codes())
        self._attempt_of = attempt_of if smpp.extension_digits else None

    def bind(self, sequence: int, now_ms: int) -> bytes:
        return codec.frame(codec.BIND_TRANSCEIVER, sequence, self._bind)

    def submit(self, sequence: int, body: bytes) -> bytes:
        return _pack(codec.HEADER + len(body), codec.SUBMIT_SM, 0, sequence) + body

    def probe(self, sequence: int) -> bytes:
        return codec.frame(codec.ENQUIRE_LINK, sequence)

    def goodbye(self, sequence: int) -> bytes:
        return codec.frame(codec.UNBIND, sequence)

    def hear(self, frame: bytes, now_ms: int) -> tuple[int, int, Any]:
        _, command, status, sequence = _unpack(frame)
        if command == _SUBMIT_ANSWER:
            if status:
                return ANSWER, sequence, self._verdicts.of(status)
            return ANSWER, sequence, Accepted(self._ids.of_answer(codec.read_message_id(frame)))
        if command == codec.DELIVER_SM:
            return BROUGHT, sequence, self._brought(frame, sequence, now_ms)
        if command == codec.ENQUIRE_LINK:
            return ASKED, sequence, codec.frame(codec.ENQUIRE_LINK + codec.RESPONSE, sequence)
        if command == codec.UNBIND:
            return ENDING, sequence, codec.frame(_GOODBYE_ANSWER, sequence)
        if command == _GOODBYE_ANSWER:
            return ENDING, sequence, b""
        if command == _BIND_ANSWER:
            return BOUND, sequence, _refused(status) if status else None
        if command == codec.GENERIC_NACK:
            return ANSWER, sequence, self._verdicts.of(status)
        if command & codec.RESPONSE:
            return NOTHING, sequence, None
        return (
            ASKED,
            sequence,
            codec.frame(codec.GENERIC_NACK, sequence, status=codec.INVALID_COMMAND),
        )

    def not_now(self, frame: bytes) -> bytes:
        return codec.acknowledgement(codec.read_head(frame).sequence, codec.TRY_LATER)

    def not_understood(self, frame: bytes) -> bytes:
        head = codec.read_head(frame)
        if head.command != codec.DELIVER_SM:
            return b""
        return codec.acknowledgement(head.sequence, codec.NEVER)

    def _brought(self, frame: bytes, sequence: int, now_ms: int) -> Brought:
        carried = codec.read_carried(frame)
        answer = codec.acknowledgement(sequence)
        kind = carried.esm_class & codec.RECEIPT_BITS
        if kind == codec.RECEIPT or codec.RECEIPTED_MESSAGE_ID in carried.tlvs:
            report = self._receipts.read(carried)
            if report is None:
                log.error("lane %s: a receipt that names no message is answered", self._lane)
                return Brought(None, answer)
            if report.status is None:
                return Brought(None, answer)
            return Brought(
                Receipt(
                    self._lane,
                    report.ref,
                    report.status,
                    report.code,
                    report.done_at_ms or now_ms,
                    self._about(carried) if self._attempt_of else "",
                ),
                answer,
            )
        if kind:  # a phone's own acknowledgement, an intermediate notification: nothing final
            return Brought(None, answer)
        return Brought(self._reply(carried, now_ms), answer)

    def _reply(self, carried: codec.Carried, now_ms: int) -> Reply:
        source = carried.source.decode("latin-1")
        phone = normalise(source)
        udh = bool(carried.esm_class & codec.UDH_INDICATOR)
        return Reply(
            self._lane,
            phone.number if isinstance(phone, Phone) else source,
            carried.to.decode("latin-1"),
            codec.decode_text(carried.coding, udh, carried.text),
            now_ms,
            self._about(carried),
        )

    def _about(self, carried: codec.Carried) -> str:
        if self._attempt_of is None:
            return ""
        return self._attempt_of(carried.source.decode("latin-1"), carried.to.decode("latin-1"))


def _refused(status: int) -> Refused:
    known = REFUSALS.get(status)
    name = f"{known.name} ({written(status)})" if known else written(status)
    return Refused(f"the carrier refused the bind: {name}", lasting=known is not None)
