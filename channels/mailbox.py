"""A mailbox that a mail server fills and the hub empties: the contract, whatever is behind it.

It keeps what a carrier's session keeps: a mail is handed out once, stays where it is until it is
settled, and comes again after a crash.
"""

import logging
import re
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple, Protocol

MAIL_BYTES_MAX = 10_000_000
"""Of one mail: servers return no more of ours than its headers, and people attach photographs."""

BATCH = 200
BATCH_BYTES = 32_000_000
"""Mails that are looked through at once, and how much of them: strangers decide how long they
are."""

RECIPIENT_HEADERS = ("delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "to")
"""Where servers write down whom they delivered to, since a file has no envelope. Anybody can write
them: what is believed is the token in them."""

HEADER_BYTES = 65_536
"""How far the headers of a mail are looked for."""

AGAIN_MS = 5_000
"""How long a mailbox that cannot be reached is left alone."""

_log = logging.getLogger("fenghuo.mail")

_HEADER = re.compile(
    rb"^(?:%s):((?:.*(?:\r?\n[ \t].*)*))" % b"|".join(n.encode() for n in RECIPIENT_HEADERS),
    re.IGNORECASE | re.MULTILINE,
)

Ring = Callable[[], None]
"""Called when mail has come."""


class Mail(NamedTuple):
    """One mail as it came. ``id`` names it in its mailbox; ``to`` is whom it was delivered to, as
    text that the address stands in. ``sender`` is the envelope's in its angle brackets, ``<>`` for
    none; "" where there is no envelope: whoever put the mail there wrote it into Return-Path."""

    id: str
    to: str
    data: bytes
    sender: str = ""


class Trouble:
    """A mailbox that cannot be reached: the log says so once, ``wrong`` for as long as it lasts."""

    def __init__(self, where: str) -> None:
        self.wrong = ""
        self._where = where

    def met(self, error: Exception) -> None:
        # no text of the server's: it may repeat what is in a mail
        said = f"the mailbox {self._where} cannot be reached: {type(error).__name__}"
        if not self.wrong:
            _log.error("%s", said)
        self.wrong = said

    def over(self) -> None:
        if self.wrong:
            _log.info("the mailbox %s is reached again", self._where)
        self.wrong = ""


class Mailbox(Protocol):
    """Every implementation passes ``tests/contracts/mailbox_contract.py``.

    What a mailbox cannot reach now is logged once and tried again: nothing here raises for it.
    """

    trouble: Trouble

    async def collect(self) -> Sequence[Mail]:
        """Mails that were not handed out before, at most :data:`BATCH`; there may be more."""

    async def settle(self, taken: Collection[str], refused: Collection[str]) -> None:
        """``taken`` are safe elsewhere and go; ``refused`` are none of ours: whoever brought one is
        told so, or it is put aside for people."""

    def next_ms(self, now_ms: int) -> int:
        """When to look again; 0: it rings."""

    async def close(self) -> None: ...


def recipients(data: bytes) -> str:
    """Whom a mail's own headers say it was delivered to, as text."""
    end = re.search(rb"(?:^|\n)\r?\n", data[:HEADER_BYTES])
    head = data[: end.start() if end else HEADER_BYTES]
    return "\n".join(found.decode("ascii", "replace") for found in _HEADER.findall(head))
