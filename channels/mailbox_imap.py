"""A mailbox on a server elsewhere, read by IMAP: what is safe is deleted, what is none of ours is
flagged and stays for people.

The standard library's client, in a thread: it waits for the network, and one look every few seconds
is all that is asked of it.
"""

import asyncio
import imaplib
import ssl
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Literal

import msgspec

from channels.base import Clock
from channels.mailbox import AGAIN_MS, BATCH, BATCH_BYTES, MAIL_BYTES_MAX, Mail, Trouble, recipients

LOOK_MS = 15_000
"""How long a mailbox that was empty is left alone: a bounce is no emergency."""

WIRE_S = 30
"""How long one answer may take."""

_FAULTS = (imaplib.IMAP4.error, OSError)  # of which time-outs and TLS's own are


class Imap(msgspec.Struct, frozen=True):
    """Where, as whom and how."""

    host: str
    user: str
    password: str
    port: int = 993
    folder: str = "INBOX"
    tls: Literal["tls", "starttls", "none"] = "tls"
    ca_file: str = ""
    """Certificates to believe instead of the system's."""

    def __repr__(self) -> str:
        return f"Imap({self.host}:{self.port}, {self.tls})"


def fault_of(imap: Imap) -> str:
    """What keeps this mailbox from being read, in words for operators; "" for nothing. Asks the
    server, waits up to :data:`WIRE_S` for it, and changes no mail there. Nothing is repeated that
    the server said."""
    try:
        wire = _connected(imap)
    except ssl.SSLCertVerificationError:
        return "nobody that is believed vouches for its certificate"
    except ConnectionRefusedError:
        return "the connection is refused: no server listens there"
    except TimeoutError:
        return f"no answer within {WIRE_S} s"
    except imaplib.IMAP4.error:
        return "it breaks off, or offers no STARTTLS"
    except OSError as error:
        return f"it cannot be reached ({type(error).__name__})"
    try:
        wire.login(imap.user, imap.password)
    except imaplib.IMAP4.abort:
        return "it hangs up on a login"
    except imaplib.IMAP4.error:
        return f"the password is wrong, or there is no user {imap.user}"
    except OSError as error:
        return f"it is lost at the login ({type(error).__name__})"
    else:
        return _folder_fault(wire, imap.folder)
    finally:
        with suppress(*_FAULTS):
            wire.shutdown()


def _folder_fault(wire: imaplib.IMAP4, folder: str) -> str:
    try:
        _answer(wire.select(_quoted(folder)))
    except imaplib.IMAP4.readonly:
        return f"the folder {folder} is read-only: what was read could not be removed"
    except _FAULTS:
        return f"there is no folder {folder}, or it may not be opened"
    return ""


class ImapMailbox:
    """A :class:`~channels.mailbox.Mailbox`."""

    def __init__(self, clock: Clock, imap: Imap) -> None:
        self._clock = clock
        self._imap = imap
        self._wire: imaplib.IMAP4 | None = None
        self._lock = asyncio.Lock()
        self._validity = ""
        self._out: set[str] = set()
        self._look_ms = 0
        self.trouble = Trouble(f"on {imap.host}")

    async def collect(self) -> Sequence[Mail]:
        now_ms = self._clock.now_ms()
        if now_ms < self._look_ms:
            return ()
        async with self._lock:
            try:
                found = await asyncio.to_thread(self._look)
            except _FAULTS as error:
                self._lost(error)
                self._look_ms = now_ms + AGAIN_MS
                return ()
        self.trouble.over()
        self._look_ms = now_ms if found else now_ms + LOOK_MS
        return found

    async def settle(self, taken: Collection[str], refused: Collection[str]) -> None:
        async with self._lock:
            try:
                await asyncio.to_thread(self._settle, taken, refused)
            except _FAULTS as error:
                self._lost(error)

    def next_ms(self, now_ms: int) -> int:
        return max(self._look_ms, now_ms)

    async def close(self) -> None:
        async with self._lock:
            await asyncio.to_thread(self._hang_up)

    def _lost(self, error: Exception) -> None:
        """The connection is of no more use: what was handed out and not settled comes again."""
        self._hang_up()
        self.trouble.met(error)

    def _hang_up(self) -> None:
        wire, self._wire = self._wire, None
        self._out.clear()
        if wire is not None:
            with suppress(*_FAULTS):
                wire.shutdown()

    # In the thread

    def _connected(self) -> imaplib.IMAP4:
        if self._wire is not None:
            return self._wire
        imap = self._imap
        self._wire = wire = _connected(imap)
        wire.login(imap.user, imap.password)
        _answer(wire.select(_quoted(imap.folder)))
        validity = wire.response("UIDVALIDITY")[1][0]
        self._validity = validity.decode() if isinstance(validity, bytes) else ""
        return wire

    def _look(self) -> list[Mail]:
        wire = self._connected()
        wire.noop()
        [listed, *_] = _answer(wire.uid("SEARCH", "UNDELETED", "UNFLAGGED"))
        uids = listed.decode().split() if isinstance(listed, bytes) else []
        fresh = [uid for uid in uids if self._id(uid) not in self._out][:BATCH]
        found: list[Mail] = []
        for uid in fresh:
            if sum(len(mail.data) for mail in found) >= BATCH_BYTES:
                break
            answer = _answer(wire.uid("FETCH", uid, f"(BODY.PEEK[]<0.{MAIL_BYTES_MAX + 1}>)"))
            bodies = [part[1] for part in answer if isinstance(part, tuple)]
            if bodies:  # else somebody removed it meanwhile
                found.append(Mail(self._id(uid), recipients(bodies[0]), bodies[0]))
        self._out.update(mail.id for mail in found)
        return found

    def _settle(self, taken: Collection[str], refused: Collection[str]) -> None:
        wire = self._connected()
        gone = self._uids(taken)
        if aside := self._uids(refused):
            _answer(wire.uid("STORE", aside, "+FLAGS.SILENT", r"(\Flagged \Seen)"))
        if gone:
            _answer(wire.uid("STORE", gone, "+FLAGS.SILENT", r"(\Deleted)"))
            if "UIDPLUS" in wire.capabilities:  # else what others deleted would go, too
                _answer(wire.uid("EXPUNGE", gone))
            else:
                _answer(wire.expunge())
        self._out.difference_update(taken, refused)

    def _id(self, uid: str) -> str:
        return f"{self._validity}:{uid}"

    def _uids(self, ids: Collection[str]) -> str:
        """Those that still mean the same mail: a folder that was made anew counts anew."""
        parts = (one.partition(":") for one in ids)
        return ",".join(uid for validity, _, uid in parts if validity == self._validity)


def _connected(imap: Imap) -> imaplib.IMAP4:
    """Before the login, and encrypted as asked for."""
    context = ssl.create_default_context(cafile=imap.ca_file or None)
    if imap.tls == "tls":
        return imaplib.IMAP4_SSL(imap.host, imap.port, ssl_context=context, timeout=WIRE_S)
    wire = imaplib.IMAP4(imap.host, imap.port, timeout=WIRE_S)
    if imap.tls == "starttls":
        try:
            wire.starttls(context)
        except _FAULTS:
            wire.shutdown()
            raise
    return wire


def _answer(said: tuple[str, list[object]] | tuple[str, object]) -> list[object]:
    """What the server sent; raises where it refused."""
    kind, data = said
    if kind != "OK" or not isinstance(data, list):
        raise imaplib.IMAP4.error("refused")
    return data


def _quoted(folder: str) -> str:
    return '"' + folder.replace("\\", "\\\\").replace('"', '\\"') + '"'
