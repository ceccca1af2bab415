"""A mailbox on a real IMAP server keeps what every mailbox keeps."""

import imaplib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from channels.mailbox import AGAIN_MS
from channels.mailbox_imap import LOOK_MS, Imap, ImapMailbox, fault_of
from tests.channels.mail_certificates import certificate
from tests.contracts.clocks import RealClock
from tests.contracts.mailbox_contract import Bench, MailboxContract, mail
from tests.peers.dovecot import PASSWORD, USER, Dovecot

pytestmark = pytest.mark.peers


class ImapBench(Bench):
    def __init__(self, server: Dovecot, ca: Path) -> None:
        self.clock = RealClock()
        self.server = server
        self.imap = Imap("127.0.0.1", USER, PASSWORD, server.imaps, ca_file=str(ca))
        self.mailbox: ImapMailbox = ImapMailbox(self.clock, self.imap)

    async def deliver(self, to: str, data: bytes) -> None:
        self.server.put(data)

    async def pass_look(self) -> None:
        self.clock.ahead_ms += LOOK_MS + 1

    async def reopen(self) -> None:
        await self.mailbox.close()
        self.mailbox = ImapMailbox(self.clock, self.imap)

    async def refused(self) -> int:
        return sum("F" in flags for flags in self.server.flags())


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    return certificate(tmp_path)


@pytest.fixture
def server(files: tuple[Path, Path]) -> Iterator[Dovecot]:
    with Dovecot(files) as running:
        yield running


@pytest.fixture
async def bench(server: Dovecot, files: tuple[Path, Path]) -> AsyncIterator[Bench]:
    bench = ImapBench(server, files[0])
    yield bench
    await bench.mailbox.close()


class TestImap(MailboxContract):
    pass


async def test_by_starttls(server: Dovecot, files: tuple[Path, Path]) -> None:
    imap = Imap("127.0.0.1", USER, PASSWORD, server.imap, tls="starttls", ca_file=str(files[0]))
    box = ImapMailbox(RealClock(), imap)
    server.put(mail(1)[1])
    [found] = await box.collect()
    await box.settle([found.id], ())
    await box.close()
    assert server.flags() == []


async def test_a_server_that_cannot_be_believed_is_told_no_password(
    server: Dovecot, caplog: pytest.LogCaptureFixture
) -> None:
    box = ImapMailbox(RealClock(), Imap("127.0.0.1", USER, PASSWORD, server.imaps))
    server.put(mail(1)[1])
    assert list(await box.collect()) == []
    assert "SSLCertVerificationError" in caplog.text


async def test_a_wrong_password_is_said_once_and_tried_again(
    server: Dovecot, files: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    clock = RealClock()
    box = ImapMailbox(clock, Imap("127.0.0.1", USER, "x", server.imaps, ca_file=str(files[0])))
    for _ in range(2):
        clock.ahead_ms += AGAIN_MS
        assert list(await box.collect()) == []
    assert len(caplog.records) == 1
    assert "secret" not in caplog.text
    await box.close()


async def test_a_connection_that_was_lost_is_made_anew(bench: ImapBench) -> None:
    await bench.deliver(*mail(1))
    [first] = await bench.collected()
    assert bench.mailbox._wire is not None
    bench.mailbox._wire.sock.shutdown(2)
    await bench.mailbox.settle([first.id], ())
    again = await bench.collected()
    assert [one.data for one in again] == [first.data], "what was not settled comes again"


async def test_a_folder_that_was_made_anew_has_other_mails(bench: ImapBench) -> None:
    """Their numbers begin again: what was meant by the old ones must not go with them."""
    await bench.deliver(*mail(1))
    [found] = await bench.collected()
    validity, uid = found.id.split(":")
    await bench.mailbox.settle([f"{int(validity) + 1}:{uid}"], ())
    assert len(bench.server.flags()) == 1


def test_what_is_at_fault_is_said(server: Dovecot, files: tuple[Path, Path]) -> None:
    right = Imap("127.0.0.1", USER, PASSWORD, server.imaps, ca_file=str(files[0]))
    server.put(mail(1)[1])
    assert fault_of(right) == ""
    assert server.flags() == [""], "the mail is as it was"
    wrong = Imap("127.0.0.1", USER, "x", server.imaps, ca_file=str(files[0]))
    assert fault_of(wrong) == f"the password is wrong, or there is no user {USER}"
    elsewhere = Imap("127.0.0.1", USER, PASSWORD, server.imaps, "Gone", ca_file=str(files[0]))
    assert fault_of(elsewhere) == "there is no folder Gone, or it may not be opened"
    stranger = Imap("127.0.0.1", USER, PASSWORD, server.imaps)
    assert fault_of(stranger) == "nobody that is believed vouches for its certificate"


def test_no_password_is_shown() -> None:
    assert "secret" not in repr(Imap("h", "u", "secret"))
    assert imaplib.Debug == 0
