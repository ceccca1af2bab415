"""CMPP's fields as its specification lists them, and a plain way to write and read them.

It shares nothing with the codec under test, which has them folded into its formats.
"""

from collections.abc import Mapping
from typing import Any

Fields = list[tuple[str, int, type]]


def _versioned(version: int, phone: str, extra: str) -> Fields:
    """A phone is 21 octets in 2.0; in 3.0 it is 32, and an octet more says what kind it is."""
    if version == 2:
        return [(phone, 21, str)]
    return [(phone, 32, str), (extra, 1, int)]


def submit(version: int) -> Fields:
    """Section 8.4.3.1 up to the content."""
    return [
        ("Msg_Id", 8, int), ("Pk_total", 1, int), ("Pk_number", 1, int),
        ("Registered_Delivery", 1, int), ("Msg_level", 1, int), ("Service_Id", 10, str),
        ("Fee_UserType", 1, int), *_versioned(version, "Fee_terminal_Id", "Fee_terminal_type"),
        ("TP_pId", 1, int), ("TP_udhi", 1, int), ("Msg_Fmt", 1, int), ("Msg_src", 6, str),
        ("FeeType", 2, str), ("FeeCode", 6, str), ("ValId_Time", 17, str), ("At_Time", 17, str),
        ("Src_Id", 21, str), ("DestUsr_tl", 1, int),
        *_versioned(version, "Dest_terminal_Id", "Dest_terminal_type"), ("Msg_Length", 1, int),
    ]  # fmt: skip


def deliver(version: int) -> Fields:
    """Section 8.4.5.1 up to the content."""
    return [
        ("Msg_Id", 8, int), ("Dest_Id", 21, str), ("Service_Id", 10, str), ("TP_pid", 1, int),
        ("TP_udhi", 1, int), ("Msg_Fmt", 1, int),
        *_versioned(version, "Src_terminal_Id", "Src_terminal_type"),
        ("Registered_Delivery", 1, int), ("Msg_Length", 1, int),
    ]  # fmt: skip


def report(version: int) -> Fields:
    """Section 8.4.5.1, the content of a report."""
    return [
        ("Msg_Id", 8, int), ("Stat", 7, str), ("Submit_time", 10, str), ("Done_time", 10, str),
        ("Dest_terminal_Id", 21 if version == 2 else 32, str), ("SMSC_sequence", 4, int),
    ]  # fmt: skip


def tail(version: int) -> int:
    """Octets after the content: Reserve in 2.0, LinkID in 3.0."""
    return 8 if version == 2 else 20


def write(fields: Fields, values: Mapping[str, Any]) -> bytes:
    """The fields one after another; what is not given is 0 or empty."""
    written = b""
    for name, width, kind in fields:
        if kind is int:
            written += int(values.get(name, 0)).to_bytes(width, "big")
        else:
            written += str(values.get(name, "")).encode().ljust(width, b"\0")
    return written


def read(fields: Fields, octets: bytes) -> tuple[dict[str, Any], bytes]:
    """The fields, and what follows them."""
    found: dict[str, Any] = {}
    for name, width, kind in fields:
        field, octets = octets[:width], octets[width:]
        assert len(field) == width, name
        found[name] = int.from_bytes(field, "big") if kind is int else field.rstrip(b"\0").decode()
    return found, octets
