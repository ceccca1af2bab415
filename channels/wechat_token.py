"""An account's access token: kept while it is good, and fetched anew by one caller for all.

The interface that is asked, ``stable_token``, gives every process of an account the same token and
leaves it good; the older one makes each other's tokens void. A token that was refused although it
should be good is asked for by force, which WeChat allows some twenty times a day.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from channels.base import Clock, Outcome

AHEAD_MS = 300_000
"""Before its end a token is fetched anew: WeChat keeps the one before for five minutes then."""


class Token(NamedTuple):
    """A token, and how long it is good for."""

    text: str
    lasts_ms: int

    def __repr__(self) -> str:
        return f"Token({self.lasts_ms} ms)"


Fetch = Callable[[bool], Awaitable[Token | Outcome]]
"""Asks for a token, by force or not; else what the failure means for a message."""


class Tokens:
    """Those of one account."""

    def __init__(self, clock: Clock, fetch: Fetch) -> None:
        self._clock = clock
        self._fetch = fetch
        self._text = ""
        self._until_ms = 0
        self._refused = ""
        self._fetching: asyncio.Task[Outcome | None] | None = None

    async def get(self) -> str | Outcome:
        """A token, or why there is none."""
        if self._text and self._clock.now_ms() < self._until_ms:
            return self._text
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._renew())
        # whoever is cancelled meanwhile leaves it to the others
        failure = await asyncio.shield(self._fetching)
        return self._text if failure is None else failure

    def refuse(self, token: str) -> None:
        """It was not taken: the next call asks for another. One that was replaced meanwhile is
        forgotten already."""
        if token == self._text:
            self._text, self._refused = "", token

    async def _renew(self) -> Outcome | None:
        try:
            found = await self._fetch(False)
            if isinstance(found, Token) and found.text == self._refused:
                found = await self._fetch(True)
            if not isinstance(found, Token):
                return found
            self._text = found.text
            self._until_ms = self._clock.now_ms() + max(found.lasts_ms - AHEAD_MS, 0)
            return None
        finally:
            self._fetching = None
