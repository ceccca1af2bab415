"""Recipients as the steps need them, over the tables of :mod:`preferences.store`, found by
:mod:`preferences.addresses`."""

from collections.abc import Mapping, Sequence
from functools import partial

from sqlalchemy import Connection, Engine

from preferences import addresses, links, store
from preferences.changes import AddressFact, LearnCarrier, SuppressAddress, UnsuppressAddress
from preferences.recipient import Preferences, Profile
from preferences.store import Keyed
from preferences.vault import Vault
from streams.journal.base import Group, Journal
from streams.journal.group import Aside
from streams.pipeline.river import Effect, Known


class SqlPeople:
    """``streams.pipeline.river.People`` on a database."""

    def __init__(self, readers: Engine, vault: Vault, journal: Journal, aside: Aside) -> None:
        self._readers = readers
        self._vault = vault
        self._journal = journal
        self._aside = aside

    async def load(self, refs: Sequence[str]) -> Mapping[str, Known]:
        if not refs:
            return {}
        as_of, loaded = await self._aside(self._load, refs)
        return {
            ref: Known(one.key, one.recipient, one.ref, one.preferences, one.profile_ms, as_of)
            for ref, one in loaded.items()
            if one.key is not None
        }

    async def keys(self, refs: Sequence[str]) -> Mapping[str, Keyed]:
        return await self._aside(self._keys, refs)

    async def meet(self, refs: Sequence[str]) -> Mapping[str, Known]:
        """Keys are made in a transaction of their own: what is sealed under them follows."""
        met: dict[str, Known] = {}

        def make(connection: Connection) -> None:
            keys = store.ensure_keys(connection, self._vault, refs)
            met.update({ref: Known(key, None, ref, Preferences()) for ref, key in keys.items()})

        await self._journal.append(Group(effects=(make,)))
        return met

    async def find(self, kind: str, address: str) -> Sequence[str]:
        return await self._aside(self._find, self._vault.blind(kind, address))

    def register(self, profiles: Sequence[tuple[Profile, int]]) -> Effect:
        return partial(_save, vault=self._vault, profiles=profiles)

    def remove(self, ref: str, at_ms: int) -> Effect:
        return partial(_remove, vault=self._vault, ref=ref, at_ms=at_ms)

    def erase(self, ref: str, at_ms: int) -> Effect:
        return partial(_erase, vault=self._vault, ref=ref, at_ms=at_ms)

    def changed(self, seen: Mapping[str, Known | Keyed], found: set[str]) -> Effect:
        def compare(connection: Connection) -> None:
            number = store.changes(connection)
            if all(known.as_of == number for known in seen.values()):
                return
            read = {k.ref: (k.chosen, k.profile_ms) for k in seen.values()}
            others = store.changed_since(connection, read)
            found.update(ref for ref, known in seen.items() if known.ref in others)

        return compare

    def learn_carrier(self, address: str, carrier: str) -> Effect:
        blind = self._vault.blind("phone", address).hex()
        return partial(_learn, vault=self._vault, fact=LearnCarrier(blind, carrier))

    def suppress(self, kind: str, address: str, reason: str) -> Effect:
        blind = self._vault.blind(kind, address).hex()
        return partial(_learn, vault=self._vault, fact=SuppressAddress(blind, reason))

    def restore(self, kind: str, address: str) -> Effect:
        blind = self._vault.blind(kind, address).hex()
        return partial(_learn, vault=self._vault, fact=UnsuppressAddress(blind))

    def _load(self, refs: Sequence[str]) -> tuple[int, dict[str, store.Loaded]]:
        with self._readers.connect() as connection:  # one transaction: both are of one moment
            return store.changes(connection), store.load_many(connection, self._vault, refs)

    def _find(self, blind: bytes) -> list[str]:
        with self._readers.connect() as connection:
            return addresses.find_by_contact(connection, blind)

    def _keys(self, refs: Sequence[str]) -> dict[str, Keyed]:
        with self._readers.connect() as connection:
            return store.keys_of(connection, self._vault, refs)


def _save(connection: Connection, vault: Vault, profiles: Sequence[tuple[Profile, int]]) -> None:
    store.save_profiles(connection, vault, profiles)


def _remove(connection: Connection, vault: Vault, ref: str, at_ms: int) -> None:
    store.remove(connection, vault, ref, at_ms)


def _erase(connection: Connection, vault: Vault, ref: str, at_ms: int) -> None:
    store.erase(connection, vault, ref, at_ms)
    links.remove_links(connection, ref)


def _learn(connection: Connection, vault: Vault, fact: AddressFact) -> None:
    store.learn(connection, vault, fact)
