"""What every mailbox keeps, whatever is behind it."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from channels.mailbox import Mail, Mailbox

MAIL = b"Subject: x\r\nTo: %s\r\n\r\nhello\r\n.\r\n..two\r\n"


class Bench(ABC):
    """A mailbox and whoever fills it."""

    mailbox: Mailbox

    @abstractmethod
    async def deliver(self, to: str, data: bytes) -> None:
        """Put a mail in; returns when it can be collected."""

    @abstractmethod
    async def pass_look(self) -> None:
        """Let the time go by after which it looks again."""

    @abstractmethod
    async def reopen(self) -> None:
        """A new mailbox on what the old one had not settled, as after a crash."""

    @abstractmethod
    async def refused(self) -> int:
        """How many mails were put aside for people, or told of to whoever brought them."""

    async def collected(self) -> Sequence[Mail]:
        await self.pass_look()
        return await self.mailbox.collect()


def mail(n: int) -> tuple[str, bytes]:
    to = f"mail+{n}@hub.example"
    return to, MAIL % to.encode()


class MailboxContract:
    """Subclasses provide the fixture ``bench``."""

    async def test_nothing_is_there(self, bench: Bench) -> None:
        assert list(await bench.collected()) == []
        await bench.mailbox.settle((), ())

    async def test_a_mail_is_handed_out_once_and_whole(self, bench: Bench) -> None:
        to, data = mail(1)
        await bench.deliver(to, data)
        [found] = await bench.collected()
        assert to in found.to
        assert found.data == data
        assert list(await bench.collected()) == []

    async def test_what_is_settled_is_gone(self, bench: Bench) -> None:
        for n in range(3):
            await bench.deliver(*mail(n))
        found = await bench.collected()
        await bench.mailbox.settle([one.id for one in found], ())
        await bench.reopen()
        assert list(await bench.collected()) == []
        assert await bench.refused() == 0

    async def test_what_is_not_settled_comes_again(self, bench: Bench) -> None:
        for n in range(3):
            await bench.deliver(*mail(n))
        found = {one.to: one.id for one in await bench.collected()}
        assert len(found) == 3
        kept = max(found)
        await bench.mailbox.settle([one for to, one in found.items() if to != kept], ())
        await bench.reopen()
        [again] = await bench.collected()
        assert again.to == kept

    async def test_what_is_refused_is_put_aside(self, bench: Bench) -> None:
        await bench.deliver(*mail(1))
        await bench.deliver(*mail(2))
        first, second = await bench.collected()
        await bench.mailbox.settle([first.id], [second.id])
        await bench.reopen()
        assert list(await bench.collected()) == []
        assert await bench.refused() == 1

    async def test_settling_what_is_not_there_does_nothing(self, bench: Bench) -> None:
        await bench.mailbox.settle(["nonsense", "1:2"], ["1:3", "0"])
        await bench.deliver(*mail(1))
        assert len(await bench.collected()) == 1

    async def test_closing_twice(self, bench: Bench) -> None:
        await bench.mailbox.close()
        await bench.mailbox.close()
