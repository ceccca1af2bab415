"""Push to Apple's devices (APNs), by HTTP/2: an optional part, which needs the extra ``apns``.

One connection carries all requests, each a stream of its own. Apple answers that it took a message,
and never what became of it. Sending again is harmless: the collapse id replaces what was shown.
"""

import asyncio
import ssl

import httpx
import jwt
import msgspec

from channels.base import TOO_LATE, Accepted, Clock, Message, NotSent, Outcome, Permanent, Unknown
from channels.couriers import ByCouriers, Couriers
from channels.push_account import Apns
from channels.push_address import APNS, service_of
from channels.push_codes import judge
from channels.push_tokens import Tokens

COURIERS = 100
"""Requests at once on the one connection; Apple allows 1,000 streams."""

MARGIN_S = 0.05
"""What is left of a deadline when a request is begun on a connection that is there already."""

TOKEN_S = 40 * 60
"""Apple refuses a token that is older than an hour, and one that is changed within 20 minutes."""

PLAIN_MAX = 4_096
"""Bytes of a message."""

HIGH, NORMAL = "10", "5"
"""At once, or when it suits the device's battery."""

PATIENT = frozenset({"reminder", "bulletin"})
"""Classes that can wait for that."""

_NO_TOKEN = Permanent("BadDeviceToken", "recipient")

_encode = msgspec.json.Encoder().encode


class _Refused(msgspec.Struct):
    """The body of an answer that is no success."""

    reason: str = ""


_read_refused = msgspec.json.Decoder(_Refused).decode


class PushApns(ByCouriers):
    """A :class:`~channels.base.Channel`. ``Message.to`` is ``apns:`` and a device's token. Its
    collect holds late answers only."""

    def __init__(self, clock: Clock, account: Apns) -> None:
        self.name = "push_apns"
        self._clock = clock
        self._account = account
        self._tokens = Tokens(clock, TOKEN_S, self._signed)
        trust = ssl.create_default_context(cafile=account.ca_file or None)
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=1)
        self._client = httpx.AsyncClient(
            http1=False, http2=True, limits=limits, verify=trust, follow_redirects=False,
            trust_env=False,
        )  # fmt: skip
        super().__init__(Couriers(clock, [self] * COURIERS), self._client.aclose)

    async def deliver(self, lane: str, message: Message) -> Outcome:
        """One message; the couriers have no more of their own than a place in the line."""
        device = message.to.removeprefix(f"{APNS}:")
        if service_of(message.to) != APNS or not device.isalnum() or not device.isascii():
            return _NO_TOKEN
        now_ms = self._clock.now_ms()
        if now_ms > message.call_before_ms:
            return TOO_LATE
        body = _encode({"aps": {"alert": {"title": message.subject, "body": message.text}}})
        if len(body) > PLAIN_MAX:
            return Permanent("PayloadTooLarge", "content")
        headers = headers_of(message, self._account.topic)
        headers["authorization"] = f"bearer {self._tokens.of(self._account.team)}"
        try:
            # httpx limits each read; one byte at a time could take for ever
            async with asyncio.timeout(self._account.connect_s + self._account.answer_s):
                answer = await self._client.post(
                    f"{self._account.url}/3/device/{device}",
                    content=body,
                    headers=headers,
                    timeout=self._limits(message, now_ms),
                )
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            return NotSent(type(error).__name__)
        except (httpx.HTTPError, TimeoutError, RuntimeError) as error:  # the last: a closed pool
            return Unknown(type(error).__name__)
        if answer.status_code == httpx.codes.OK:
            return Accepted(answer.headers.get("apns-id") or message.attempt)
        retry_after = answer.headers.get("retry-after", "")
        reason = _reason(answer.content)
        return judge("apns", answer.status_code, reason, retry_after, self._clock.now_ms())

    def _signed(self, team: str, now_s: int) -> str:
        account = self._account
        return jwt.encode(
            {"iss": team, "iat": now_s},
            account.key,
            algorithm="ES256",
            headers={"kid": account.key_id},
        )

    def _limits(self, message: Message, now_ms: int) -> httpx.Timeout:
        """A connection that is made is written to at once, so its time counts to the deadline."""
        left_s = (message.call_before_ms - now_ms) / 1_000
        connect_s = min(self._account.connect_s, max(left_s, MARGIN_S))
        return httpx.Timeout(self._account.answer_s, connect=connect_s, pool=connect_s)


def headers_of(message: Message, topic: str) -> dict[str, str]:
    """What Apple is told of a message: whose app, until when, what it replaces, how soon."""
    headers = {
        "apns-topic": topic,
        "apns-push-type": "alert",
        "apns-collapse-id": message.attempt.partition(":")[0],
        "apns-priority": NORMAL if message.cls in PATIENT else HIGH,
    }
    if message.expiry_ms:  # left out, Apple keeps it as long as it likes
        headers["apns-expiration"] = str(message.expiry_ms // 1_000)
    return headers


def _reason(body: bytes) -> str:
    """Apple's word for what is wrong; "" where there is none to be read."""
    try:
        return _read_refused(body).reason
    except msgspec.MsgspecError:
        return ""
