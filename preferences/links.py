"""Personal links: how a citizen comes back from a message without a password.

Two kinds, for two lengths of message:

- a **reference** is 14 random characters, short enough for a text message. The database keeps its
  hash, with what it is for and until when; whoever reads the table cannot follow the link.
- a **token** carries what it says and a signature, needs no row, and is as long as e-mail allows.
  ``List-Unsubscribe`` (RFC 8058) is one.

Either is good for one scope only. Opening one may show, but never changes anything: mail scanners
open every link, so a change takes a POST, which is the web's duty.
"""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    delete,
    insert,
    select,
)

REFERENCE_BYTES = 10
"""80 bits: a thousand million guesses against 24 million live links find none."""

REFERENCE_CHARS = 14

TOKEN_MAX = 512
"""Characters looked at: more than any token made here, and less than a request line."""

REMOVED_AT_ONCE = 10_000
"""Expired links that one transaction clears away, so that none holds up the journal's."""

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
"""No signs: phones end a link before one that comes last."""

_MAC_BYTES = 16

_read_said = msgspec.msgpack.Decoder(tuple[int, tuple[str, ...]]).decode

_Int = BigInteger().with_variant(Integer(), "sqlite")

metadata = MetaData()

link = Table(
    "link",
    metadata,
    Column("hash", LargeBinary, primary_key=True),
    Column("scope", Text, nullable=False),
    Column("ref", Text, nullable=False),
    Column("about", Text, nullable=False),
    Column("expires_ms", _Int, nullable=False),
    Index("link_expires", "expires_ms"),
    Index("link_ref", "ref"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)


class Link(NamedTuple):
    """What a reference stands for: a recipient, one ``scope`` (``inbox``, ``survey``), and what it
    is ``about`` (a stream in hexadecimal, an appointment; "" for nothing)."""

    scope: str
    ref: str
    about: str
    expires_ms: int


def new_reference(entropy: Callable[[int], bytes]) -> str:
    """14 letters and digits, to be put into one message to one person."""
    number = int.from_bytes(entropy(REFERENCE_BYTES))
    characters = []
    for _ in range(REFERENCE_CHARS):
        number, digit = divmod(number, len(_DIGITS))
        characters.append(_DIGITS[digit])
    return "".join(characters)


def save_links(connection: Connection, links: Iterable[tuple[str, Link]]) -> None:
    """Keep new references with what they stand for, inside the owner's transaction."""
    rows = [{"hash": _hash(reference), **one._asdict()} for reference, one in links]
    if rows:
        connection.execute(insert(link), rows)


def find_link(connection: Connection, reference: str, scope: str, now_ms: int) -> Link | None:
    """What a reference stands for; None alike when it is unknown, expired, or for another scope."""
    if len(reference) != REFERENCE_CHARS:
        return None
    row = connection.execute(select(link).where(link.c.hash == _hash(reference))).one_or_none()
    if row is None or row.scope != scope or row.expires_ms <= now_ms:
        return None
    return Link(row.scope, row.ref, row.about, row.expires_ms)


def remove_links(connection: Connection, ref: str) -> None:
    """No link leads to this recipient any more: erased, or the phone changed hands."""
    connection.execute(delete(link).where(link.c.ref == ref))


def remove_expired(connection: Connection, now_ms: int) -> int:
    """Clear away expired links, the oldest first; answers how many, at most REMOVED_AT_ONCE."""
    oldest = select(link.c.hash).where(link.c.expires_ms <= now_ms).order_by(link.c.expires_ms)
    gone = delete(link).where(link.c.hash.in_(oldest.limit(REMOVED_AT_ONCE)))
    return connection.execute(gone).rowcount


def _hash(reference: str) -> bytes:
    """Without a key, since nobody tries 80 bits."""
    return hashlib.blake2b(reference.encode(), digest_size=16, person=b"link").digest()


class Signer:
    """Makes and checks tokens. ``keys`` are by id (0..255), 32 bytes each; ``current`` signs, and
    the others are still believed: that is how a key is changed."""

    def __init__(self, keys: Mapping[int, bytes], current: int) -> None:
        if any(len(key) != 32 for key in keys.values()):
            raise ValueError("a key that signs links is 32 bytes")
        if current not in keys or not all(0 <= key_id < 256 for key_id in keys):
            raise ValueError("the current key is among the keys, and their ids are 0..255")
        self._keys = dict(keys)
        self._current = current

    def sign(self, scope: str, values: tuple[str, ...], expires_ms: int) -> str:
        """A token for URLs that says ``values``, readable by who holds it: no personal data."""
        said = bytes([self._current]) + msgspec.msgpack.encode((expires_ms, values))
        return urlsafe_b64encode(said + self._mac(scope, said)).rstrip(b"=").decode()

    def check(self, scope: str, token: str, now_ms: int) -> tuple[str, ...] | None:
        """What a token says; None alike when it is forged, expired, or for another scope."""
        if len(token) > TOKEN_MAX:
            return None
        try:
            raw = urlsafe_b64decode(token + "=" * (-len(token) % 4))
        except ValueError:
            return None
        said, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
        if not said or said[0] not in self._keys:
            return None
        # in constant time, so that a signature cannot be guessed byte by byte
        if not hmac.compare_digest(mac, self._mac(scope, said)):
            return None
        expires_ms, values = _read_said(said[1:])
        return values if now_ms < expires_ms else None

    def _mac(self, scope: str, said: bytes) -> bytes:
        key = self._keys[said[0]]
        mac = hashlib.blake2b(scope.encode() + b"\0" + said, key=key, digest_size=_MAC_BYTES)
        return mac.digest()


class Unsubscribe(NamedTuple):
    """What the one click of RFC 8058 switches off."""

    ref: str
    category: str
    channel: str


_UNSUBSCRIBE = "unsubscribe"
_PUSHED = "push"


def unsubscribe_token(signer: Signer, what: Unsubscribe, expires_ms: int) -> str:
    """The end of a ``List-Unsubscribe`` link. Mail lies about for months, and so must this hold."""
    return signer.sign(_UNSUBSCRIBE, what, expires_ms)


def check_unsubscribe(signer: Signer, token: str, now_ms: int) -> Unsubscribe | None:
    """What the token switches off; None when it is forged or expired."""
    values = signer.check(_UNSUBSCRIBE, token, now_ms)
    return Unsubscribe(*values) if values else None


class Pushed(NamedTuple):
    """What a browser tells the end of: a push by ``lane``, and which ``attempt`` it was."""

    lane: str
    attempt: str


def pushed_token(signer: Signer, what: Pushed, expires_ms: int) -> str:
    """The end of the address at which a browser says that it showed a push."""
    return signer.sign(_PUSHED, what, expires_ms)


def check_pushed(signer: Signer, token: str, now_ms: int) -> Pushed | None:
    """Which push the token is of; None when it is forged or expired."""
    values = signer.check(_PUSHED, token, now_ms)
    return Pushed(*values) if values else None
