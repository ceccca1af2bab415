"""E-mail by SMTP: a pool of connections, one message at a time on each.

What is known depends on where it stops. Before the final dot nothing was taken, so a lost
connection is ``NotSent``; after it the server may have the mail, so silence is ``Unknown``.
``Accepted`` means that the server has the mail and will try: *relayed is not delivered*, and SMTP
itself never says more. What became of it comes as mail (:mod:`channels.email_reports`), to a
mailbox that the channel empties where it is given one.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Literal

import aiosmtplib
import msgspec
from aiosmtplib.errors import SMTPException, SMTPHeloError, SMTPResponseException

from channels.base import (
    TOO_LATE,
    Accepted,
    Clock,
    Collected,
    Message,
    NotSent,
    Outcome,
    Receipt,
    Reply,
    Unknown,
)
from channels.couriers import Couriers
from channels.email_mime import Letter, compose
from channels.email_replies import Phase, judge
from channels.email_reports import Ignored, Read, Refused, read
from channels.email_returns import Returns
from channels.mailbox import Mail, Mailbox, Ring

RECYCLE_AFTER = 200
"""Mails on one connection: servers behind a balancer get their share anew."""

IDLE_MS = 5 * 60 * 1000
"""A connection unused for so long is likely to have been dropped at the other end."""

CLOSE_S = 5
"""How long closing waits for mails that are on the wire, before it hangs up on them."""

QUIT_S = 1
"""Politeness has its limit: the mails were answered, nothing depends on this one."""

_log = logging.getLogger("fenghuo.mail")


class Smtp(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where and how. Time-outs are seconds, one for each phase, after RFC 5321's order of size."""

    host: str
    port: int = 25
    sender: str = ""
    """Used where a message names none: an address, or ``Name <address>``."""
    tls: Literal["none", "starttls", "tls"] = "starttls"
    """``starttls`` is required once asked for: a server that does not offer it gets no mail."""
    ca_file: str = ""
    """Certificates to believe instead of the system's."""
    username: str = ""
    password: str = ""
    connections: int = 4
    local_name: str = "localhost"
    """How we greet the server."""
    connect_s: float = 10
    command_s: float = 30
    data_s: float = 120
    """From the final dot to the server's answer: where the unknown lives, so the longest."""
    tells_success: bool = False
    """Whether servers are asked to report that a mail was passed on or delivered, too: one mail
    back for each that leaves."""

    def __repr__(self) -> str:
        return f"Smtp({self.host}:{self.port}, {self.tls})"


OpenMailbox = Callable[[Ring], Mailbox]
"""Makes the mailbox of a channel, which it rings when mail has come."""


class EmailChannel:
    """A :class:`~channels.base.Channel`. With ``returns`` every mail has addresses of its own to
    come back to; with ``mailbox`` they are read here."""

    def __init__(
        self,
        clock: Clock,
        smtp: Smtp,
        name: str = "email",
        returns: Returns | None = None,
        mailbox: OpenMailbox | None = None,
    ) -> None:
        assert smtp.connections >= 1
        assert returns is not None or mailbox is None, "a mailbox is read by its addresses"
        self.name = name
        self._clock = clock
        connections = [_Connection(clock, smtp, returns) for _ in range(smtp.connections)]
        self._couriers = Couriers(clock, connections)
        self._returns = returns
        self._mailbox = mailbox(self._couriers.news.set) if mailbox else None
        self._handed: dict[int, list[str]] = {}
        self._token = 0

    @property
    def wrong(self) -> str:
        """A sentence on what of its mailbox people should look at; "" while all is well."""
        return self._mailbox.trouble.wrong if self._mailbox else ""

    async def send(
        self, lane: str, messages: Sequence[Message], close_ms: int
    ) -> list[Outcome | None]:
        return await self._couriers.send(lane, messages, close_ms)

    async def collect(self) -> Collected:
        late = self._couriers.late()
        if self._mailbox is None or self._returns is None:
            return Collected((), late, 0, 0)
        mails = await self._mailbox.collect()
        now_ms = self._clock.now_ms()
        if not mails:
            return Collected((), late, 0, self._mailbox.next_ms(now_ms))
        said = await asyncio.to_thread(_read_all, mails, self._returns, self.name, now_ms)
        receipts = tuple(one for one in said if isinstance(one, Receipt))
        replies = tuple(one for one in said if isinstance(one, Reply))
        kept = [
            m.id for m, one in zip(mails, said, strict=True) if isinstance(one, Receipt | Reply)
        ]
        token = self._hand_out(kept) if kept else 0
        await self._put_away(mails, said)
        return Collected(receipts, late, token, self._mailbox.next_ms(now_ms), replies)

    async def acknowledge(self, token: int) -> None:
        ids = self._handed.pop(token, None)
        if ids is not None and self._mailbox is not None:
            await self._mailbox.settle(ids, ())

    async def arrived(self) -> None:
        await self._couriers.news.wait()

    async def close(self) -> None:
        for connection in await self._couriers.finish(CLOSE_S):
            await connection.quit()
        for connection in self._couriers.all:
            connection.hang_up()
        if self._mailbox is not None:
            await self._mailbox.close()
        await self._clock.sleep_ms(0)  # the loop's next turn closes the sockets

    def _hand_out(self, ids: list[str]) -> int:
        self._token += 1
        self._handed[self._token] = ids
        return self._token

    async def _put_away(self, mails: Sequence[Mail], said: Sequence[Read]) -> None:
        """What says nothing, and what is none of ours, waits for no journal."""
        assert self._mailbox is not None
        empty = [m.id for m, one in zip(mails, said, strict=True) if isinstance(one, Ignored)]
        refused = [m.id for m, one in zip(mails, said, strict=True) if isinstance(one, Refused)]
        if empty or refused:
            await self._mailbox.settle(empty, refused)
        reasons = Counter(one.reason for one in said if isinstance(one, Refused))
        for reason, times in reasons.items():
            _log.warning("mail to %s refused, %d times: %s", self.name, times, reason)


def _read_all(mails: Sequence[Mail], returns: Returns, lane: str, now_ms: int) -> list[Read]:
    return [read(mail, returns, lane, now_ms) for mail in mails]


class _Connection:
    """One connection, made when it is needed and made anew when it is worn, idle or broken."""

    def __init__(self, clock: Clock, smtp: Smtp, returns: Returns | None) -> None:
        self._clock = clock
        self._smtp = smtp
        self._returns = returns
        self._client = _client(smtp)
        self._sent = 0
        self._used_ms = 0

    async def deliver(self, lane: str, message: Message) -> Outcome:
        """One try of one message. Raises nothing for what a server may do."""
        letter = compose(message, self._smtp.sender, self._clock.now_ms(), self._returns)
        if not isinstance(letter, Letter):
            return letter
        refused = await self._connect() or await self._envelope(letter, message)
        if refused is not None:
            return refused
        return await self._content(letter)

    async def quit(self) -> None:
        """Say goodbye if the server listens, and hang up. Only between mails."""
        if self._client.is_connected:
            with suppress(SMTPException, OSError, TimeoutError):
                await self._client.quit(timeout=QUIT_S)
        self._client.close()

    def hang_up(self) -> None:
        """Whatever is on the wire has an unknown outcome."""
        self._client.close()

    async def _connect(self) -> Outcome | None:
        """Be connected and greeted; None when that is so."""
        now_ms = self._clock.now_ms()
        worn = self._sent >= RECYCLE_AFTER or now_ms - self._used_ms > IDLE_MS
        self._used_ms = now_ms
        if self._client.is_connected and not worn:
            return None
        await self.quit()
        self._sent = 0
        try:
            await self._client.connect(timeout=self._smtp.connect_s)
            if self._client.is_ehlo_or_helo_needed:
                await self._greet()
        except SMTPResponseException as error:
            self._client.close()
            return _refusal("connect", error.code, error.message)
        except (SMTPException, OSError, TimeoutError) as error:
            self._client.close()
            return NotSent(f"connect: {type(error).__name__}")
        return None

    async def _greet(self) -> None:
        try:
            await self._client.ehlo(timeout=self._smtp.command_s)
        except SMTPHeloError:
            await self._client.helo(timeout=self._smtp.command_s)

    async def _envelope(self, letter: Letter, message: Message) -> Outcome | None:
        """MAIL, RCPT and DATA; None when the server waits for the content."""
        if self._clock.now_ms() > message.call_before_ms:
            return TOO_LATE
        mail_options, rcpt_options = [], []
        if self._client.supports_extension("dsn"):
            mail_options = ["RET=HDRS", f"ENVID={_xtext(message.attempt)}"]
            success = "SUCCESS," if self._smtp.tells_success else ""
            rcpt_options = [f"NOTIFY={success}FAILURE,DELAY", f"ORCPT=rfc822;{_xtext(letter.to)}"]
        phase: Phase = "mail"
        limit_s = self._smtp.command_s
        try:
            await self._client.mail(letter.sender, options=mail_options, timeout=limit_s)
            phase = "rcpt"
            await self._client.rcpt(letter.to, options=rcpt_options, timeout=limit_s)
            phase = "data"
            reply = await self._client.execute_command(b"DATA", timeout=limit_s)
        except SMTPResponseException as error:
            return await self._refused(phase, error.code, error.message)
        except (SMTPException, OSError, TimeoutError) as error:
            self._client.close()
            return NotSent(f"{phase}: {type(error).__name__}")
        if reply.code != aiosmtplib.SMTPStatus.start_input:
            return await self._refused(phase, reply.code, reply.message)
        return None

    async def _content(self, letter: Letter) -> Outcome:
        """Content and dot in one write: from here on the server may have it all."""
        protocol = self._client.protocol
        assert protocol is not None
        try:
            protocol.write(letter.data + b".\r\n")
        except SMTPException as error:
            self._client.close()
            return NotSent(f"data: {type(error).__name__}")
        try:
            reply = await protocol.read_response(timeout=self._smtp.data_s)
        except (SMTPException, OSError, TimeoutError) as error:
            self._client.close()
            return Unknown(f"after the final dot: {type(error).__name__}")
        if 200 <= reply.code < 300:
            self._sent += 1
            return Accepted(letter.message_id)
        if reply.code < 400:
            self._client.close()
            return Unknown(f"after the final dot: {reply.code}")
        return await self._refused("data", reply.code, reply.message)

    async def _refused(self, phase: Phase, code: int, text: str) -> Outcome:
        """Judge a refusal, and leave the connection as if nothing had been begun."""
        if code < 400:  # out of step
            self._client.close()
            return _refusal(phase, code, text)
        try:
            await self._client.rset(timeout=self._smtp.command_s)
        except (SMTPException, OSError, TimeoutError):
            self._client.close()
        return _refusal(phase, code, text)


def _refusal(phase: Phase, code: int, text: str) -> Outcome:
    """What a reply to anything before the final dot means, also one that is no refusal."""
    if code < 400:
        return NotSent(f"{phase}: the reply was {code}")
    return judge(phase, code, text)


def _client(smtp: Smtp) -> aiosmtplib.SMTP:
    return aiosmtplib.SMTP(
        hostname=smtp.host,
        port=smtp.port,
        username=smtp.username or None,
        password=smtp.password or None,
        local_hostname=smtp.local_name,
        timeout=smtp.command_s,
        use_tls=smtp.tls == "tls",
        start_tls=smtp.tls == "starttls",
        cert_bundle=smtp.ca_file or None,
    )


def _xtext(text: str) -> str:
    """A DSN parameter's value (RFC 3461): what could end it is written in hexadecimal."""
    return "".join(
        character if "!" <= character <= "~" and character not in "+=" else f"+{ord(character):02X}"
        for character in text
    )
