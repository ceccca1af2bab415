"""Requests by HTTP as channels make them: each once, within limits of time, by connections that are
kept.

What is known of a request that has no answer::

    no connection was made            NotSent: the request never left
    anything after that               Unknown: it was written, or may have been
"""

import asyncio
import ssl
from collections.abc import Mapping
from typing import NamedTuple

import aiohttp
from yarl import URL

from channels.base import CLOSED, TOO_LATE, Clock, NotSent, Unknown

ANSWER_MAX = 64 * 1024
"""Bytes of an answer that are read; one that is longer is not believed."""

MARGIN_S = 0.05
"""What is left of a deadline when a request is begun on a connection that is there already."""

IDLE_S = 15
"""An idle connection is closed before most servers would: a request that meets the closing has an
unknown fate."""

USER_AGENT = "fenghuo"


_NOTHING_SENT = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.InvalidURL,
)
"""Names that are not found, connections that are refused or not made in time, TLS that does not
come about, and what is no address."""


class Answered(NamedTuple):
    """An answer, whole. ``headers`` are found by a name in any case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpClient:
    """Connections, none of them made before it is needed, and as many as requests are under way:
    who asks limits itself. Cookies, redirects and proxies are not followed."""

    def __init__(
        self,
        clock: Clock,
        connect_s: float,
        answer_s: float,
        tls: ssl.SSLContext | bool = True,
        answer_max: int = ANSWER_MAX,
    ) -> None:
        self._clock = clock
        self._connect_s = connect_s
        self._answer_s = answer_s
        self._tls = tls
        self._answer_max = answer_max
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def post(
        self, url: str | URL, body: bytes, headers: Mapping[str, str], deadline_ms: int = 0
    ) -> Answered | NotSent | Unknown:
        """One request, and no more: whatever becomes of its connection, the library repeats no
        POST. None begins after ``deadline_ms``; 0 for no deadline."""
        return await self.request("POST", url, body, headers, deadline_ms)

    async def request(
        self,
        method: str,
        url: str | URL,
        body: bytes,
        headers: Mapping[str, str],
        deadline_ms: int = 0,
    ) -> Answered | NotSent | Unknown:
        """As :meth:`post`, by another method."""
        if self._closed:
            return CLOSED
        connect_s = self._connect_s
        if deadline_ms:
            left_s = (deadline_ms - self._clock.now_ms()) / 1_000
            if left_s < 0:
                return TOO_LATE
            # what is connected is written to at once, so connecting counts to the deadline
            connect_s = min(connect_s, max(left_s, MARGIN_S))
        try:
            # each read has its limit; one byte at a time could take for ever
            async with asyncio.timeout(connect_s + self._answer_s):
                return await self._ask(method, url, body, headers, connect_s)
        except _NOTHING_SENT as error:
            return NotSent(type(error).__name__)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            return Unknown(type(error).__name__)

    async def close(self) -> None:
        """Hang up: whoever still waits is told, and has an unknown outcome."""
        self._closed = True
        if self._session is not None:
            await self._session.close()

    async def _ask(
        self, method: str, url: str | URL, body: bytes, headers: Mapping[str, str], connect_s: float
    ) -> Answered:
        limits = aiohttp.ClientTimeout(connect=connect_s, sock_read=self._answer_s)
        async with self._opened().request(
            method, url, data=body or None, headers=headers, timeout=limits, allow_redirects=False
        ) as answer:
            return Answered(answer.status, answer.headers, await self._read(answer.content))

    async def _read(self, content: aiohttp.StreamReader) -> bytes:
        body = b""
        async for chunk in content.iter_any():
            body += chunk
            if len(body) > self._answer_max:
                raise OSError("an answer too long")
        return body

    def _opened(self) -> aiohttp.ClientSession:
        """The one session, opened where a loop runs."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE_S, ssl=self._tls),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
                auto_decompress=False,
                trust_env=False,
            )
        return self._session
