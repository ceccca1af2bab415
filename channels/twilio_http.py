"""HTTP to Twilio for its own library: with limits of time, without a second try.

The library's asynchronous client ignores the time-out it is given, and asked for retries it repeats
a create. Here a request is made once, as `channels.http_client` makes them.
"""

import base64
import logging
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from twilio.http import AsyncHttpClient
from twilio.http.response import Response

from channels.base import NotSent, Unknown
from channels.http_client import Answered, HttpClient

log = logging.getLogger("fenghuo.twilio")


class NoAnswer(Exception):  # noqa: N818 - named for what is known
    """``known`` is what that proves of the request."""

    def __init__(self, known: NotSent | Unknown) -> None:
        super().__init__(known)
        self.known = known


class TwilioHttp(AsyncHttpClient):  # type: ignore[misc]  # the library has no types
    """What the library's client asks for. One request at a time; the connections are shared."""

    def __init__(self, client: HttpClient) -> None:
        super().__init__(log, True)
        self.deadline_ms = 0
        """No request begins after it; 0 for no deadline."""
        self._client = client

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
        """One request, and no more. Raises :class:`NoAnswer`, and nothing else, for the network.

        ``timeout`` and ``allow_redirects`` are the library's and have no meaning here.
        """
        if params:
            url += "?" + urlencode(params, doseq=True)
        body = urlencode(data or {}, doseq=True).encode()
        headers = dict(headers or {})
        if auth is not None:
            headers["Authorization"] = _basic(*auth)
        answer = await self._client.request(method, url, body, headers, self.deadline_ms)
        if not isinstance(answer, Answered):
            raise NoAnswer(answer)
        log.debug("%s answered with %d", method, answer.status)
        return Response(answer.status, answer.body.decode(errors="replace"), answer.headers)


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
