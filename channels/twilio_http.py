"""HTTP to Twilio for its own library: with limits of time, without a second try.

The library's asynchronous client ignores the time-out it is given, and asked for retries it repeats
a create. Here a request is made once, connecting and answering have limits of their own, and what
was seen tells what is known::

    CallFailed
     ├── NothingSent    no connection: the request never left
     └── MaybeTaken     it was written, or may have been; no answer that can be read
"""

import asyncio
import base64
import logging
from collections.abc import Mapping
from typing import Any

import httpx
from twilio.http import AsyncHttpClient
from twilio.http.response import Response

from channels.base import Clock
from channels.twilio_account import Account

MARGIN_S = 0.05
"""What is left of a deadline when a request is begun on a connection that is there already."""

log = logging.getLogger("fenghuo.twilio")


class CallFailed(Exception):  # noqa: N818 - named for what is known
    """There is no answer."""


class NothingSent(CallFailed):
    """No connection: the request never left."""


class MaybeTaken(CallFailed):
    """The request was written, or may have been."""


def open_pool(account: Account) -> httpx.AsyncClient:
    """The connections that all couriers of one channel share; none is made before it is needed."""
    limits = httpx.Limits(
        max_connections=account.connections, max_keepalive_connections=account.connections
    )
    return httpx.AsyncClient(limits=limits, follow_redirects=False, trust_env=False)


class TwilioHttp(AsyncHttpClient):  # type: ignore[misc]  # the library has no types
    """What the library's client asks for. One request at a time; the pool is shared."""

    def __init__(self, pool: httpx.AsyncClient, account: Account, clock: Clock) -> None:
        super().__init__(log, True)
        self.deadline_ms = 0
        """No request begins after it; 0 for no deadline."""
        self._pool = pool
        self._account = account
        self._clock = clock

    async def request(
        self,
        method: str,
        url: str,
        params: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - the library's own signature
        allow_redirects: bool = False,
    ) -> Response:
        """One request, and no more. Raises :class:`CallFailed`, and nothing else, for the network.

        ``timeout`` and ``allow_redirects`` are the library's and have no meaning here.
        """
        headers = dict(headers or {})
        if auth is not None:
            headers["Authorization"] = _basic(*auth)
        limits = self._limits()
        try:
            # httpx limits each read; one byte at a time could take for ever
            async with asyncio.timeout((limits.connect or 0) + self._account.answer_s):
                answer = await self._pool.request(
                    method, url, params=params, data=data, headers=headers, timeout=limits
                )
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise NothingSent(type(error).__name__) from error
        except (httpx.HTTPError, TimeoutError, RuntimeError) as error:  # the last: a closed pool
            raise MaybeTaken(type(error).__name__) from error
        log.debug("%s answered with %d", method, answer.status_code)
        return Response(answer.status_code, answer.text, answer.headers)

    def _limits(self) -> httpx.Timeout:
        """A connection that is made is written to at once, so its time counts to the deadline."""
        account = self._account
        connect_s = account.connect_s
        if self.deadline_ms:
            left_s = (self.deadline_ms - self._clock.now_ms()) / 1_000
            connect_s = min(connect_s, max(left_s, MARGIN_S))
        return httpx.Timeout(account.answer_s, connect=connect_s, pool=connect_s)


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
