"""Push to browsers: Web Push (RFC 8030), encrypted (RFC 8291), the sender named (RFC 8292).

A service answers that it took a message, and never what became of it: the browser tells us itself,
at the address that is sealed in the message (``proof``). Sending again is harmless, since the topic
replaces what still waits at the service, and the tag what is on the screen.
"""

from collections.abc import Callable, Sequence

import http_ece
import msgspec
from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientSession,
    ClientTimeout,
    ConnectionTimeoutError,
    DummyCookieJar,
    InvalidURL,
    TCPConnector,
)
from cryptography.hazmat.primitives.asymmetric import ec

from channels.base import Accepted, Clock, Collected, Message, NotSent, Outcome, Permanent, Unknown
from channels.couriers import Couriers
from channels.push_account import WebPush
from channels.push_address import Subscription, is_allowed, read_subscription
from channels.push_codes import judge
from channels.push_tokens import Vapid

CLOSE_S = 5
"""How long closing waits for answers, before it hangs up on those to come."""

MARGIN_S = 0.05
"""What is left of a deadline when a request is begun on a connection that is there already."""

TTL_MAX_S = 28 * 86_400
"""What services keep a message at most; a longer wish is cut or refused."""

PLAIN_MAX = 3_993
"""Bytes of a message, so that it has 4,096 when it is encrypted (RFC 8291 section 4)."""

STEP = 512
"""A message is filled up to a multiple of it: its length tells a service nothing of it."""

REF_MAX = 200
ANSWER_MAX = 4_096
"""Bytes read of an answer: a sentence at most, and then the connection can be used again."""

URGENCY = {"emergency": "high", "code": "high", "bulletin": "low"}
"""By class (RFC 8030 section 5.3); all others are normal. Low waits until the device is awake."""

_TOO_LATE = NotSent("past its deadline")
_NO_SUBSCRIPTION = Permanent("not_a_subscription", "recipient")
_NOT_ALLOWED = Permanent("host_not_allowed", "lane")
"""Not the address's fault: who may be called is a setting."""

Proof = Callable[[str, str], str]
"""By lane and attempt: where the browser tells that it showed the message, and that it was
opened."""


class Shown(msgspec.Struct, frozen=True):
    """What the browser is given: two lines for the screen, and what only its worker reads."""

    title: str
    body: str
    tag: str
    proof: str


_encode = msgspec.json.Encoder().encode


class PushWeb:
    """A :class:`~channels.base.Channel`. ``Message.to`` is a browser's address as
    `channels.push_address` writes it. Its collect holds late answers only."""

    def __init__(self, clock: Clock, account: WebPush, proof: Proof) -> None:
        assert account.connections >= 1
        self.name = "push_web"
        self.vapid = Vapid(clock, account.key, account.contact)
        self._clock = clock
        self._account = account
        self._proof = proof
        self._session: ClientSession | None = None
        self._couriers = Couriers(clock, [self] * account.connections)

    async def send(
        self, lane: str, messages: Sequence[Message], close_ms: int
    ) -> list[Outcome | None]:
        return await self._couriers.send(lane, messages, close_ms)

    async def collect(self) -> Collected:
        return Collected((), self._couriers.late(), 0, 0)

    async def acknowledge(self, token: int) -> None:
        """Nothing is collected that would need it."""

    async def arrived(self) -> None:
        await self._couriers.news.wait()

    async def close(self) -> None:
        await self._couriers.finish(CLOSE_S)
        if self._session is not None:
            await self._session.close()  # whoever still waits has an unknown outcome
        await self._couriers.finish(CLOSE_S)
        await self._clock.sleep_ms(0)  # the loop's next turn closes the sockets

    async def deliver(self, lane: str, message: Message) -> Outcome:
        """One message; the couriers have no more of their own than a place in the line."""
        to = read_subscription(message.to)
        if to is None:
            return _NO_SUBSCRIPTION
        if not is_allowed(to.endpoint, self._account.hosts):
            return _NOT_ALLOWED
        now_ms = self._clock.now_ms()
        if now_ms > message.call_before_ms:
            return _TOO_LATE
        try:
            body = encrypted(self._plain(lane, message), to)
        except ValueError:  # a point that is not on the curve
            return _NO_SUBSCRIPTION
        if body is None:
            return Permanent("413", "content")
        headers = {**headers_of(message, now_ms), "Authorization": self._signed(to)}
        return await self._post(to, headers, body, message)

    def _plain(self, lane: str, message: Message) -> bytes:
        shown = Shown(
            message.subject,
            message.text,
            _topic(message),
            self._proof(lane, message.attempt),
        )
        plain = _encode(shown)
        return plain.ljust(-(-len(plain) // STEP) * STEP)

    def _signed(self, to: Subscription) -> str:
        return self.vapid.authorization(to.origin)

    async def _post(
        self, to: Subscription, headers: dict[str, str], body: bytes, message: Message
    ) -> Outcome:
        try:
            async with self._http().post(
                to.endpoint,
                data=body,
                headers=headers,
                timeout=self._limits(message),
                allow_redirects=False,
            ) as answer:
                await answer.content.read(ANSWER_MAX)
                status, told = answer.status, answer.headers
        except InvalidURL:
            return _NO_SUBSCRIPTION
        except (ClientConnectorError, ConnectionTimeoutError) as error:
            return NotSent(type(error).__name__)
        except (ClientError, TimeoutError, RuntimeError, OSError) as error:  # RuntimeError: closed
            return Unknown(type(error).__name__)
        if 200 <= status < 300:
            return Accepted(told.get("Location", "")[:REF_MAX] or message.attempt)
        retry_after = told.get("Retry-After", "")
        return judge("web", status, "", retry_after, self._clock.now_ms())

    def _http(self) -> ClientSession:
        """The one session, opened where a loop runs. It keeps no cookies and follows no proxy."""
        if self._session is None:
            self._session = ClientSession(
                connector=TCPConnector(limit=self._account.connections),
                cookie_jar=DummyCookieJar(),
                trust_env=False,
            )
        return self._session

    def _limits(self, message: Message) -> ClientTimeout:
        """A connection that is made is written to at once, so its time counts to the deadline."""
        account = self._account
        left_s = (message.call_before_ms - self._clock.now_ms()) / 1_000
        connect_s = min(account.connect_s, max(left_s, MARGIN_S))
        return ClientTimeout(total=connect_s + account.answer_s, connect=connect_s)


def headers_of(message: Message, now_ms: int) -> dict[str, str]:
    """How long a service keeps it, what it replaces, and whether it wakes the device (RFC 8030
    section 5)."""
    left_s = (message.expiry_ms - now_ms) // 1_000 if message.expiry_ms else TTL_MAX_S
    return {
        "TTL": str(min(max(left_s, 0), TTL_MAX_S)),
        "Urgency": URGENCY.get(message.cls, "normal"),
        "Topic": _topic(message),
        "Content-Encoding": "aes128gcm",
        "Content-Type": "application/octet-stream",
    }


def encrypted(plain: bytes, to: Subscription) -> bytes | None:
    """The body of a request, under a key made for it; None when the message is too large. Raises
    ``ValueError`` where the subscription's key is none."""
    if len(plain) > PLAIN_MAX:
        return None
    own = ec.generate_private_key(ec.SECP256R1())
    body: bytes = http_ece.encrypt(
        plain, private_key=own, dh=to.point, auth_secret=to.secret, version="aes128gcm"
    )
    return body


def _topic(message: Message) -> str:
    """The leg: 32 characters that mean nothing, and the same for every attempt."""
    return message.attempt.partition(":")[0]
