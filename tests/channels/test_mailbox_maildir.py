"""A folder that a mail server fills."""

import mailbox
from pathlib import Path

import pytest

from channels import mailbox_maildir as module
from channels.mailbox import AGAIN_MS, BATCH
from channels.mailbox_maildir import LOOK_MS, REFUSED, MaildirMailbox
from tests.contracts.clocks import RealClock
from tests.contracts.mailbox_contract import Bench, MailboxContract, mail


class MaildirBench(Bench):
    def __init__(self, folder: Path) -> None:
        self.clock = RealClock()
        self.folder = folder
        mailbox.Maildir(folder, create=True)
        self.mailbox = MaildirMailbox(self.clock, folder)
        self._delivered = 0

    async def deliver(self, to: str, data: bytes) -> None:
        self._delivered += 1
        (self.folder / "new" / f"{self._delivered}.1.host").write_bytes(data)

    async def pass_look(self) -> None:
        self.clock.ahead_ms += LOOK_MS + 1

    async def reopen(self) -> None:
        self.mailbox = MaildirMailbox(self.clock, self.folder)

    async def refused(self) -> int:
        aside = self.folder / REFUSED
        return len(mailbox.Maildir(aside)) if aside.exists() else 0


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return MaildirBench(tmp_path / "Maildir")


class TestMaildir(MailboxContract):
    pass


async def test_it_looks_once_a_second_when_there_was_nothing(bench: MaildirBench) -> None:
    for n in range(BATCH + 1):
        await bench.deliver(*mail(n))
    assert [len(await bench.mailbox.collect()) for _ in range(3)] == [BATCH, 1, 0]
    await bench.deliver(*mail(0))
    now_ms = bench.clock.now_ms()
    assert list(await bench.mailbox.collect()) == []
    assert 0 < bench.mailbox.next_ms(now_ms) - now_ms <= LOOK_MS
    await bench.pass_look()
    assert len(await bench.mailbox.collect()) == 1


async def test_strangers_do_not_decide_how_much_is_read_at_once(
    bench: MaildirBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH_BYTES", 1_000)
    for n in range(4):
        await bench.deliver(f"{n}@x", b"x" * 600)
    assert [len(await bench.mailbox.collect()) for _ in range(3)] == [2, 2, 0]


async def test_a_folder_that_is_away_is_said_once_and_looked_for_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = RealClock()
    box = MaildirMailbox(clock, tmp_path / "Maildir")
    for _ in range(3):
        clock.ahead_ms += AGAIN_MS
        assert list(await box.collect()) == []
    assert len(caplog.records) == 1
    assert "cannot be reached: FileNotFoundError" in box.trouble.wrong
    mailbox.Maildir(tmp_path / "Maildir", create=True)
    (tmp_path / "Maildir/new/1").write_bytes(mail(1)[1])
    clock.ahead_ms += AGAIN_MS
    assert len(await box.collect()) == 1
    assert box.trouble.wrong == ""
