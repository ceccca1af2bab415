"""Messages by any provider that takes HTTPS requests, as its lane describes it.

One channel serves all lanes of a kind (``sms_http``, ``voice_http``, ``push_http``), each with
connections and couriers of its own, so that a provider that is slow holds up nobody else. A request
is made once. What is known when there is no answer::

    no connection was made            NotSent: the request never left
    anything after that               Unknown: it was written, or may have been

Reports come to the pages' door: `channels.http_callbacks`.
"""

import asyncio
import logging
import ssl
from collections.abc import Mapping, Sequence

import aiohttp
from yarl import URL

from channels.base import Clock, Collected, Message, NotSent, Outcome, Unknown
from channels.couriers import Couriers
from channels.http_account import Http
from channels.http_answer import judge
from channels.http_request import Secrets, Writer, Written
from channels.lanes_file import LanesError

ANSWER_MAX = 64 * 1024
"""Bytes of an answer that are read; one that is longer is not believed."""

CLOSE_S = 5
"""How long closing waits for answers, before it hangs up on those to come."""

MARGIN_S = 0.05
"""What is left of a deadline when a request is begun on a connection that is there already."""

IDLE_S = 15
"""An idle connection is closed before most servers would: a request that meets the closing has an
unknown fate."""

USER_AGENT = "fenghuo"

log = logging.getLogger("fenghuo.http")

_TOO_LATE = NotSent("past its deadline")

_NOTHING_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
"""Names that are not found, connections that are refused or not made in time, and TLS that does not
come about."""


class HttpChannel:
    """A :class:`~channels.base.Channel`. ``accounts`` and their ``secrets`` are by lane. Its
    collect holds late answers only. Raises :class:`LanesError` for a secret or an authority's file
    that cannot be used."""

    def __init__(
        self,
        clock: Clock,
        accounts: Mapping[str, Http],
        secrets: Mapping[str, Secrets],
        public_url: str,
        name: str,
    ) -> None:
        self.name = name
        self._clock = clock
        for lane, known in secrets.items():
            for one, secret in known.items():
                if not secret.isprintable():  # it may have to be in a header
                    raise LanesError(f"lane {lane}: the secret {one} must be one line of text")
        self._providers = {
            lane: _Provider(clock, lane, http, Writer(lane, http, secrets[lane], public_url))
            for lane, http in accounts.items()
        }

    async def send(
        self, lane: str, messages: Sequence[Message], close_ms: int
    ) -> list[Outcome | None]:
        return await self._providers[lane].couriers.send(lane, messages, close_ms)

    async def collect(self) -> Collected:
        late = [answer for one in self._providers.values() for answer in one.couriers.late()]
        return Collected((), tuple(late), 0, 0)

    async def acknowledge(self, token: int) -> None:
        """Nothing is collected that would need it."""

    async def arrived(self) -> None:
        waiting = [
            asyncio.create_task(one.couriers.news.wait()) for one in self._providers.values()
        ]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()

    async def close(self) -> None:
        await asyncio.gather(*(one.close() for one in self._providers.values()))
        await self._clock.sleep_ms(0)  # the loop's next turn closes the sockets


class _Provider:
    """One lane's: its connections, none of them made before it is needed, and its couriers."""

    def __init__(self, clock: Clock, lane: str, http: Http, writer: Writer) -> None:
        self._tls = _tls(lane, http)
        self.couriers = Couriers(
            clock, [_Courier(clock, self, http, writer) for _ in range(http.connections)]
        )
        self._http = http
        self._session: aiohttp.ClientSession | None = None

    def session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=self._http.connections, keepalive_timeout=IDLE_S, ssl=self._tls
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
                auto_decompress=False,
                trust_env=False,
            )
        return self._session

    async def close(self) -> None:
        await self.couriers.finish(CLOSE_S)
        if self._session is not None:
            await self._session.close()  # whoever still waits is told, and has an unknown outcome
        await self.couriers.finish(CLOSE_S)


def _tls(lane: str, http: Http) -> ssl.SSLContext | bool:
    """What checks the other side's certificate; on loopback there may be none to check."""
    if not http.url.startswith("https"):
        return True
    try:
        return ssl.create_default_context(cafile=http.tls_ca or None)
    except OSError as error:
        raise LanesError(f"lane {lane}: http.tls_ca: {http.tls_ca}: {error}") from error


class _Courier:
    """Makes requests, one at a time, each once."""

    def __init__(self, clock: Clock, provider: _Provider, http: Http, writer: Writer) -> None:
        self._clock = clock
        self._provider = provider
        self._http = http
        self._writer = writer

    async def deliver(self, lane: str, message: Message) -> Outcome:
        now_ms = self._clock.now_ms()
        if now_ms > message.call_before_ms:
            return _TOO_LATE
        written = self._writer.write(message, now_ms)
        left_s = max((message.call_before_ms - now_ms) / 1_000, MARGIN_S)
        connect_s = min(self._http.connect_ms / 1_000, left_s)
        try:
            status, retry_after, body = await self._post(written, connect_s)
        except _NOTHING_SENT as error:
            return NotSent(type(error).__name__)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            return Unknown(type(error).__name__)
        log.debug("lane %s: answered with %d", lane, status)
        return judge(
            self._http.answer, status, retry_after, body, message.attempt, self._clock.now_ms()
        )

    async def _post(self, written: Written, connect_s: float) -> tuple[int, str, bytes]:
        """Status, Retry-After and body. Raises what aiohttp does, and TimeoutError.

        A POST is never repeated by the library, whatever became of its connection."""
        answer_s = self._http.answer_ms / 1_000
        limits = aiohttp.ClientTimeout(
            total=None, connect=connect_s, sock_connect=connect_s, sock_read=answer_s
        )
        # each read has its limit; one byte at a time could take for ever
        async with (
            asyncio.timeout(connect_s + answer_s),
            self._provider.session().post(
                URL(written.url, encoded=True),
                data=written.body,
                headers=written.headers,
                timeout=limits,
                allow_redirects=False,
            ) as answer,
        ):
            body = await _read(answer.content)
            return answer.status, answer.headers.get("Retry-After", ""), body


async def _read(content: aiohttp.StreamReader) -> bytes:
    body = b""
    async for chunk in content.iter_any():
        body += chunk
        if len(body) > ANSWER_MAX:
            raise OSError("an answer too long")
    return body
