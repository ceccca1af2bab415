"""Deterministic names: streams, archived events, look-up keys. Pure.

A stream's id is a UUIDv8 of 48 bits of event time and 74 bits of hash. **The hash is the
identity**; the time only keeps indexes local and months separable. No template or policy version
goes in: republishing wording must not send again.
"""

from functools import lru_cache, partial
from hashlib import blake2b

HASH_BYTES = 10
"""The part of a stream id that is compared: version, variant and 74 bits of hash."""

CASE_BYTES = 8
"""Of a case's key, which tell the cases of one recipient apart."""

LANES_KEPT = 256
KEYS_KEPT = 4096
"""Keys at hand: those of every lane there is, and of the cases, people and caps of a few batches,
each of which is asked for three or four times on its way."""

_TIME_MASK = (1 << 48) - 1
_LENGTHS = [length.to_bytes(4, "big") for length in range(256)]


def digest(*parts: str | bytes, size: int = 16, key: bytes = b"") -> bytes:
    """BLAKE2b over length-prefixed parts, so that ("a", "bc") and ("ab", "c") differ."""
    said = b""
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        length = len(raw)
        said += (_LENGTHS[length] if length < 256 else length.to_bytes(4, "big")) + raw
    return blake2b(said, digest_size=size, key=key).digest()


def event_key(source: str, event_id: str) -> bytes:
    """The archive's key of one upstream event: whoever sends (source, id) again means the same."""
    return digest("event", source, event_id)


def stream_id(
    event_ms: int, event: bytes, notice: str, recipient: str, occasion: str = "", leg: str = ""
) -> bytes:
    """The stream of one leg of one notification. ``event`` is :func:`event_key`."""
    h = digest("leg", event, notice, recipient, occasion, leg, size=HASH_BYTES)
    head = (event_ms & _TIME_MASK).to_bytes(6, "big")
    return head + bytes((0x80 | h[0] & 0x0F, h[1], 0x80 | h[2] & 0x3F)) + h[3:]


def named_stream(kind: str, *parts: str | bytes) -> bytes:
    """The stream of something that is not a notification: preferences, wording, a stop."""
    return digest("stream", kind, *parts)


def identity(stream: bytes) -> bytes:
    """What of a stream id names the notification, whatever time its event claimed."""
    return stream[-HASH_BYTES:]


class Index:
    """Look-up keys, keyed so that the table tells an outsider nothing.

    Sub-keys narrow a key: under a case, ``NOTE`` finds its notifications and ``NOTED`` its other
    events; under a recipient, :meth:`within` finds what they were told of one case. What settled a
    case lies under a key of its own: a warning to a city is one case with a million notifications,
    and whoever asks whether it was lifted may not have to walk over them.
    """

    NOTE = b"n"
    NOTED = b"e"

    def __init__(self, key: bytes) -> None:
        self._key = key[:64]
        self._lane = lru_cache(LANES_KEPT)(lambda lane: digest("ref", lane, key=self._key, size=4))
        self._kept = lru_cache(KEYS_KEPT)(partial(digest, key=self._key))

    def recipient(self, ref: str) -> bytes:
        """All notifications of one recipient."""
        return self._kept("recipient", ref)

    def within(self, correlation: str) -> bytes:
        """The sub-key of a case under its recipients' keys; b"" for none, which finds them all."""
        return self._kept("case", correlation)[:CASE_BYTES] if correlation else b""

    def stops(self, correlation: str) -> bytes:
        """What settled one case."""
        return self._kept("stop", correlation)

    def case(self, correlation: str) -> bytes:
        """Everything about one case, whoever its recipient is."""
        return self._kept("case", correlation)

    def provider_ref(self, lane: str, ref: str) -> bytes:
        """The attempt a carrier's reference belongs to; carriers reuse references, so a hit is
        checked against the attempt it leads to.

        The reference itself, not a hash of it: it says nothing of anybody, and carriers count
        upwards, so that rows written together lie together.
        """
        return self._lane(lane) + ref.encode()[-12:].rjust(12, b"\0")

    def writer(self, address: str) -> bytes:
        """Whoever writes from a number or an address: all they write lies in one partition."""
        return digest("writer", address, key=self._key)

    def reply(self, lane: str, address: str, *told: str) -> bytes:
        """One reply: by its provider's id, else by its words and its time. Keyed, for a number and
        a word are soon guessed."""
        return digest("reply", lane, address, *told, key=self._key)

    def cap(self, ref: str, cls: str, day: str) -> bytes:
        """What a recipient was sent of one class on one local day."""
        return self._kept("cap", ref, cls, day)

    def kind(self, name: str) -> bytes:
        """All streams of one kind: wording, quarantine, policy."""
        return digest("kind", name, key=self._key)
