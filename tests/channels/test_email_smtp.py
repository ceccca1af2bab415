"""The mail channel, against a real server and against servers that misbehave."""

import asyncio
import email
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiosmtpd.smtp
import pytest
from aiosmtpd.smtp import Envelope, Session

from channels import email_smtp as module
from channels.base import (
    Accepted,
    Collected,
    Message,
    NotSent,
    Outcome,
    Permanent,
    Throttled,
    Transient,
    Unknown,
)
from channels.email_smtp import EmailChannel, Smtp
from tests.contracts.channel_contract import CLOSE_MS, Bench, ChannelContract, kinds
from tests.contracts.clocks import RealClock

FROM = "no-reply@122.gov.cn"
FAR = 4 * 10**12


def message(n: int, to: str = "someone", call_before_ms: int = FAR) -> Message:
    return Message(f"{n:032x}:1", f"{to}@example.com", "正文", call_before_ms, subject="通知")


class Mailbox:
    """An aiosmtpd handler: takes mail, or behaves as the recipient's local part says."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.sessions: set[int] = set()

    async def handle_MAIL(  # noqa: N802 aiosmtpd's names
        self,
        server: aiosmtpd.smtp.SMTP,
        session: Session,
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        self.sessions.add(id(session))
        if address.startswith("bad_account"):
            return "530 5.7.0 authentication required"
        envelope.mail_from = address
        return "250 2.1.0 OK"

    async def handle_RCPT(  # noqa: N802
        self,
        server: aiosmtpd.smtp.SMTP,
        session: Session,
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        refusals = {
            "throttled": "450 4.7.1 slow down",
            "transient": "451 4.3.0 later",
            "bad_recipient": "550 5.1.1 no such user",
        }
        envelope.rcpt_tos.append(address)
        return refusals.get(address.partition("@")[0], "250 2.1.5 OK")

    async def handle_DATA(  # noqa: N802
        self, server: aiosmtpd.smtp.SMTP, session: Session, envelope: Envelope
    ) -> str:
        behaviour = envelope.rcpt_tos[0].partition("@")[0]
        if behaviour == "bad_content":
            return "554 5.6.0 no"
        assert isinstance(envelope.content, bytes)
        self.taken.append(envelope.content)
        if behaviour == "unknown":
            assert server.transport is not None
            server.transport.abort()
        if behaviour == "answer_late":
            await asyncio.sleep(CLOSE_MS / 1_000 + 0.3)
        return "250 2.0.0 queued"


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


class MailServer:
    """aiosmtpd in the test's own loop."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self._sessions: list[aiosmtpd.smtp.SMTP] = []
        self.port = 0

    def _session(self) -> aiosmtpd.smtp.SMTP:
        loop = asyncio.get_running_loop()
        self._sessions.append(aiosmtpd.smtp.SMTP(self._mailbox, hostname="localhost", loop=loop))
        return self._sessions[-1]

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._session, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.close()
        for session in self._sessions:
            if session.transport is not None:
                session.transport.abort()
        await asyncio.sleep(0.01)


@pytest.fixture
async def server(mailbox: Mailbox) -> AsyncIterator[MailServer]:
    server = MailServer(mailbox)
    await server.start()
    yield server
    await server.stop()


def settings(port: int, **fields: Any) -> Smtp:
    return Smtp("127.0.0.1", port, **{"sender": FROM, "tls": "none", **fields})


class EmailBench(Bench):
    lane = "email-a"
    takes_twice = True
    many_ms = 5_000
    can = frozenset(
        (
            "throttled",
            "transient",
            "bad_recipient",
            "bad_content",
            "bad_account",
            "unknown",
            "answer_late",
            "stop",
        )
    )

    def __init__(self, server: MailServer, mailbox: Mailbox) -> None:
        self.server = server
        self.mailbox = mailbox
        self.clock = RealClock()
        self.channel = EmailChannel(self.clock, settings(server.port))

    def message(self, n: int, behaviour: str = "", call_before_ms: int = 0) -> Message:
        sender = f"bad_account@{FROM.partition('@')[2]}" if behaviour == "bad_account" else ""
        mail = message(n, behaviour or "someone", call_before_ms or FAR)
        return Message(mail.attempt, mail.to, mail.text, mail.call_before_ms, "通知", "", sender)

    def now_ms(self) -> int:
        return self.clock.now_ms()

    async def pass_ms(self, ms: int) -> None:
        await self.clock.sleep_ms(ms)

    def taken(self) -> Sequence[str]:
        ids = [str(email.message_from_bytes(mail)["Message-ID"]) for mail in self.mailbox.taken]
        return [f"{message_id.strip('<>').partition('@')[0]}:1" for message_id in ids]

    async def stop_provider(self) -> None:
        await self.server.stop()

    async def reconnect(self) -> None:
        await self.channel.close()
        self.channel = EmailChannel(self.clock, settings(self.server.port))

    async def collected(self, acknowledge: bool = True) -> list[Collected]:
        await asyncio.wait_for(self.channel.arrived(), 5)
        return [await self.channel.collect()]


class TestEmailChannel(ChannelContract):
    bench_type = EmailBench

    @pytest.fixture
    async def bench(self, server: MailServer, mailbox: Mailbox) -> AsyncIterator[Bench]:
        bench = EmailBench(server, mailbox)
        yield bench
        await bench.channel.close()


async def test_what_arrives_is_what_was_written(server: MailServer, mailbox: Mailbox) -> None:
    channel = EmailChannel(RealClock(), settings(server.port))
    mail = Message(
        "0a" * 16 + ":3", "li@example.com", "您好。\n.\n再见", FAR, "通知", "<p>您好</p>"
    )
    assert kinds(await channel.send("email-a", [mail], CLOSE_MS)) == [Accepted]
    parts = email.message_from_bytes(mailbox.taken[0]).get_payload()
    assert isinstance(parts, list)
    bodies = [bytes(part.get_payload(decode=True)).decode() for part in parts]  # type: ignore[union-attr,arg-type]
    assert bodies == ["您好。\n.\n再见", "<p>您好</p>"]
    await channel.close()


async def test_connections_are_shared_kept_and_recycled(
    server: MailServer, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RECYCLE_AFTER", 10)
    clock = RealClock()
    channel = EmailChannel(clock, settings(server.port, connections=1))
    for batch in range(2):
        await channel.send("email-a", [message(batch * 9 + n) for n in range(9)], CLOSE_MS)
    assert len(mailbox.sessions) == 2
    clock.ahead_ms = module.IDLE_MS + 1
    await channel.send("email-a", [message(99)], CLOSE_MS)
    assert len(mailbox.sessions) == 3
    await channel.close()


async def test_a_refused_mail_does_not_spoil_its_connection(
    server: MailServer, mailbox: Mailbox
) -> None:
    channel = EmailChannel(RealClock(), settings(server.port, connections=1))
    mails = [message(0, "bad_recipient"), message(1), message(2, "bad_content"), message(3)]
    outcomes = await channel.send("email-a", mails, CLOSE_MS)
    assert kinds(outcomes) == [Permanent, Accepted, Permanent, Accepted]
    assert len(mailbox.sessions) == 1
    await channel.close()


class Misbehaving:
    """A server that answers each command as told: a reply, ``drop``, or ``hang``."""

    def __init__(self, **answers: str) -> None:
        self.answers = {"greeting": "220 hello", "EHLO": "250-hello\r\n250 DSN", **answers}
        self.commands: list[str] = []
        self.port = 0
        self._writers: list[asyncio.StreamWriter] = []

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        alive = await self.reply(reader, writer, self.answers["greeting"])
        while alive and (line := await reader.readline()):
            self.commands.append(line.decode().strip())
            verb = line[:4].decode().upper()
            alive = await self.reply(reader, writer, self.answers.get(verb, "250 2.0.0 OK"))
            if verb == "DATA" and alive and self.answers.get("DATA", "").startswith("354"):
                await reader.readuntil(b"\r\n.\r\n")
                alive = await self.reply(reader, writer, self.answers.get("dot", "250 2.0.0 OK"))
        writer.close()

    async def reply(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: str
    ) -> bool:
        if answer == "hang":
            await reader.read()
        if answer in ("hang", "drop"):
            return False
        writer.write(answer.encode() + b"\r\n")
        return True

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Misbehaving"]:
        server = await asyncio.start_server(self.talk, "127.0.0.1", 0)
        async with server:
            self.port = server.sockets[0].getsockname()[1]
            try:
                yield self
            finally:
                for writer in self._writers:
                    writer.close()
                await asyncio.sleep(0.01)


GO_ON = "354 go on"
QUICK = {"connect_s": 0.3, "command_s": 0.3, "data_s": 0.3, "connections": 1}


@pytest.mark.parametrize(
    ("answers", "outcome"),
    [
        ({"greeting": "drop"}, NotSent),
        ({"greeting": "hang"}, NotSent),
        ({"greeting": "421 4.7.0 busy"}, Throttled),
        ({"greeting": "554 no"}, Permanent),
        ({"EHLO": "drop"}, NotSent),
        ({"MAIL": "drop"}, NotSent),
        ({"MAIL": "hang"}, NotSent),
        ({"MAIL": "451 4.3.0 later"}, Transient),
        ({"RCPT": "drop"}, NotSent),
        ({"RCPT": "550 5.1.1 who"}, Permanent),
        ({"RCPT": "nonsense"}, NotSent),
        ({"DATA": "drop"}, NotSent),
        ({"DATA": "hang"}, NotSent),
        ({"DATA": "451 later"}, Transient),
        ({"DATA": "250 what"}, NotSent),
        ({"DATA": GO_ON, "dot": "drop"}, Unknown),
        ({"DATA": GO_ON, "dot": "hang"}, Unknown),
        ({"DATA": GO_ON, "dot": "nonsense"}, Unknown),
        ({"DATA": GO_ON, "dot": "354 again"}, Unknown),
        ({"DATA": GO_ON, "dot": "451 4.3.0 disk full"}, Transient),
        ({"DATA": GO_ON, "dot": "554 5.6.0 spam"}, Permanent),
        ({"DATA": GO_ON, "dot": "550 5.7.1 no", "RSET": "drop"}, Permanent),
        ({"DATA": GO_ON}, Accepted),
        ({"DATA": GO_ON, "QUIT": "hang"}, Accepted),
    ],
)
async def test_what_a_server_may_do(
    answers: dict[str, str], outcome: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "QUIT_S", 0.2)
    async with Misbehaving(**answers).running() as server:
        channel = EmailChannel(RealClock(), settings(server.port, **QUICK))
        assert kinds(await channel.send("email-a", [message(1)], 5_000)) == [outcome]
        await channel.close()


async def test_a_server_that_speaks_dsn_is_given_the_attempt() -> None:
    async with Misbehaving(DATA=GO_ON).running() as server:
        channel = EmailChannel(RealClock(), settings(server.port, **QUICK))
        await channel.send("email-a", [message(1, "a+b=c")], 5_000)
        await channel.close()
    mail, rcpt = server.commands[1:3]
    assert mail == f"MAIL FROM:<{FROM}> RET=HDRS ENVID={1:032x}:1"
    assert rcpt.endswith(" NOTIFY=FAILURE,DELAY ORCPT=rfc822;a+2Bb+3Dc@example.com")


async def test_success_is_asked_for_only_where_it_is_wanted() -> None:
    async with Misbehaving(DATA=GO_ON).running() as server:
        channel = EmailChannel(RealClock(), settings(server.port, tells_success=True, **QUICK))
        await channel.send("email-a", [message(1)], 5_000)
        await channel.close()
    assert " NOTIFY=SUCCESS,FAILURE,DELAY " in server.commands[2]


async def test_starttls_that_is_not_offered_means_no_mail() -> None:
    async with Misbehaving(DATA=GO_ON).running() as server:
        channel = EmailChannel(RealClock(), settings(server.port, tls="starttls", **QUICK))
        assert kinds(await channel.send("email-a", [message(1)], 5_000)) == [NotSent]
        await channel.close()
    assert not any(command.startswith("MAIL") for command in server.commands)


async def test_what_was_not_started_when_the_batch_closed_is_not_sent() -> None:
    async with Misbehaving(DATA=GO_ON, dot="hang").running() as server:
        channel = EmailChannel(RealClock(), settings(server.port, **{**QUICK, "data_s": 0.5}))
        outcomes = await channel.send("email-a", [message(n) for n in range(4)], 200)
        assert kinds(outcomes) == [type(None), NotSent, NotSent, NotSent]
        await asyncio.wait_for(channel.arrived(), 5)
        (late,) = (await channel.collect()).late
        assert (late.attempt, late.lane) == (message(0).attempt, "email-a")
        assert isinstance(late.outcome, Unknown)
        await channel.close()


async def test_closing_hangs_up_on_a_mail_that_stays_on_the_wire(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "CLOSE_S", 0.2)
    async with Misbehaving(DATA=GO_ON, dot="hang").running() as server:
        channel = EmailChannel(RealClock(), settings(server.port, **{**QUICK, "data_s": 60}))
        sending: asyncio.Task[list[Outcome | None]] = asyncio.create_task(
            channel.send("email-a", [message(1), message(2)], 60_000)
        )
        await asyncio.sleep(0.2)
        await channel.close()
        assert kinds(await asyncio.wait_for(sending, 5)) == [Unknown, NotSent]


def test_no_password_is_shown() -> None:
    assert "secret" not in repr(settings(25, username="u", password="secret"))
