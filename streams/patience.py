"""A database may be away for a while: steps wait for it where they stand.

What a step has in hand (answers of carriers, above all) is kept and written when the database is
back. A batch that was given up and begun again would find its own intents open, and could only
call them unknown.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from streams.journal.base import Committed, Group
from streams.journal.errors import JournalUnavailable
from streams.journal.group import Aside, GroupCommit
from streams.postgres import trouble
from streams.sqlite import Trouble

FIRST_S = 0.1
LONGEST_S = 2.0
"""Between two tries: soon enough after a restart, and no load on a server that is coming up."""

T = TypeVar("T")


class Ended(Exception):  # noqa: N818 - a state of the process, not a mistake
    """The process is to end, and the database is still away: nothing is acknowledged."""


class Patience:
    """Waits for the database until the process is to end. ``wrong`` says what it waits for."""

    def __init__(self, ending: asyncio.Event) -> None:
        self._ending = ending
        self._waiting = 0
        self.wrong = ""

    async def __call__(self, ask: Callable[[], Awaitable[T]]) -> T:
        """The answer, when the database gives one. Raises :class:`Ended`, and what is no trouble
        of the database's."""
        pause_s = FIRST_S
        while True:
            try:
                answer = await ask()
            except Exception as error:
                if not (said := away(error)):
                    raise
                self.wrong = said
            else:
                self.wrong = ""
                return answer
            await self._pause(pause_s)
            pause_s = min(pause_s * 2, LONGEST_S)

    async def _pause(self, pause_s: float) -> None:
        try:
            async with asyncio.timeout(pause_s):
                await self._ending.wait()
        except TimeoutError:
            return
        raise Ended(self.wrong)


def away(error: Exception) -> str:
    """What there is to say of a database that will be back; empty for any other error."""
    if not isinstance(error, JournalUnavailable) and trouble(error) not in (
        Trouble.AWAY,
        Trouble.LOCKED,
    ):
        return ""
    return f"the database is away: {str(error).partition(chr(10))[0]}"


def patiently(aside: Aside, patience: Patience) -> Aside:
    """Reads that wait for the database."""

    async def ask(read: Callable[..., T], /, *args: Any) -> T:
        return await patience(lambda: aside(read, *args))

    return ask


class PatientCommit(GroupCommit):
    """Group commit for the steps of a worker. An append whose answer was lost with the connection
    is brought again and loses against itself, as after the death of a process."""

    def __init__(self, *args: Any, patience: Patience) -> None:
        super().__init__(*args)
        self._patience = patience

    async def append(self, group: Group) -> Committed:
        bring = super().append
        return await self._patience(lambda: bring(group))
