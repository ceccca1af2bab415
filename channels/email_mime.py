"""A mail as it goes over the wire. Pure.

Written by hand and not by the standard library's message classes: those take some 1.4 ms to build
and print a mail, which is more than sending it costs; this takes some 20 µs. The grammar needed is
small, and tests read every mail back with the library.
"""

import re
from binascii import b2a_base64
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from typing import NamedTuple

from channels.base import Message, Permanent
from channels.email_returns import Returns

ADDRESS_MAX = 254
"""Characters of an address that fit into an SMTP path (RFC 5321)."""

SUBJECT_MAX = 300
"""Characters; no reader shows more, and a body pasted as a subject is a mistake."""

LINK_MAX = 900
"""Characters of an unsubscribe link: with its field name it must fit a line of 998."""

PLAIN_MAX = 66
"""Characters of a header that stand as they are; with ``Subject:`` they fit a line of 76."""

WORD_BYTES = 39
"""UTF-8 bytes in one encoded word: with ``Subject:`` they fit the line of 76 of RFC 2047."""

LINE_BYTES = 57
"""Bytes in one line of a body: the 76 characters of base64 of RFC 2045."""

_ADDRESS = re.compile(r"[!#-;=?A-~]+@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")
_LINK = re.compile(r"https://[!-;=?-~]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u0085\u2028\u2029]")


class Letter(NamedTuple):
    """A mail to be sent: envelope and bytes. ``sender`` is where servers report to. No line of
    ``data`` begins with a dot."""

    sender: str
    to: str
    message_id: str
    data: bytes


class _Sender(NamedTuple):
    address: str
    header: str


def compose(
    message: Message, default_sender: str, at_ms: int, returns: Returns | None = None
) -> Letter | Permanent:
    """The mail of ``message``, dated ``at_ms``; or why it never can be one.

    The Message-ID is the stream's, not the attempt's: a mail sent again after an unknown outcome
    is the same mail, and readers show it once. ``sender`` is an address or ``Name <address>``.
    Without ``returns`` reports and replies go to the sender.
    """
    sender = _sender(message.sender or default_sender)
    if sender is None:
        return Permanent("malformed sender", "sender")
    if not is_address(message.to):
        return Permanent("malformed address", "recipient")
    if len(message.subject) > SUBJECT_MAX or _CONTROL.search(message.subject):
        return Permanent("malformed subject", "content")
    link = message.unsubscribe
    if link and (len(link) > LINK_MAX or _LINK.fullmatch(link) is None):
        return Permanent("malformed unsubscribe link", "content")
    stream = message.attempt.partition(":")[0]
    message_id = f"<{stream}@{sender.address.rpartition('@')[2]}>"
    date = format_datetime(datetime.fromtimestamp(at_ms // 1000, UTC))
    envelope, reply_to = sender.address, ""
    if returns is not None:
        envelope = returns.address_of("bounce", message.attempt)
        reply_to = returns.address_of("reply", message.attempt)
    head = (
        f"From: {sender.header}\r\n"
        f"To: {message.to}\r\n"
        f"{_reply_to(reply_to)}"
        f"Subject: {encoded(message.subject)}\r\n"
        f"Date: {date}\r\n"
        f"Message-ID: {message_id}\r\n"
        "Auto-Submitted: auto-generated\r\n"
        f"{_unsubscribe(link, reply_to)}"
        "MIME-Version: 1.0\r\n"
    )
    return Letter(envelope, message.to, message_id, head.encode("ascii") + _body(message))


def _reply_to(address: str) -> str:
    return f"Reply-To: {address}\r\n" if address else ""


def _unsubscribe(link: str, reply_to: str) -> str:
    """By one click (RFC 8058), and by a mail for readers that know only that."""
    if not link:
        return ""
    by_mail = f",\r\n <mailto:{reply_to}?subject=unsubscribe>" if reply_to else ""
    return (
        f"List-Unsubscribe: <{link}>{by_mail}\r\n"
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
    )


def is_address(text: str) -> bool:
    """Whether mail can be sent there: ASCII, one ``@``, nothing that ends a header or a path."""
    return len(text) <= ADDRESS_MAX and _ADDRESS.fullmatch(text) is not None


def encoded(text: str) -> str:
    """A header's text: as it is when it is plain, else in encoded words of RFC 2047, folded."""
    if text.isascii() and len(text) <= PLAIN_MAX and "=?" not in text:
        return text
    words, word = [], b""
    for character in text:
        piece = character.encode("utf-8", "replace")
        if len(word) + len(piece) > WORD_BYTES:
            words.append(word)
            word = b""
        word += piece
    words.append(word)
    return "\r\n ".join(f"=?utf-8?B?{b2a_base64(word, newline=False).decode()}?=" for word in words)


@lru_cache(maxsize=256)
def _sender(text: str) -> _Sender | None:
    """Address and header of a sender; None for what is neither. A hub has a handful of them."""
    name, bracket, address = text.removesuffix(">").rpartition("<")
    name, address = name.strip(), address.strip()
    if not is_address(address) or bool(bracket) != text.endswith(">") or _CONTROL.search(name):
        return None
    if not name:
        return _Sender(address, address)
    if name.isascii():
        quoted = name.strip('"').replace("\\", "\\\\").replace('"', '\\"')
        return _Sender(address, f'"{quoted}" <{address}>')
    return _Sender(address, f"{encoded(name)}\r\n <{address}>")


def _body(message: Message) -> bytes:
    """Text alone, or text and HTML with the text first: readers take the last they can show."""
    if not message.html:
        return _part("plain", message.text)
    # base64 has no "=_", so that no content can hold the boundary
    boundary = b"=_" + message.attempt.partition(":")[0].encode("ascii")
    return b"".join(
        (
            b'Content-Type: multipart/alternative;\r\n boundary="',
            boundary,
            b'"\r\n\r\n--',
            boundary,
            b"\r\n",
            _part("plain", message.text),
            b"--",
            boundary,
            b"\r\n",
            _part("html", message.html),
            b"--",
            boundary,
            b"--\r\n",
        )
    )


def _part(subtype: str, text: str) -> bytes:
    content = text.encode("utf-8", "replace")
    lines = [
        b2a_base64(content[start : start + LINE_BYTES], newline=False)
        for start in range(0, len(content), LINE_BYTES)
    ]
    head = (
        f"Content-Type: text/{subtype}; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    )
    return head.encode("ascii") + b"\r\n".join((*lines, b""))
