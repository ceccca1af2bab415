"""Sealing: how personal fields are kept, so that destroying one key forgets one person.

Every recipient has a data key of its own, kept wrapped by the hub's key-encryption key (KEK)::

    KEK ──wraps──> data key of one recipient ──seals──> profile, contact points, message bodies
    index key ──> blind indexes, digests, and the hub's own seal for what has no subject

The KEK is rotated by :meth:`Vault.rewrap`; the index key never changes while rows found by it
live. Neither may lie on the database's host: an index over phone numbers is only as secret as its
key.

What may go wrong::

    VaultError
     ├── KeyErased    the person was erased: never readable again, and that is the intention
     ├── KekMissing   wrapped under a KEK this process was not given: stop, mend the settings
     └── SealBroken   not what was sealed here: damaged, or moved from another row
"""

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

Entropy = Callable[[int], bytes]
"""Answers with that many random bytes, from any thread."""

KEY_BYTES = 32
NONCE_BYTES = 12
INDEX_BYTES = 16

KEYS_KEPT = 4_096
"""Unwrapped keys kept at hand. Each holds 2.5 KB of cipher state, so these are 10 MB a process;
they cover the batches in flight, more only pushes warmer things out, and a miss costs 3 µs."""

POOL_BYTES = 4096
"""Random bytes fetched at once: a system call for each nonce costs half as much as sealing."""

# The first byte of everything sealed says how, so that another cipher can be brought in later
# (AES-GCM with 96-bit random nonces is safe for 2**32 seals a key; a recipient has thousands).
_GCM = b"\x01"
_WRAPPED = b"\x01"  # then two bytes of KEK id, the nonce, the key and its tag


class VaultError(Exception):
    """Something sealed cannot be read."""


class KeyErased(VaultError):  # noqa: N818 - an expected end, not a fault
    """The recipient's key was destroyed."""


class KekMissing(VaultError):  # noqa: N818 - named for what is missing
    """The key-encryption key named in a wrapped key is not among this process's keys."""


class SealBroken(VaultError):  # noqa: N818 - named for what is found
    """The sealed bytes are not what this key sealed for this place."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The hub's secrets: 32 bytes each. ``retired`` KEKs still unwrap until all is re-wrapped.

    Raises:
        ValueError: a key of another length, or an id outside 0..65535 or given twice.
    """

    kek: bytes = field(repr=False)
    index_key: bytes = field(repr=False)
    kek_id: int = 1
    retired: Mapping[int, bytes] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        for key in (self.kek, self.index_key, *self.retired.values()):
            if len(key) != KEY_BYTES:
                raise ValueError(f"a key is {KEY_BYTES} bytes, not {len(key)}")
        if self.kek_id in self.retired:
            raise ValueError(f"key-encryption key {self.kek_id} is both current and retired")
        if not all(0 <= kek_id < 1 << 16 for kek_id in (self.kek_id, *self.retired)):
            raise ValueError("the id of a key-encryption key is 0..65535")

    def derive(self, purpose: str) -> bytes:
        """A 32-byte key for one purpose (at most 16 bytes of name), as lasting as the index key."""
        person = purpose.encode()
        return hashlib.blake2b(key=self.index_key, person=person, digest_size=KEY_BYTES).digest()


class Pooled:
    """Entropy for many small requests: nonces are cut from one larger draw.

    Safe between threads, since ``list.pop`` hands each piece out once, and across a fork, since
    the child starts with nothing: a nonce given twice would give away what it sealed.
    """

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy
        self._cut: dict[int, list[bytes]] = {}
        os.register_at_fork(after_in_child=self._cut.clear)

    def __call__(self, size: int) -> bytes:
        try:
            return self._cut[size].pop()
        except (KeyError, IndexError):
            return self._draw(size)

    def _draw(self, size: int) -> bytes:
        if size > INDEX_BYTES:  # keys are drawn by themselves and never lie about in a pool
            return self._entropy(size)
        block = self._entropy(POOL_BYTES)
        pieces = [block[at : at + size] for at in range(0, POOL_BYTES - size + 1, size)]
        mine = pieces.pop()
        self._cut[size] = pieces
        return mine


class SubjectKey:
    """The data key of one recipient (or of the hub). ``aad`` binds what is sealed to its place."""

    __slots__ = ("_cipher", "_entropy")

    def __init__(self, raw: bytes, entropy: Entropy) -> None:
        self._cipher = AESGCM(raw)
        self._entropy = entropy

    def seal(self, plain: bytes, aad: bytes) -> bytes:
        """Seal any field, by AES-GCM: 29 bytes longer than ``plain``."""
        nonce = self._entropy(NONCE_BYTES)
        return _GCM + nonce + self._cipher.encrypt(nonce, plain, aad)

    def open(self, sealed: bytes, aad: bytes) -> bytes:
        """What was sealed.

        Raises:
            SealBroken: another key, another ``aad``, damage, or a cipher not known here.
        """
        if sealed[:1] != _GCM:
            raise SealBroken(f"sealed in a way unknown here: {sealed[:1].hex() or 'empty'}")
        try:
            return self._cipher.decrypt(sealed[1:13], sealed[13:], aad)
        except (InvalidTag, ValueError):
            raise SealBroken("the seal does not fit its key or its place") from None


class Vault:
    """Makes and unwraps recipients' keys, and computes what may be searched for.

    ``hub`` seals what has no subject (a bulletin, a file name); it outlives every erasure.
    """

    def __init__(self, keys: Keys, entropy: Entropy) -> None:
        self._entropy = entropy
        keks = {**keys.retired, keys.kek_id: keys.kek}
        self._keks = {_head(kek_id): AESGCM(kek) for kek_id, kek in keks.items()}
        self._head = _head(keys.kek_id)
        self._blind = hashlib.blake2b(key=keys.derive("blind"), digest_size=INDEX_BYTES)
        self._digest = hashlib.blake2b(key=keys.derive("digest"), digest_size=INDEX_BYTES)
        self._kept = lru_cache(KEYS_KEPT)(self._unwrapped)
        self.hub = SubjectKey(keys.derive("hub"), entropy)

    def new_key(self, ref: str) -> tuple[bytes, SubjectKey]:
        """A fresh data key for a recipient: wrapped, to be stored beside it, and ready to use."""
        raw = self._entropy(KEY_BYTES)
        return self._wrap(ref, raw), SubjectKey(raw, self._entropy)

    def unwrap(self, ref: str, wrapped: bytes) -> SubjectKey:
        """The data key of a recipient, as stored; empty means erased.

        Raises:
            KeyErased: there is no key any more.
            KekMissing: its key-encryption key is not among ours.
            SealBroken: not a key of this recipient.
        """
        if not wrapped:
            raise KeyErased(ref)
        return self._kept(ref, wrapped)

    def rewrap(self, ref: str, wrapped: bytes) -> bytes:
        """The same data key under the current KEK; what is sealed with it stays as it is."""
        if wrapped.startswith(self._head):
            return wrapped
        return self._wrap(ref, self._raw(ref, wrapped))

    def forget(self) -> None:
        """Drop the unwrapped keys kept at hand: after an erasure none may survive in memory."""
        self._kept.cache_clear()

    def blind(self, kind: str, address: str) -> bytes:
        """16 bytes by which a contact point or alias is found and which do not tell it.

        ``address`` is normalised (E.164); letter case makes no difference.
        """
        state = self._blind.copy()
        state.update(f"{kind}\0{address.casefold()}".encode())
        return state.digest()

    def digest(self, plain: bytes) -> bytes:
        """16 bytes by which equal contents are recognised without opening them."""
        state = self._digest.copy()
        state.update(plain)
        return state.digest()

    def _unwrapped(self, ref: str, wrapped: bytes) -> SubjectKey:
        return SubjectKey(self._raw(ref, wrapped), self._entropy)

    def _wrap(self, ref: str, raw: bytes) -> bytes:
        nonce = self._entropy(NONCE_BYTES)
        return self._head + nonce + self._keks[self._head].encrypt(nonce, raw, ref.encode())

    def _raw(self, ref: str, wrapped: bytes) -> bytes:
        kek = self._keks.get(wrapped[:3])
        if kek is None:
            raise _unknown(wrapped)
        try:
            return kek.decrypt(wrapped[3:15], wrapped[15:], ref.encode())
        except (InvalidTag, ValueError):
            raise SealBroken(f"not the key of {ref}") from None


def is_sealed(value: bytes) -> bool:
    """Whether ``value`` begins as what is sealed here does. No text begins so, which tells sealed
    values from plain ones where both may lie."""
    return value[:1] == _GCM


def _head(kek_id: int) -> bytes:
    """What a wrapped key begins with."""
    return _WRAPPED + kek_id.to_bytes(2)


def _unknown(wrapped: bytes) -> VaultError:
    if len(wrapped) < 3 or not wrapped.startswith(_WRAPPED):
        return SealBroken("not a wrapped key")
    return KekMissing(f"key-encryption key {int.from_bytes(wrapped[1:3])} was not given")
