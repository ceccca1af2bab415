"""A mailbox that is a folder: the mail server writes files into ``new/``, we take them away."""

import asyncio
import os
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

from channels.base import Clock
from channels.mailbox import AGAIN_MS, BATCH, BATCH_BYTES, MAIL_BYTES_MAX, Mail, Trouble, recipients

LOOK_MS = 1_000
"""How long a folder that was empty is left alone: nothing rings for a file."""

REFUSED = ".refused"
"""The folder beside, as mail readers know it, where what is none of ours is put."""


def fault_of(folder: Path) -> str:
    """What keeps this folder from being read, in words for operators; "" for nothing."""
    new = folder / "new"
    if not folder.is_dir():
        return f"there is no folder {folder}"
    if not new.is_dir():
        return f"{folder} is no maildir: there is no folder new in it"
    if not os.access(new, os.R_OK | os.W_OK | os.X_OK):
        return f"{new} may not be read and emptied by this user"
    return ""


class MaildirMailbox:
    """A :class:`~channels.mailbox.Mailbox`."""

    def __init__(self, clock: Clock, folder: Path) -> None:
        self._clock = clock
        self._folder = folder
        self._out: set[str] = set()
        self._look_ms = 0
        self.trouble = Trouble(str(folder))

    async def collect(self) -> Sequence[Mail]:
        now_ms = self._clock.now_ms()
        if now_ms < self._look_ms:
            return ()
        try:
            found = await asyncio.to_thread(self._look)
        except OSError as error:
            self.trouble.met(error)
            self._look_ms = now_ms + AGAIN_MS
            return ()
        self.trouble.over()
        self._look_ms = now_ms if found else now_ms + LOOK_MS
        return found

    async def settle(self, taken: Collection[str], refused: Collection[str]) -> None:
        try:
            await asyncio.to_thread(self._settle, taken, refused)
        except OSError as error:
            self._out.clear()  # they come again
            self.trouble.met(error)

    def next_ms(self, now_ms: int) -> int:
        return max(self._look_ms, now_ms)

    async def close(self) -> None:
        """Nothing is open."""

    def _look(self) -> list[Mail]:
        new = self._folder / "new"
        names = sorted(set(os.listdir(new)) - self._out)[:BATCH]
        found: list[Mail] = []
        for name in names:
            if sum(len(mail.data) for mail in found) >= BATCH_BYTES:
                break
            with suppress(FileNotFoundError), (new / name).open("rb") as file:
                data = file.read(MAIL_BYTES_MAX + 1)
                found.append(Mail(name, recipients(data), data))
        self._out.update(mail.id for mail in found)
        return found

    def _settle(self, taken: Collection[str], refused: Collection[str]) -> None:
        new, aside = self._folder / "new", self._folder / REFUSED / "cur"
        if refused:
            for part in ("cur", "new", "tmp"):
                (self._folder / REFUSED / part).mkdir(parents=True, exist_ok=True)
        for name in taken:
            (new / name).unlink(missing_ok=True)
        for name in refused:
            with suppress(FileNotFoundError):
                (new / name).rename(aside / f"{name}:2,")
        self._out.difference_update(taken, refused)
