"""SMPP 3.4 on the wire: PDUs, optional parameters, alphabets and long texts. Pure.

Every PDU begins with four 32-bit integers, big-endian: its whole length, the command, a status and
a sequence number (SMPP 3.4, section 3.2). Text fields end with a NUL. What follows the last field
are optional parameters (TLV), which are read leniently: some servers put them where 3.4 lists none.
"""

from codecs import charmap_encode, utf_16_be_decode, utf_16_be_encode
from collections.abc import Mapping, Sequence
from functools import lru_cache
from struct import Struct
from struct import error as StructError  # noqa: N812 it is one
from typing import NamedTuple

import msgspec

from channels.carrier_text import joined, without_header

HEADER = 16
"""Octets of a PDU's header; also the shortest PDU."""

PDU_MAX = 70_000
"""Octets of the longest PDU read: a ``message_payload`` of 64 kB and all its fields. A greater
length is garbage."""

BIND_TRANSCEIVER = 0x09
SUBMIT_SM = 0x04
DELIVER_SM = 0x05
UNBIND = 0x06
ENQUIRE_LINK = 0x15
RESPONSE = 0x8000_0000
"""Added to a command in the PDU that answers it."""
GENERIC_NACK = 0x8000_0000

OK = 0x00
INVALID_COMMAND = 0x03
TRY_LATER = 0x64
"""ESME_RX_T_APPN: this receiver cannot take it now, send it again."""
NEVER = 0x65
"""ESME_RX_P_APPN: this receiver will never take it."""

MESSAGE_PAYLOAD = 0x0424
RECEIPTED_MESSAGE_ID = 0x001E
MESSAGE_STATE = 0x0427
NETWORK_ERROR_CODE = 0x0423

UDH_INDICATOR = 0x40
"""In ``esm_class``: the text begins with a user data header (3GPP TS 23.040, 9.2.3.24)."""
RECEIPT_BITS, RECEIPT = 0x3C, 0x04
"""In ``esm_class`` of a deliver_sm: what kind of message it is, and that it is a receipt."""

GSM7, ASCII, LATIN1, UCS2 = 0x00, 0x01, 0x03, 0x08
"""``data_coding`` (SMPP 3.4, section 5.2.19)."""

VERSION = 0x34
ADDRESS_MAX = 20
"""Digits of a source or destination address, without its NUL."""

_header = Struct(">IIII")
_tlv = Struct(">HH")
_ack = Struct(">IIIIB").pack
_pack, _unpack = _header.pack, _header.unpack_from


class Malformed(ValueError):  # noqa: N818 - named for what is known
    """A PDU that does not hold what its command says it holds."""


class Head(NamedTuple):
    """A PDU's header; ``length`` is the PDU's, header and all."""

    length: int
    command: int
    status: int
    sequence: int


class Carried(msgspec.Struct, frozen=True, gc=False):
    """What a submit_sm or a deliver_sm carries. ``text`` is in the alphabet of ``coding``, and
    addresses are as they stand there."""

    source: bytes
    to: bytes
    esm_class: int
    coding: int
    text: bytes
    tlvs: Mapping[int, bytes]


class Encoded(NamedTuple):
    """A text ready for the wire: one ``short_message`` for each part."""

    coding: int
    parts: tuple[bytes, ...]


# --- what is sent --------------------------------------------------------------------------------


def frame(command: int, sequence: int, body: bytes = b"", status: int = OK) -> bytes:
    """One PDU."""
    return _pack(HEADER + len(body), command, status, sequence) + body


def acknowledgement(sequence: int, status: int = OK) -> bytes:
    """A deliver_sm_resp: its ``message_id`` is unused and empty."""
    return _ack(HEADER + 1, DELIVER_SM + RESPONSE, status, sequence, 0)


def bind_body(system_id: str, password: str, system_type: str = "") -> bytes:
    """The body of a bind. Raises :class:`Malformed` for what does not fit its field."""
    return b"".join(
        (
            _text(system_id, 15, "system_id"),
            _text(password, 8, "password"),
            _text(system_type, 12, "system_type"),
            bytes((VERSION, 0, 0, 0)),
        )
    )


def submit_head(source: str) -> bytes:
    """The part of a submit_sm that is the same for all messages of one sender: no service type,
    and the source address with the type and plan that follow from how it is written."""
    return b"\0" + _address(source, "sender")


def submit_body(
    head: bytes, to: str, coding: int, text: bytes, validity: bytes, udh: bool
) -> bytes:
    """The body of a submit_sm that asks for a receipt. ``to`` is E.164 without its plus.

    ``validity`` is :func:`relative_time`'s, or empty for the server's own.
    """
    return b"%b\x01\x01%b\0%c\0\0\0%b\0\x01\0%c\0%c%b" % (
        head, to.encode("ascii"), UDH_INDICATOR if udh else 0, validity, coding, len(text), text,
    )  # fmt: skip


VALIDITY_MAX_MS = 30 * 24 * 3_600_000
"""The longest time in days that the relative form writes: its months have no fixed length."""


def relative_time(ms: int) -> bytes:
    """A validity period in relative form (SMPP 3.4, section 7.1.1.2), at least a second."""
    return _relative(max(min(ms, VALIDITY_MAX_MS) // 1_000, 1))


@lru_cache(maxsize=4_096)  # messages of one notice have one validity, to the second
def _relative(seconds: int) -> bytes:
    days, seconds = divmod(seconds, 86_400)
    hours, seconds = divmod(seconds, 3_600)
    return b"0000%02d%02d%02d%02d000R" % (days, hours, *divmod(seconds, 60))


def encode_text(parts: Sequence[str], reference: int) -> Encoded:
    """The parts of one text, each 140 octets at most on the air.

    GSM 7-bit, one octet a character, where the whole text is in that alphabet, else UCS-2. More
    than one part begin with a header that carries ``reference`` (16 bits), their number and place.
    """
    coding, bodies = _bodies(parts)
    return Encoded(coding, joined(bodies, reference))


def _bodies(parts: Sequence[str]) -> tuple[int, list[bytes]]:
    if not parts[0] or parts[0][0] <= _LAST_GSM:  # else it fails at once, and failing is slow
        try:
            return GSM7, [charmap_encode(part, "strict", _TO_GSM)[0] for part in parts]
        except UnicodeEncodeError:
            pass
    return UCS2, [utf_16_be_encode(part, "surrogatepass")[0] for part in parts]


# --- what is read --------------------------------------------------------------------------------


def read_head(pdu: bytes) -> Head:
    return Head._make(_unpack(pdu))


def read_message_id(pdu: bytes) -> str:
    """The ``message_id`` of a submit_sm_resp; "" where it has none."""
    end = pdu.find(b"\0", HEADER)
    return pdu[HEADER : end if end >= 0 else len(pdu)].decode("latin-1")


def read_carried(pdu: bytes) -> Carried:
    """A submit_sm or deliver_sm, whose bodies are alike. Raises :class:`Malformed`."""
    find = pdu.index
    try:
        service_end = find(0, HEADER)
        source_end = find(0, service_end + 3)
        to_end = find(0, source_end + 3)
        validity_end = to_end + 5
        if pdu[to_end + 4] or pdu[to_end + 5]:  # nearly nobody schedules or limits a delivery
            validity_end = find(0, find(0, to_end + 4) + 1)
        esm_class, coding = pdu[to_end + 1], pdu[validity_end + 3]
        start = validity_end + 6
        text = pdu[start : start + pdu[start - 1]]
        end = start + pdu[start - 1]
    except (ValueError, IndexError) as error:
        raise Malformed("a field is missing its end") from error
    if end > len(pdu):
        raise Malformed("sm_length goes past the PDU's end")
    tlvs = read_tlvs(pdu, end) if end < len(pdu) else _NONE
    return Carried(
        pdu[service_end + 3 : source_end],
        pdu[source_end + 3 : to_end],
        esm_class,
        coding,
        text or tlvs.get(MESSAGE_PAYLOAD, b""),
        tlvs,
    )


def read_tlvs(pdu: bytes, at: int) -> dict[int, bytes]:
    """Optional parameters from ``at`` on; of a tag that comes twice, the last."""
    found = {}
    size = len(pdu)
    try:
        while at < size:
            tag, length = _tlv.unpack_from(pdu, at)
            at += 4 + length
            found[tag] = pdu[at - length : at]
    except StructError as error:
        raise Malformed("an optional parameter is cut off") from error
    if at > size:
        raise Malformed("an optional parameter goes past the PDU's end")
    return found


def decode_text(coding: int, udh: bool, text: bytes) -> str:
    """What somebody wrote, without its header. Never fails: what cannot be read becomes U+FFFD."""
    if udh:
        text = without_header(text)
    if coding == UCS2:
        return utf_16_be_decode(text, "replace", True)[0]
    if coding in (ASCII, LATIN1):
        return text.decode("latin-1")
    if coding != GSM7:
        return text.decode("utf-8", "replace")
    plain = "".join([_GSM[octet] if octet < 0x80 else "\ufffd" for octet in text])
    if "\x1b" in plain:
        for extended, escaped in _EXTENDED.items():
            plain = plain.replace("\x1b" + _GSM[escaped], extended)
    return plain


# --- inside --------------------------------------------------------------------------------------

_NONE: Mapping[int, bytes] = {}

_GSM = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""3GPP TS 23.038, section 6.2.1, by value."""

_EXTENDED = {
    "\f": 0x0A, "^": 0x14, "{": 0x28, "}": 0x29, "\\": 0x2F, "[": 0x3C, "~": 0x3D, "]": 0x3E,
    "|": 0x40, "€": 0x65,
}  # fmt: skip
"""The extension table (6.2.1.1), after an escape."""

_LAST_GSM = "€"
"""The greatest of them by code point."""

_TO_GSM: dict[int, int | bytes] = {
    **{ord(char): value for value, char in enumerate(_GSM) if char != "\x1b"},
    **{ord(char): bytes((0x1B, value)) for char, value in _EXTENDED.items()},
}


def _text(value: str, at_most: int, name: str) -> bytes:
    """A NUL-terminated field."""
    try:
        octets = value.encode("ascii")
    except UnicodeEncodeError as error:
        raise Malformed(f"{name} must be ASCII") from error
    if len(octets) > at_most or 0 in octets:
        raise Malformed(f"{name} must be at most {at_most} characters, without NUL")
    return octets + b"\0"


def _address(written: str, name: str) -> bytes:
    """Type of number, numbering plan and address (SMPP 3.4, sections 5.2.5 and 5.2.6): ``+`` means
    international, letters an alphanumeric sender, and bare digits a service number."""
    if written.startswith("+"):
        return b"\x01\x01" + _text(written[1:], ADDRESS_MAX, name)
    if written.isdigit() or not written:
        return b"\x00\x00" + _text(written, ADDRESS_MAX, name)
    return b"\x05\x00" + _text(written, ADDRESS_MAX, name)
