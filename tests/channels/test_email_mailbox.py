"""The mail channel and the mailbox it empties: reports are safe before they are gone."""

import asyncio
import logging
import mailbox
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from channels.base import Collected, Message
from channels.email_mime import Letter, compose
from channels.email_smtp import EmailChannel, Smtp
from channels.mailbox import Mail
from channels.mailbox_lmtp import LmtpMailbox
from channels.mailbox_maildir import LOOK_MS, REFUSED, MaildirMailbox
from tests.channels.returned import ATTEMPT, BOUNCES, REPLIES, RETURNS, answer, failed, report
from tests.channels.test_mailbox_lmtp import hand_over
from tests.contracts.clocks import RealClock

NOWHERE = Smtp("127.0.0.1", 9, tls="none")


class Box:
    """A folder, and the channel that empties it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = RealClock()
        mailbox.Maildir(folder, create=True)
        self.channel = self.open()
        self._delivered = 0

    def open(self) -> EmailChannel:
        return EmailChannel(
            self.clock, NOWHERE, returns=RETURNS,
            mailbox=lambda ring: MaildirMailbox(self.clock, self.folder),
        )  # fmt: skip

    def deliver(self, mail: Mail) -> None:
        self._delivered += 1
        head = f"Delivered-To: {mail.to}\r\n".encode()
        (self.folder / "new" / str(self._delivered)).write_bytes(head + mail.data)

    def left(self) -> int:
        return len(list((self.folder / "new").iterdir()))

    async def collect(self) -> Collected:
        self.clock.ahead_ms += LOOK_MS + 1
        return await self.channel.collect()


@pytest.fixture
async def box(tmp_path: Path) -> AsyncIterator[Box]:
    box = Box(tmp_path / "Maildir")
    yield box
    await box.channel.close()


async def test_reports_and_replies_are_handed_out_together(box: Box) -> None:
    box.deliver(failed())
    box.deliver(answer("退订"))
    told = await box.collect()
    assert [(r.attempt, r.status, r.then) for r in told.receipts] == [
        (ATTEMPT, "undelivered", "never")
    ]
    assert [(r.attempt, r.text) for r in told.replies] == [(ATTEMPT, "退订")]
    assert told.token
    assert told.next_ms > 0


async def test_what_is_not_acknowledged_stays_and_comes_again(box: Box) -> None:
    box.deliver(failed())
    first = await box.collect()
    assert box.left() == 1
    assert (await box.collect()).receipts == ()
    box.channel = box.open()
    again = await box.collect()
    assert [r.attempt for r in again.receipts] == [r.attempt for r in first.receipts]
    await box.channel.acknowledge(again.token)
    assert box.left() == 0


async def test_each_token_is_for_its_own_mails(box: Box) -> None:
    box.deliver(failed())
    first = await box.collect()
    box.deliver(report("Action: delayed\nStatus: 4.4.1"))
    second = await box.collect()
    await box.channel.acknowledge(0)
    await box.channel.acknowledge(99)
    assert box.left() == 2
    await box.channel.acknowledge(second.token)
    assert box.left() == 1
    await box.channel.acknowledge(first.token)
    assert box.left() == 0


async def test_what_says_nothing_waits_for_no_journal(
    box: Box, caplog: pytest.LogCaptureFixture
) -> None:
    box.deliver(answer("I am away", "Auto-Submitted: auto-replied", to=BOUNCES))
    for _ in range(3):
        box.deliver(failed(to="mail@hub.example"))
    with caplog.at_level(logging.WARNING):
        told = await box.collect()
    assert (told.receipts, told.replies, told.token) == ((), (), 0)
    assert box.left() == 0
    assert len(mailbox.Maildir(box.folder / REFUSED)) == 3
    [said] = caplog.messages
    assert "3 times" in said
    assert "@" not in said, "nobody's address is in the log"


async def test_a_mail_handed_over_wakes_who_waits(tmp_path: Path) -> None:
    made: list[LmtpMailbox] = []

    def opened(ring: object) -> LmtpMailbox:
        made.append(LmtpMailbox("127.0.0.1", 0, ring))  # type: ignore[arg-type]
        return made[0]

    channel = EmailChannel(RealClock(), NOWHERE, returns=RETURNS, mailbox=opened)
    assert (await channel.collect()).next_ms == 0
    waiting = asyncio.create_task(channel.arrived())
    await asyncio.sleep(0.05)
    assert not waiting.done()
    brought = asyncio.create_task(
        asyncio.to_thread(hand_over, made[0].port, [BOUNCES], failed().data)
    )
    await asyncio.wait_for(waiting, 5)
    told = await channel.collect()
    assert [r.attempt for r in told.receipts] == [ATTEMPT]
    assert not brought.done()
    await channel.acknowledge(told.token)
    assert await asyncio.wait_for(brought, 5) == 250
    await channel.close()


def test_every_mail_has_addresses_of_its_own() -> None:
    message = Message(
        ATTEMPT, "wang@example.cn", "x", 7, sender="交管 <n@122.gov.cn>",
        unsubscribe="https://122.gov.cn/u/1",
    )  # fmt: skip
    letter = compose(message, "", 0, RETURNS)
    assert isinstance(letter, Letter)
    assert letter.sender == BOUNCES
    head = letter.data.decode("ascii").partition("\r\n\r\n")[0]
    assert f"\r\nReply-To: {REPLIES}\r\n" in head
    assert f"<https://122.gov.cn/u/1>,\r\n <mailto:{REPLIES}?subject=unsubscribe>" in head
    assert "n@122.gov.cn" in head
    assert all(len(line) <= 998 for line in head.split("\r\n"))
