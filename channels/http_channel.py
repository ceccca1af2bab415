"""Messages by any provider that takes HTTPS requests, as its lane describes it.

One channel serves all lanes of a kind (``sms_http``, ``voice_http``, ``push_http``), each with
connections and couriers of its own. Reports come to the pages' door: `channels.http_callbacks`.
"""

import logging
import ssl
from collections.abc import Mapping

from yarl import URL

from channels.base import Clock, Message, Outcome
from channels.couriers import ByLane, Couriers
from channels.http_account import Http
from channels.http_answer import judge
from channels.http_client import Answered, HttpClient
from channels.http_request import Secrets, Writer
from channels.lanes_file import LanesError

log = logging.getLogger("fenghuo.http")


class HttpChannel(ByLane):
    """A :class:`~channels.base.Channel`. ``accounts`` and their ``secrets`` are by lane. Raises
    :class:`LanesError` for a secret or an authority's file that cannot be used."""

    def __init__(
        self,
        clock: Clock,
        accounts: Mapping[str, Http],
        secrets: Mapping[str, Secrets],
        public_url: str,
        name: str,
    ) -> None:
        self.name = name
        for lane, known in secrets.items():
            for one, secret in known.items():
                if not secret.isprintable():  # it may have to be in a header
                    raise LanesError(f"lane {lane}: the secret {one} must be one line of text")
        super().__init__(
            {
                lane: _Provider(clock, lane, http, Writer(lane, http, secrets[lane], public_url))
                for lane, http in accounts.items()
            }
        )


class _Provider:
    """One lane's; its couriers have no more of their own than a place in the line."""

    def __init__(self, clock: Clock, lane: str, http: Http, writer: Writer) -> None:
        self.couriers = Couriers(clock, [self] * http.connections)
        self._clock = clock
        self._http = http
        self._writer = writer
        self._client = HttpClient(
            clock, http.connect_ms / 1_000, http.answer_ms / 1_000, _tls(lane, http)
        )

    async def deliver(self, lane: str, message: Message) -> Outcome:
        written = self._writer.write(message, self._clock.now_ms())
        url = URL(written.url, encoded=True)  # as it was signed
        answer = await self._client.post(url, written.body, written.headers, message.call_before_ms)
        if not isinstance(answer, Answered):
            return answer
        log.debug("lane %s: answered with %d", lane, answer.status)
        retry_after = answer.headers.get("Retry-After", "")
        return judge(
            self._http.answer, answer.status, retry_after, answer.body, message.attempt,
            self._clock.now_ms(),
        )  # fmt: skip

    async def close(self) -> None:
        await self.couriers.close(self._client.close)


def _tls(lane: str, http: Http) -> ssl.SSLContext | bool:
    """What checks the other side's certificate; on loopback there may be none to check."""
    if not http.url.startswith("https"):
        return True
    try:
        return ssl.create_default_context(cafile=http.tls_ca or None)
    except OSError as error:
        raise LanesError(f"lane {lane}: http.tls_ca: {http.tls_ca}: {error}") from error
