"""A mailbox that the mail server hands mails into: an LMTP server (RFC 2033).

The best of the three: whoever brings a mail says for whom, and waits for the answer until the mail
is safe, so that nothing is ever kept here. It is for a mail server of one's own, which is the one
that speaks to strangers: it has no TLS and asks nobody who they are.
"""

import asyncio
import itertools
import re
import socket
from collections import deque
from collections.abc import Collection, Sequence
from contextlib import suppress

from channels.mailbox import AGAIN_MS, BATCH, MAIL_BYTES_MAX, Mail, Ring, Trouble

LINE_BYTES_MAX = 64 * 1024
"""Of one line: mail may have 1,000, and what is longer is taken as long as it fits here."""

COMMAND_S = 300
"""How long a session may be silent (RFC 5321, section 4.5.3.2.7)."""

ASK_S = 5
"""How long one of us may take to greet; it is on this machine or beside it."""

SETTLE_S = 60
"""How long a mail may wait to be safe; the server asks again later (RFC 5321 lets it wait ten
minutes)."""

SESSIONS_MAX = 20
"""As many as Postfix opens to one place; each may hold one mail that is still coming."""

RECIPIENTS_MAX = 100
WAITING_MAX = 1_000
WAITING_BYTES_MAX = 64_000_000
"""Mails that were read and are not settled, and how much of them."""

_SENDER = re.compile(r"FROM:\s*(<[^<>]*>)", re.IGNORECASE)
_PATH = re.compile(r"TO:\s*<([^<>]*)>", re.IGNORECASE)

GREETING = "220 localhost LMTP"
OFFERS = "\r\n".join(
    (
        "250-localhost",
        "250-ENHANCEDSTATUSCODES",
        "250-8BITMIME",
        "250-SMTPUTF8",
        "250-PIPELINING",
        f"250 SIZE {MAIL_BYTES_MAX}",
    )
)
OK = "250 2.0.0 OK"
TAKEN = "250 2.1.5 it is safe"
REFUSED = "550 5.7.1 it is no answer to a mail of ours"
LATER = "451 4.3.0 it could not be made safe now"
FULL = "452 4.3.1 too many wait here already"
TOO_LONG = f"552 5.3.4 at most {MAIL_BYTES_MAX} bytes"


def fault_of(host: str, port: int) -> str:
    """What keeps mail from being handed over there, in words for operators; "" for nothing: it is
    taken already, or the port is free for who will take it."""
    try:
        with socket.create_connection((host, port), ASK_S) as asked, asked.makefile("rb") as said:
            greeted = said.readline(LINE_BYTES_MAX)
    except ConnectionRefusedError:
        return _port_fault(host, port)
    except OSError as error:
        return f"it cannot be reached ({type(error).__name__})"
    return "" if greeted == f"{GREETING}\r\n".encode() else "another program has this port"


def _port_fault(host: str, port: int) -> str:
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        socket.create_server(address, family=family, reuse_port=True).close()
    except OSError as error:
        return f"the port cannot be had: {error.strerror}"
    return ""


class LmtpMailbox:
    """A :class:`~channels.mailbox.Mailbox`. It listens from its first collect on, so that only the
    process that empties it takes the port; several may, and the system deals mails out to them."""

    def __init__(self, host: str, port: int, ring: Ring) -> None:
        self.port = port
        self._host = host
        self._ring = ring
        self._ids = itertools.count(1)
        self._fresh: deque[Mail] = deque()
        self._waiting: dict[str, asyncio.Future[str]] = {}
        self._bytes = 0
        self._sessions: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.trouble = Trouble(f"at {host}:{port}")

    async def collect(self) -> Sequence[Mail]:
        if self._server is None:
            try:
                await self.open()
            except OSError as error:
                self.trouble.met(error)
                return ()
            self.trouble.over()
        return [self._fresh.popleft() for _ in range(min(len(self._fresh), BATCH))]

    async def settle(self, taken: Collection[str], refused: Collection[str]) -> None:
        for answer, ids in ((TAKEN, taken), (REFUSED, refused)):
            for one in ids:
                waiting = self._waiting.pop(one, None)
                if waiting is not None and not waiting.done():
                    waiting.set_result(answer)

    def next_ms(self, now_ms: int) -> int:
        if self._server is None:
            return now_ms + AGAIN_MS
        return now_ms if self._fresh else 0

    async def open(self) -> None:
        """Listen. Raises OSError where the port cannot be had."""
        self._server = await asyncio.start_server(
            self._serve, self._host, self.port, limit=LINE_BYTES_MAX, reuse_port=True
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Whoever waits is hung up on, and brings it again."""
        if self._server is not None:
            self._server.close()
            for session in self._sessions:
                session.cancel()
            await asyncio.gather(*self._sessions, return_exceptions=True)
            await self._server.wait_closed()

    # A session

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = asyncio.current_task()
        assert session is not None
        self._sessions.add(session)
        try:
            if len(self._sessions) > SESSIONS_MAX:
                writer.write(b"421 4.3.2 too many sessions\r\n")
            else:
                await _Session(self, reader, writer).run()
        except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError):
            pass  # it went away, or its lines have no end: what is not settled comes again
        except asyncio.CancelledError:
            pass  # by close: the streams would log it
        finally:
            self._sessions.discard(session)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def hand_in(self, sender: str, recipients: Sequence[str], data: bytes) -> list[str]:
        """The answer for each recipient, when their mail is settled."""
        if len(self._waiting) + len(recipients) > WAITING_MAX:
            return [FULL] * len(recipients)
        if self._bytes + len(data) > WAITING_BYTES_MAX:
            return [FULL] * len(recipients)
        self._bytes += len(data)
        loop = asyncio.get_running_loop()
        asked: dict[str, asyncio.Future[str]] = {}
        for to in recipients:
            mail = Mail(str(next(self._ids)), to, data, sender)
            asked[mail.id] = self._waiting[mail.id] = loop.create_future()
            self._fresh.append(mail)
        self._ring()
        try:
            await asyncio.wait(asked.values(), timeout=SETTLE_S)
        finally:
            self._bytes -= len(data)
            for one in asked:
                self._waiting.pop(one, None)
            # nobody waits for them any more: what was not collected yet comes again
            self._fresh = deque(mail for mail in self._fresh if mail.id not in asked)
        return [answer.result() if answer.done() else LATER for answer in asked.values()]


class _Session:
    """One connection: greeted, envelope by envelope."""

    def __init__(
        self, mailbox: LmtpMailbox, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._mailbox = mailbox
        self._reader = reader
        self._writer = writer
        self._begun = False
        self._sender = ""
        self._recipients: list[str] = []

    async def run(self) -> None:
        await self._say(GREETING)
        while True:
            line = await self._line()
            if not line:
                return
            verb, _, argument = line.decode("utf-8", "replace").strip().partition(" ")
            match verb.upper():
                case "QUIT":
                    await self._say("221 2.0.0 bye")
                    return
                case "DATA":
                    await self._data()
                case other:
                    await self._say(self._answer(other, argument))

    def _answer(self, verb: str, argument: str) -> str:
        match verb:
            case "LHLO":
                self._begun, self._recipients = False, []
                return OFFERS
            case "MAIL":
                from_whom = _SENDER.match(argument)
                self._sender = from_whom.group(1) if from_whom else ""
                self._begun, self._recipients = True, []
                return OK
            case "RCPT":
                return self._recipient(argument)
            case "RSET":
                self._begun, self._recipients = False, []
                return OK
            case "NOOP":
                return OK
            case _:
                return "500 5.5.1 LHLO, MAIL, RCPT, DATA, RSET, NOOP or QUIT"

    def _recipient(self, argument: str) -> str:
        path = _PATH.match(argument)
        if not self._begun:
            return "503 5.5.1 MAIL comes first"
        if path is None:
            return "501 5.5.4 RCPT TO:<address>"
        if len(self._recipients) >= RECIPIENTS_MAX:
            return "452 4.5.3 too many recipients"
        self._recipients.append(path.group(1))
        return "250 2.1.5 OK"

    async def _data(self) -> None:
        recipients, self._recipients, self._begun = self._recipients, [], False
        if not recipients:
            await self._say("503 5.5.1 RCPT comes first")
            return
        await self._say("354 end with a dot on a line of its own")
        data = await self._content()
        if data is None:
            answers = [TOO_LONG] * len(recipients)
        else:
            answers = await self._mailbox.hand_in(self._sender, recipients, data)
        await self._say("\r\n".join(answers))

    async def _content(self) -> bytes | None:
        """Up to the dot, the doubled dots undone; None when it was too long."""
        lines, length = [], 0
        while (line := await self._line()) not in (b".\r\n", b".\n"):
            if not line:
                raise asyncio.IncompleteReadError(b"", None)
            length += len(line)
            if length <= MAIL_BYTES_MAX:
                lines.append(line[1:] if line.startswith(b".") else line)
        return b"".join(lines) if length <= MAIL_BYTES_MAX else None

    async def _line(self) -> bytes:
        async with asyncio.timeout(COMMAND_S):
            return await self._reader.readline()

    async def _say(self, text: str) -> None:
        self._writer.write(text.encode() + b"\r\n")
        async with asyncio.timeout(COMMAND_S):
            await self._writer.drain()
