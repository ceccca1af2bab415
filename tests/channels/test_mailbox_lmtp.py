"""Mails handed over by a mail server, which waits until they are safe."""

import asyncio
import smtplib
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from channels import mailbox_lmtp as module
from channels.mailbox import AGAIN_MS
from channels.mailbox_lmtp import LmtpMailbox
from tests.contracts.mailbox_contract import Bench, MailboxContract, mail

FROM = "mailer-daemon@mx.example"


class LmtpBench(Bench):
    """With a server that brings again what was not taken."""

    def __init__(self) -> None:
        self.rung = asyncio.Event()
        self.mailbox: LmtpMailbox = LmtpMailbox("127.0.0.1", 0, self.rung.set)
        self._told: list[asyncio.Task[int]] = []
        self._waiting: list[tuple[str, bytes]] = []

    def hand_over(self, to: str, data: bytes) -> "asyncio.Task[int]":
        """The code that the mailbox answers in the end; 0 when it hung up."""
        return asyncio.create_task(asyncio.to_thread(hand_over, self.mailbox.port, [to], data))

    async def deliver(self, to: str, data: bytes) -> None:
        self.rung.clear()
        self._told.append(self.hand_over(to, data))
        self._waiting.append((to, data))
        await asyncio.wait_for(self.rung.wait(), 5)

    async def pass_look(self) -> None:
        """It rings."""

    async def reopen(self) -> None:
        await asyncio.sleep(0.05)
        await self.mailbox.close()
        answers = await asyncio.gather(*self._told)
        waiting = [w for w, code in zip(self._waiting, answers, strict=True) if code == 0]
        self.mailbox = LmtpMailbox("127.0.0.1", 0, self.rung.set)
        await self.mailbox.open()
        self._old, self._told, self._waiting = answers, [], []
        for to, data in waiting:
            await self.deliver(to, data)

    async def refused(self) -> int:
        return sum(code == 550 for code in self._old)


def hand_over(port: int, to: list[str], data: bytes) -> int:
    try:
        with smtplib.LMTP("127.0.0.1", port, timeout=20) as server:
            try:
                refused = server.sendmail(FROM, to, data)
            except smtplib.SMTPRecipientsRefused as error:
                refused = error.recipients
            except smtplib.SMTPDataError as error:
                return error.smtp_code
            return next(iter(refused.values()))[0] if refused else 250
    except (OSError, smtplib.SMTPServerDisconnected):
        return 0


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = LmtpBench()
    await bench.mailbox.collect()
    yield bench
    await bench.mailbox.close()
    await asyncio.gather(*bench._told)


class TestLmtp(MailboxContract):
    pass


class Wire:
    """The protocol itself, line by line."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def say(self, *lines: str) -> str:
        """The last line of what is answered."""
        for line in lines:
            self.writer.write(line.encode() + b"\r\n")
        while True:
            answer = (await asyncio.wait_for(self.reader.readline(), 5)).decode()
            if answer[3:4] != "-":
                return answer.strip()


@pytest.fixture
async def wire(bench: LmtpBench) -> AsyncIterator[Wire]:
    reader, writer = await asyncio.open_connection("127.0.0.1", bench.mailbox.port)
    wire = Wire(reader, writer)
    assert (await wire.say()).startswith("220 ")
    yield wire
    writer.close()


async def test_each_recipient_has_an_answer_of_its_own(bench: LmtpBench, wire: Wire) -> None:
    await wire.say("LHLO mx")
    await wire.say("MAIL FROM:<>")
    for to in ("a@x", "b@x", "c@x"):
        assert (await wire.say(f"RCPT TO:<{to}>")).startswith("250 ")
    assert (await wire.say("DATA")).startswith("354 ")
    bench.rung.clear()
    wire.writer.write(b"Subject: x\r\n\r\n..dots\r\n.\r\n")
    await asyncio.wait_for(bench.rung.wait(), 5)
    a, b, c = await bench.mailbox.collect()
    assert (a.to, b.to, c.to) == ("a@x", "b@x", "c@x")
    assert a.sender == "<>"
    assert a.data == b"Subject: x\r\n\r\n.dots\r\n"
    await bench.mailbox.settle([a.id, c.id], [b.id])
    assert [(await wire.say())[:3] for _ in range(3)] == ["250", "550", "250"]
    assert (await wire.say("QUIT")).startswith("221 ")


async def test_it_is_answered_only_when_it_is_safe(bench: LmtpBench) -> None:
    told = bench.hand_over(*mail(1))
    await asyncio.wait_for(bench.rung.wait(), 5)
    [found] = await bench.mailbox.collect()
    assert found.sender == f"<{FROM}>"
    await asyncio.sleep(0.1)
    assert not told.done()
    await bench.mailbox.settle([found.id], ())
    assert await asyncio.wait_for(told, 5) == 250


async def test_who_waits_too_long_is_asked_to_come_again(
    bench: LmtpBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SETTLE_S", 0.1)
    told = bench.hand_over(*mail(1))
    await asyncio.wait_for(bench.rung.wait(), 5)
    [found] = await bench.mailbox.collect()
    assert await told == 451
    await bench.mailbox.settle([found.id], ())  # too late, and no harm
    assert await bench.hand_over(*mail(2)) == 451
    assert list(await bench.mailbox.collect()) == [], "it will be brought again"


async def test_who_comes_when_too_many_wait(
    bench: LmtpBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAITING_MAX", 1)
    await bench.deliver(*mail(1))
    assert await bench.hand_over(*mail(2)) == 452
    [found] = await bench.mailbox.collect()
    await bench.mailbox.settle([found.id], ())


async def test_who_comes_when_too_much_waits(
    bench: LmtpBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAITING_BYTES_MAX", 150)
    await bench.deliver("a@x", b"x" * 80)
    assert await bench.hand_over("b@x", b"x" * 80) == 452
    [found] = await bench.mailbox.collect()
    await bench.mailbox.settle([found.id], ())
    await asyncio.gather(*bench._told)
    await bench.deliver("b@x", b"x" * 80)
    [found] = await bench.mailbox.collect()
    await bench.mailbox.settle([found.id], ())


async def test_a_mail_that_is_too_long(bench: LmtpBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAIL_BYTES_MAX", 100)
    assert await bench.hand_over("a@x", b"x" * 60 + b"\r\n" + b"y" * 60) == 552
    assert list(await bench.mailbox.collect()) == []


async def test_more_than_a_batch(bench: LmtpBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH", 2)
    for n in range(3):
        await bench.deliver(*mail(n))
    first = await bench.mailbox.collect()
    assert bench.mailbox.next_ms(7) == 7
    rest = await bench.mailbox.collect()
    assert bench.mailbox.next_ms(7) == 0
    assert (len(first), len(rest)) == (2, 1)
    await bench.mailbox.settle([one.id for one in (*first, *rest)], ())


@pytest.mark.parametrize(
    ("lines", "answer"),
    [
        (["RCPT TO:<a@x>"], "503"),
        (["DATA"], "503"),
        (["MAIL FROM:<>", "RCPT a@x"], "501"),
        (["MAIL FROM:<>", "RSET", "RCPT TO:<a@x>"], "503"),
        (["NOOP"], "250"),
        (["VRFY a"], "500"),
        (["\x00\xff"], "500"),
    ],
)
async def test_out_of_order(wire: Wire, lines: list[str], answer: str) -> None:
    said = ""
    for line in lines:
        said = await wire.say(line)
    assert said.startswith(answer)


async def test_too_many_recipients(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RECIPIENTS_MAX", 1)
    await wire.say("MAIL FROM:<>")
    await wire.say("RCPT TO:<a@x>")
    assert (await wire.say("RCPT TO:<b@x>")).startswith("452 4.5.3")


async def test_too_many_sessions(
    bench: LmtpBench, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SESSIONS_MAX", 1)
    reader, writer = await asyncio.open_connection("127.0.0.1", bench.mailbox.port)
    assert (await reader.readline()).startswith(b"421 ")
    assert await reader.readline() == b""
    writer.close()


async def test_lines_without_end_and_silence_are_hung_up_on(
    bench: LmtpBench, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire.writer.write(b"x" * (module.LINE_BYTES_MAX * 2 + 1))
    with suppress(ConnectionResetError):
        assert await asyncio.wait_for(wire.reader.read(), 5) == b""
    monkeypatch.setattr(module, "COMMAND_S", 0.1)
    reader, writer = await asyncio.open_connection("127.0.0.1", bench.mailbox.port)
    assert (await reader.readline()).startswith(b"220 ")
    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()


async def test_a_port_that_cannot_be_had_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    box = LmtpMailbox("192.0.2.1", 2424, lambda: None)  # an address of nobody's
    for _ in range(3):
        assert list(await box.collect()) == []
    assert len(caplog.records) == 1
    assert box.next_ms(7) == 7 + AGAIN_MS
    await box.close()
