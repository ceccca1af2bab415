"""Push to browsers: Web Push (RFC 8030), encrypted (RFC 8291), the sender named (RFC 8292).

A service answers that it took a message, and never what became of it: the browser tells us itself,
at the address that is sealed in the message (``proof``). Sending again is harmless, since the topic
replaces what still waits at the service, and the tag what is on the screen.
"""

from collections.abc import Callable

import http_ece
import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from yarl import URL

from channels.base import Accepted, Clock, Message, Outcome, Permanent
from channels.couriers import ByCouriers, Couriers
from channels.http_client import Answered, HttpClient
from channels.push_account import WebPush
from channels.push_address import Subscription, is_allowed, read_subscription
from channels.push_codes import judge
from channels.push_tokens import Vapid

TTL_MAX_S = 28 * 86_400
"""What services keep a message at most; a longer wish is cut or refused."""

PLAIN_MAX = 3_993
"""Bytes of a message, so that it has 4,096 when it is encrypted (RFC 8291 section 4)."""

STEP = 512
"""A message is filled up to a multiple of it: its length tells a service nothing of it."""

REF_MAX = 200

URGENCY = {"emergency": "high", "code": "high", "bulletin": "low"}
"""By class (RFC 8030 section 5.3); all others are normal. Low waits until the device is awake."""

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


class PushWeb(ByCouriers):
    """A :class:`~channels.base.Channel`. ``Message.to`` is a browser's address as
    `channels.push_address` writes it. Its collect holds late answers only."""

    def __init__(self, clock: Clock, account: WebPush, proof: Proof) -> None:
        assert account.connections >= 1
        self.name = "push_web"
        self.vapid = Vapid(clock, account.key, account.contact)
        self._clock = clock
        self._account = account
        self._proof = proof
        self._http = HttpClient(clock, account.connect_s, account.answer_s)
        super().__init__(Couriers(clock, [self] * account.connections), self._http.close)

    async def deliver(self, lane: str, message: Message) -> Outcome:
        """One message; the couriers have no more of their own than a place in the line."""
        to = read_subscription(message.to)
        if to is None:
            return _NO_SUBSCRIPTION
        if not is_allowed(to.endpoint, self._account.hosts):
            return _NOT_ALLOWED
        try:
            url = URL(to.endpoint)
            body = encrypted(self._plain(lane, message), to)
        except ValueError:  # no address, or a point that is not on the curve
            return _NO_SUBSCRIPTION
        if body is None:
            return Permanent("413", "content")
        headers = headers_of(message, self._clock.now_ms())
        headers["Authorization"] = self.vapid.authorization(to.origin)
        answer = await self._http.post(url, body, headers, message.call_before_ms)
        if not isinstance(answer, Answered):
            return answer
        if 200 <= answer.status < 300:
            return Accepted(answer.headers.get("Location", "")[:REF_MAX] or message.attempt)
        retry_after = answer.headers.get("Retry-After", "")
        return judge("web", answer.status, "", retry_after, self._clock.now_ms())

    def _plain(self, lane: str, message: Message) -> bytes:
        shown = Shown(
            message.subject,
            message.text,
            _topic(message),
            self._proof(lane, message.attempt),
        )
        plain = _encode(shown)
        return plain.ljust(-(-len(plain) // STEP) * STEP)


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
