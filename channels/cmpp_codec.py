"""CMPP 2.0 and 3.0 on the wire: PDUs, authenticators, message ids and texts. Pure.

Every PDU begins with three 32-bit integers, big-endian: its whole length, the command and a
sequence number (CMPP 3.0, section 8.3). Text fields have a fixed width and are filled with NULs.
The versions differ in the widths of some fields; see :class:`Version`.
"""

import hashlib
from codecs import utf_16_be_decode, utf_16_be_encode
from collections.abc import Sequence
from functools import lru_cache
from struct import Struct
from typing import NamedTuple

from channels.carrier_text import joined, without_header

HEADER = 12
"""Octets of a PDU's header; also the shortest PDU."""

PDU_MAX = 4_096
"""Octets of the longest PDU read. A deliver of 255 octets is not a tenth of it; a greater length is
garbage."""

CONNECT, TERMINATE, SUBMIT, DELIVER, ACTIVE_TEST = 1, 2, 4, 5, 8
RESPONSE = 0x8000_0000
"""Added to a command in the PDU that answers it."""

OK = 0
MALFORMED = 1
"""Result of a deliver that cannot be read."""
FLOW = 8
"""Result of what was too much: it is to come again."""

ASCII, UCS2, GBK = 0, 8, 15
"""``Msg_Fmt`` (section 8.4.3.1)."""

UDH = 0x41
"""In ``TP_udhi`` of a deliver: either bit says that a header precedes the text. The right one is
the lowest, but many gateways hand on what SMPP has at that place."""

UNITS_MAX, UNITS_IN_PART = 70, 66
"""UTF-16 units of a text that stands alone, and of a part beside its header."""

NUMBER_MAX = 21
"""Digits of ``Src_Id`` and of a phone; 3.0 has room for 32 of the latter, which no phone has."""
SOURCE_MAX, SERVICE_MAX, FEE_TYPE_MAX, FEE_CODE_MAX = 6, 10, 2, 6

REPORT_MIN = 60
"""Octets of a report in 2.0; in 3.0 its number is 11 octets wider."""


class Malformed(ValueError):  # noqa: N818 - named for what is known
    """A PDU that does not hold what its command says, or a value that does not fit its field."""


class Version(NamedTuple):
    """How wide the fields of a version are. ``tail`` ends a submit."""

    number: int
    submit: Struct
    deliver: Struct
    result: Struct
    tail: bytes


CMPP2 = Version(
    0x20, Struct(">8xBBBx10sB21xxBB6s2s6s17s17x21sB21sB"), Struct(">Q21s11xBB21sBB"),
    Struct(">QB"), bytes(8),
)  # fmt: skip
CMPP3 = Version(
    0x30, Struct(">8xBBBx10sB32xxxBB6s2s6s17s17x21sB32sxB"), Struct(">Q21s11xBB32sxBB"),
    Struct(">QI"), bytes(20),
)  # fmt: skip
VERSIONS = {"cmpp2": CMPP2, "cmpp3": CMPP3}
"""By the name of the protocol."""

_header = Struct(">III")
_connect = Struct(">6s16sBI")
_report = Struct(">Q7s10x10s")
_pack, _unpack = _header.pack, _header.unpack_from


class Head(NamedTuple):
    """A PDU's header; ``length`` is the PDU's, header and all."""

    length: int
    command: int
    sequence: int


class Connected(NamedTuple):
    """The answer to a connect; ``proof`` is the gateway's authenticator."""

    status: int
    proof: bytes


class Carried(NamedTuple):
    """What a deliver carries: a report, or what somebody wrote, in the alphabet of ``coding``.
    Numbers are as they stand in their fields, for :func:`read_text`."""

    msg_id: int
    to: bytes
    source: bytes
    is_report: bool
    udh: bool
    coding: int
    content: bytes


class Report(NamedTuple):
    """What became of a submit: ``stat`` in the network's own word, ``done`` as YYMMDDhhmm, all as
    they stand in their fields."""

    msg_id: int
    stat: bytes
    done: bytes
    to: bytes


class Encoded(NamedTuple):
    """A text ready for the wire: one ``Msg_Content`` for each part."""

    coding: int
    parts: tuple[bytes, ...]


# --- what is sent --------------------------------------------------------------------------------


def frame(command: int, sequence: int, body: bytes = b"") -> bytes:
    """One PDU."""
    return _pack(HEADER + len(body), command, sequence) + body


def authenticator(source_addr: str, secret: str, stamp: str) -> bytes:
    """How we prove to know the secret (section 8.4.1.1); ``stamp`` is MMDDhhmmss."""
    return _md5(source_addr.encode() + bytes(9) + secret.encode() + stamp.encode())


def connect_body(version: Version, source_addr: str, proof: bytes, stamp: str) -> bytes:
    """The body of a connect. Raises :class:`Malformed` for what does not fit its field."""
    return _connect.pack(
        _text(source_addr, SOURCE_MAX, "source_addr"), proof, version.number, int(stamp)
    )


def deliver_answer(version: Version, sequence: int, msg_id: int, result: int = OK) -> bytes:
    """A deliver_resp, whole."""
    return frame(DELIVER + RESPONSE, sequence, version.result.pack(msg_id, result))


class Form:
    """What is the same in every submit of an account. Raises :class:`Malformed` for what does not
    fit its field.

    ``service_id`` names the service, the fees say who pays for it: contract values all of them.
    """

    def __init__(
        self,
        version: Version,
        source_addr: str,
        service_id: str,
        fee_user_type: int,
        fee_type: str,
        fee_code: str,
    ) -> None:
        self._pack = version.submit.pack
        self._tail = version.tail
        self._source = _text(source_addr, SOURCE_MAX, "source_addr")
        self._service = _text(service_id, SERVICE_MAX, "service_id")
        self._payer = fee_user_type
        self._fee_type = _text(fee_type, FEE_TYPE_MAX, "fee_type")
        self._fee_code = _text(fee_code, FEE_CODE_MAX, "fee_code")

    def bodies(self, sender: bytes, to: str, encoded: Encoded, validity: bytes) -> list[bytes]:
        """The bodies of a text's submits, which all ask for a report.

        ``sender`` is :func:`sender_field`'s, ``to`` E.164 without its plus, ``validity`` as SMPP
        writes it, or empty for the gateway's own.
        """
        phone = to.encode("ascii")
        coding, parts = encoded
        total = len(parts)
        return [
            self._pack(
                total, place, 1, self._service, self._payer, total > 1, coding, self._source,
                self._fee_type, self._fee_code, validity, sender, 1, phone, len(part),
            ) + part + self._tail
            for place, part in enumerate(parts, 1)
        ]  # fmt: skip


def sender_field(number: str) -> bytes:
    """``Src_Id``. Raises :class:`Malformed` for what is no service number."""
    if not number.isdecimal():
        raise Malformed("sender must be digits")
    return _text(number, NUMBER_MAX, "sender")


def encode_text(parts: Sequence[str], reference: int) -> Encoded:
    """The parts of one text, as the hub cuts and counts them.

    ASCII where the whole text is, else UCS-2. CMPP has no GSM alphabet: a text that is counted in
    that but is not ASCII (``é``) is cut anew, into more parts than were counted.
    """
    if all(map(str.isascii, parts)):
        return Encoded(ASCII, joined([part.encode("ascii") for part in parts], reference))
    bodies = [utf_16_be_encode(part, "surrogatepass")[0] for part in parts]
    most = UNITS_MAX if len(bodies) == 1 else UNITS_IN_PART
    if any(len(body) > 2 * most for body in bodies):
        bodies = _cut("".join(parts))
    return Encoded(UCS2, joined(bodies, reference))


# --- what is read --------------------------------------------------------------------------------


def read_head(pdu: bytes) -> Head:
    return Head._make(_unpack(pdu))


def read_connected(pdu: bytes) -> Connected:
    """A connect_resp. Its status is an octet in 2.0 and four in 3.0; which it is, is seen from the
    length: a gateway refuses by the version it knows, not by ours."""
    size = len(pdu) - HEADER
    if size not in (18, 21):
        raise Malformed(f"a connect_resp has 18 or 21 octets, this has {size}")
    status = int.from_bytes(pdu[HEADER:-17])
    return Connected(status, pdu[-17:-1])


def proves(answer: Connected, proof: bytes, secret: str) -> bool:
    """Whether the gateway knows the secret too (section 8.4.1.2); ``proof`` is our authenticator.
    The status is one octet or four in what it hashes, and gateways do not keep to their version."""
    known = proof + secret.encode()
    return answer.proof in (
        _md5(answer.status.to_bytes(4) + known),
        _md5((answer.status & 0xFF).to_bytes() + known),
    )


def read_result(pdu: bytes) -> tuple[int, int]:
    """``Msg_Id`` and ``Result`` of a submit_resp, whose result is an octet or four."""
    size = len(pdu) - HEADER
    if size not in (9, 12):
        raise Malformed(f"a submit_resp has 9 or 12 octets, this has {size}")
    return int.from_bytes(pdu[HEADER : HEADER + 8]), int.from_bytes(pdu[HEADER + 8 :])


def read_carried(version: Version, pdu: bytes) -> Carried:
    """A deliver. What follows its content is not looked at. Raises :class:`Malformed`."""
    start = HEADER + version.deliver.size
    if len(pdu) < start:
        raise Malformed("a field is missing")
    msg_id, to, udh, coding, source, is_report, length = version.deliver.unpack_from(pdu, HEADER)
    content = pdu[start : start + length]
    if len(content) < length:
        raise Malformed("Msg_Length goes past the PDU's end")
    return Carried(msg_id, to, source, is_report == 1, udh & UDH > 0, coding, content)


def read_msg_id(pdu: bytes) -> int:
    """``Msg_Id`` of a deliver, also of a malformed one; 0 where there is none."""
    return int.from_bytes(pdu[HEADER : HEADER + 8])


def read_report(content: bytes) -> Report:
    """The content of a report. Raises :class:`Malformed`."""
    if len(content) < REPORT_MIN:
        raise Malformed(f"a report has 60 or 71 octets, this has {len(content)}")
    msg_id, stat, done = _report.unpack_from(content)
    return Report(msg_id, stat, done, content[_report.size : -4])


def read_text(field: bytes) -> str:
    """A field without what fills it up: NULs behind it, or blanks around it."""
    return field.partition(b"\0")[0].decode("latin-1").strip()


def written_id(msg_id: int) -> str:
    """A ``Msg_Id`` as carriers write it: when (MMDDhhmmss), which gateway (7 digits), and which
    message in that second (5), from the bits of section 8.4.3.2."""
    return f"{_when_and_where(msg_id >> 16)}{msg_id & 0xFFFF:05}"


def decode_text(coding: int, udh: bool, text: bytes) -> str:
    """What somebody wrote, without its header. Never fails: what cannot be read becomes U+FFFD."""
    if udh:
        text = without_header(text)
    if coding == UCS2:
        return utf_16_be_decode(text, "replace", True)[0]
    return text.decode("gb18030", "replace")  # which holds GBK, and ASCII


# --- inside --------------------------------------------------------------------------------------


@lru_cache(64)  # the same for all messages of a second
def _when_and_where(bits: int) -> str:
    return (
        f"{bits >> 44:02}{bits >> 39 & 0x1F:02}{bits >> 34 & 0x1F:02}"
        f"{bits >> 28 & 0x3F:02}{bits >> 22 & 0x3F:02}{bits & 0x3F_FFFF:07}"
    )


def _md5(octets: bytes) -> bytes:
    return hashlib.md5(octets, usedforsecurity=False).digest()  # the protocol's choice


def _text(value: str, at_most: int, name: str) -> bytes:
    """A field, which packing fills up with NULs."""
    try:
        octets = value.encode("ascii")
    except UnicodeEncodeError as error:
        raise Malformed(f"{name} must be ASCII") from error
    if len(octets) > at_most or 0 in octets:
        raise Malformed(f"{name} must be at most {at_most} characters, without NUL")
    return octets


def _cut(text: str) -> list[bytes]:
    """A text in UCS-2, in parts that leave room for their header; a surrogate pair stays whole."""
    octets = utf_16_be_encode(text, "surrogatepass")[0]
    if len(octets) <= 2 * UNITS_MAX:
        return [octets]
    bodies, at = [], 0
    while at < len(octets):
        end = at + 2 * UNITS_IN_PART
        if end < len(octets) and 0xD8 <= octets[end - 2] <= 0xDB:
            end -= 2
        bodies.append(octets[at:end])
        at = end
    return bodies
