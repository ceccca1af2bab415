"""API keys: how an upstream system, or an operator, is known to the hub.

A key reads ``fh_live_<id>_<secret>``. The table keeps the id and the SHA-256 of the secret, which
needs no salt and no slow hash: nobody tries 256 bits. Whoever reads the table can use no key.
"""

import hashlib
import hmac
import re
from base64 import b32encode
from collections.abc import Callable
from typing import Literal, NamedTuple

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    Table,
    Text,
    insert,
    select,
    update,
)

Scope = Literal["events", "operator"]
"""``events`` brings events in and asks what became of them; ``operator`` opens the pages of staff
where the hub listens beyond its own machine."""

ID_BYTES, SECRET_BYTES = 5, 32

EVENTS_PER_S = 5_000
"""What one key may bring in each second: as fast as one machine decides, so that a single upstream
system cannot build a backlog that delays the others'."""

EVENTS_BURST = 50_000
"""And at once, after a pause: ten seconds of it, more than a batch may hold."""

BUCKETS_KEPT = 10_000
"""Keys whose pace is remembered; more than there will ever be systems."""

_TEXT = re.compile(r"fh_live_([a-z2-7]{8})_([a-z2-7]{52})")
_NO_DIGEST = bytes(32)

_Int = BigInteger().with_variant(Integer(), "sqlite")

METADATA = MetaData()

api_key = Table(
    "api_key",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("name", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("created_ms", _Int, nullable=False),
    Column("expires_ms", _Int, nullable=False),
    Column("revoked_ms", _Int, nullable=False),  # 0: in use
    sqlite_strict=True,
)


class Key(NamedTuple):
    """A key as it is known. ``revoked_ms`` is 0 while it is in use."""

    id: str
    name: str
    scope: Scope
    created_ms: int
    expires_ms: int
    revoked_ms: int

    def usable(self, scope: Scope, now_ms: int) -> bool:
        """Whether it opens this scope now."""
        return self.scope == scope and not self.revoked_ms and now_ms < self.expires_ms


def create_key(
    connection: Connection,
    entropy: Callable[[int], bytes],
    name: str,
    scope: Scope,
    now_ms: int,
    expires_ms: int,
) -> str:
    """Make a key and answer its text, which is shown once and can never be read again."""
    key_id, secret = _word(entropy(ID_BYTES)), _word(entropy(SECRET_BYTES))
    connection.execute(
        insert(api_key).values(
            id=key_id,
            digest=_digest(secret),
            name=name,
            scope=scope,
            created_ms=now_ms,
            expires_ms=expires_ms,
            revoked_ms=0,
        )
    )
    return f"fh_live_{key_id}_{secret}"


def check_key(connection: Connection, text: str, scope: Scope, now_ms: int) -> Key | None:
    """The key with this text; None alike when it is unknown, wrong, over, or for another scope."""
    match = _TEXT.fullmatch(text)
    row = _row(connection, match[1]) if match else None
    known = row.digest if row else _NO_DIGEST
    # in constant time, and also for an id nobody has, so that neither part can be found out
    same = hmac.compare_digest(known, _digest(match[2] if match else ""))
    if row is None or not same:
        return None
    key = _key(row)
    return key if key.usable(scope, now_ms) else None


def find_key(connection: Connection, key_id: str) -> Key | None:
    """A key by its id, whether it is still good or not."""
    row = _row(connection, key_id)
    return _key(row) if row else None


def list_keys(connection: Connection) -> list[Key]:
    """All keys there are and were, the newest first."""
    rows = connection.execute(select(api_key).order_by(api_key.c.created_ms.desc(), api_key.c.id))
    return [_key(row) for row in rows]


def revoke_key(connection: Connection, key_id: str, now_ms: int) -> bool:
    """End a key now; False when there is none in use with this id."""
    ended = update(api_key).where(api_key.c.id == key_id, api_key.c.revoked_ms == 0)
    return connection.execute(ended.values(revoked_ms=now_ms)).rowcount == 1


class Pace:
    """How fast each key may bring events: a bucket of tokens a key, in memory.

    A restart fills the buckets again, which costs a burst and saves a write for every request.
    """

    def __init__(self, per_s: int = EVENTS_PER_S, burst: int = EVENTS_BURST) -> None:
        self._per_s = per_s
        self._burst = burst
        self._full_at_ms: dict[str, int] = {}

    def take(self, key_id: str, events: int, now_ms: int) -> int:
        """Take this many tokens; answers 0, or after how many ms there will be so many."""
        # a bucket is the moment at which it will be full again: one number, exact for ever
        full_at_ms = max(self._full_at_ms.get(key_id, 0), now_ms)
        after_ms = full_at_ms + -(-events * 1000 // self._per_s)
        wait_ms = after_ms - now_ms - self._burst * 1000 // self._per_s
        if wait_ms > 0:
            return wait_ms
        if len(self._full_at_ms) >= BUCKETS_KEPT:
            self._full_at_ms = {k: at for k, at in self._full_at_ms.items() if at > now_ms}
        self._full_at_ms[key_id] = after_ms
        return 0


def _row(connection: Connection, key_id: str) -> Row[tuple[object, ...]] | None:
    return connection.execute(select(api_key).where(api_key.c.id == key_id)).one_or_none()


def _key(row: Row[tuple[object, ...]]) -> Key:
    return Key(
        row.id, row.name, row.scope, row.created_ms, row.expires_ms, row.revoked_ms
    )  # fmt: skip


def _word(raw: bytes) -> str:
    """Small letters and digits only: easy to select, to read out, and to scan leaked texts for."""
    return b32encode(raw).decode().rstrip("=").lower()


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
