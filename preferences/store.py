"""Recipients at rest: tables, and what is read from and written to them.

What they are found by lies beside them, in :mod:`preferences.addresses`.
Every function takes an open SQLAlchemy ``Connection`` and leaves the transaction to its owner:
writes run inside the journal's own, so that a recipient changes exactly when the event that says so
is journalled. A profile carries the time of its event, and an older one never replaces a newer.

A recipient's row is made with a key before anything else is known of it, since what concerns it
has to be sealed from the first event on. Erasing destroys the key; the row stays to say so.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import msgspec
from msgspec.structs import replace
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Integer,
    LargeBinary,
    MetaData,
    Select,
    Table,
    Text,
    bindparam,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from preferences import addresses
from preferences.changes import AddressFact, UnsuppressAddress, mark
from preferences.recipient import ContactPoint, Preferences, Profile, Recipient
from preferences.subscriptions import (
    Subscribe,
    Subscription,
    own_contacts,
    with_own,
    with_subscription,
)
from preferences.vault import KeyErased, SealBroken, SubjectKey, Vault, VaultError

BATCH_MAX = 1_000
"""Recipients asked for at once; more are read in several statements. Well below what a statement
may carry (SQLite 32,766 values), and no faster beyond."""

TRIED_MAX = 10
"""Keys of which one must open: so many damaged in a row are no accident."""

# SQLite's STRICT tables know one integer, of 64 bits
_Int = BigInteger().with_variant(Integer(), "sqlite")

metadata = MetaData()

recipient = Table(
    "recipient",
    metadata,
    Column("ref", Text, primary_key=True),
    Column("wrapped_key", LargeBinary),  # null: erased
    Column("profile", LargeBinary),  # sealed; null: not registered (yet, or any more)
    Column("preferences", LargeBinary),  # sealed; null: nothing chosen
    Column("profile_ms", _Int, nullable=False),  # when the event happened that it comes from
    Column("preferences_version", Integer, nullable=False),
    Column("erased_ms", _Int, nullable=False),
    sqlite_strict=True,
)

change = Table(
    "recipient_change",
    metadata,
    Column("one", Integer, primary_key=True, autoincrement=False),
    Column("number", _Int, nullable=False),  # of changes to any profile or preferences
    sqlite_strict=True,
)

_PROFILE = b"profile"
_PREFERENCES = b"preferences"
_NOTHING_CHOSEN = Preferences()

# Made once, since making them costs more than running them.
_MAKE = {
    "sqlite": sqlite.insert(recipient).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(recipient).on_conflict_do_nothing(),
}
_SAVE = update(recipient).where(recipient.c.ref == bindparam("of"))

_T = TypeVar("_T")

_encode = msgspec.msgpack.Encoder().encode
_decode_profile = msgspec.msgpack.Decoder(Profile).decode
_decode_preferences = msgspec.msgpack.Decoder(Preferences).decode


class Loaded(msgspec.Struct, frozen=True, gc=False):
    """What is known of one reference.

    ``ref`` is the recipient's own where an alias was asked for. ``recipient`` is None when it is
    not registered (yet, or any more), was erased, or is ``damaged`` (its row does not open: an
    alarm). ``key`` seals for it, None only when erased or damaged; ``wrapped_key`` lets another
    process do so without reading the row again.
    """

    ref: str
    recipient: Recipient | None
    preferences: Preferences
    key: SubjectKey | None
    wrapped_key: bytes
    erased_ms: int = 0
    damaged: bool = False
    profile_ms: int = 0


def load_many(connection: Connection, vault: Vault, refs: Iterable[str]) -> dict[str, Loaded]:
    """Recipients by the reference asked for, their own or an alias; unknown ones are absent.

    Raises:
        KekMissing: this process was not given the key-encryption key of a row.
    """
    # no database keeps a NUL in text, and PostgreSQL would refuse the whole batch for it
    wanted = [ref for ref in dict.fromkeys(refs) if "\0" not in ref]
    found = _load(connection, vault, wanted)
    if len(found) < len(wanted):
        others = [ref for ref in wanted if ref not in found]
        own = addresses.find_by_alias(connection, vault, others)
        behind = _load(connection, vault, list(own.values()))
        found.update((alias, behind[ref]) for alias, ref in own.items() if ref in behind)
    return found


class Keyed(msgspec.Struct, frozen=True, gc=False):
    """Somebody's key, and by what a later profile or choice differs from when it was read."""

    ref: str
    key: SubjectKey
    chosen: int
    """The version of their preferences."""
    profile_ms: int
    as_of: int
    """How often anybody's profile or choices had changed."""


def keys_of(connection: Connection, vault: Vault, refs: Sequence[str]) -> dict[str, Keyed]:
    """Keys of recipients by their own references, for whoever opens what was sealed before;
    unknown, erased and damaged ones are absent. In a transaction, all is of one moment."""
    found: dict[str, Keyed] = {}
    as_of = changes(connection)
    for chunk in _chunks(refs):
        for ref, wrapped, chosen, profile_ms in _by_refs(connection, _KEYS, chunk):
            try:
                found[ref] = Keyed(ref, vault.unwrap(ref, wrapped), chosen, profile_ms, as_of)
            except SealBroken:
                continue
    return found


_COUNT_CHANGE = (
    "INSERT INTO recipient_change (one, number) VALUES (1, 1)"
    " ON CONFLICT (one) DO UPDATE SET number = recipient_change.number + 1"
)


def changes(connection: Connection) -> int:
    """How often any profile or preferences changed: as long as it is the same, none did."""
    return connection.exec_driver_sql("SELECT number FROM recipient_change").scalar() or 0


def _count_change(connection: Connection) -> None:
    connection.exec_driver_sql(_COUNT_CHANGE)


def changed_since(connection: Connection, seen: Mapping[str, tuple[int, int]]) -> set[str]:
    """Of recipients by their own references, each with the version of its preferences and the time
    of its profile as they were read: those of whom either is another now, or who were erased."""
    now: dict[str, tuple[int, int]] = {}
    for chunk in _chunks(list(seen)):
        rows = _by_refs(connection, _STANDING, chunk)
        now.update((ref, (version, at_ms)) for ref, version, at_ms in rows)
    return {ref for ref, read in seen.items() if now.get(ref) != read}


def ensure_keys(connection: Connection, vault: Vault, refs: Iterable[str]) -> dict[str, SubjectKey]:
    """A key for each reference, known or not; erased and damaged ones are absent."""
    keys = {ref: _key(vault, row) for ref, row in _locked(connection, vault, refs).items()}
    return {ref: key for ref, key in keys.items() if key is not None}


def save_profiles(
    connection: Connection, vault: Vault, profiles: Iterable[tuple[Profile, int]]
) -> list[str]:
    """Keep profiles, each with the time (ms) of its event; answers the references passed over.

    Passed over is what is older than the profile stored or than an erasure, and what is damaged.
    Registered after an erasure, a reference is a new person with a new key. What was learned of an
    address (its carrier, that it is suppressed) is carried into the profile; one that upstream had
    taken out of it and brings back is in use again.
    """
    in_order = sorted(profiles, key=lambda one: one[1])
    return [ref for chunk in _chunks(in_order) for ref in _save_profiles(connection, vault, chunk)]


def save_preferences(
    connection: Connection, vault: Vault, ref: str, preferences: Preferences
) -> bool:
    """Keep what a recipient, registered or not, chose. False when it is not a later version than
    the one stored, or when the recipient was erased."""
    row = _locked(connection, vault, [ref])[ref]
    key = _key(vault, row)
    if key is None or preferences.version <= row.preferences_version:
        return False
    sealed = key.seal(_encode(preferences), _PREFERENCES)
    _update(connection, ref, preferences=sealed, preferences_version=preferences.version)
    _count_change(connection)
    return True


def save_subscription(
    connection: Connection, vault: Vault, ref: str, change: Subscription, preferences: Preferences
) -> bool:
    """Add or take away what a registered recipient added to their own contact points, and keep
    ``preferences``, whose version counts it. One added anew is in use again, whatever was learned
    of it. False as :func:`save_preferences`, and when there is no profile."""
    row = _locked(connection, vault, [ref])[ref]
    key = _key(vault, row)
    if key is None or not row.profile:
        return False
    if not save_preferences(connection, vault, ref, preferences):
        return False
    before = _decode_profile(key.open(row.profile, _PROFILE))
    after = with_subscription(before, change)
    _update(connection, ref, profile=key.seal(_encode(after), _PROFILE))
    addresses.unindex(connection, [ref])
    addresses.index(connection, vault, [after])
    if isinstance(change, Subscribe):
        learn(connection, vault, UnsuppressAddress(vault.blind("push", change.address).hex()))
    return True


def learn(connection: Connection, vault: Vault, fact: AddressFact) -> list[str]:
    """Remember a fact about an address, for whoever registers it and who has; answers the latter.

    Raises:
        ValueError: the blind index is not hexadecimal.
    """
    blind = bytes.fromhex(fact.blind)
    addresses.remember(connection, blind, fact)
    holders = addresses.find_by_contact(connection, blind)
    for ref, held in _locked(connection, vault, holders).items():
        key = _key(vault, held)
        if key is not None and held.profile:
            profile = _decode_profile(key.open(held.profile, _PROFILE))
            contacts = tuple(
                mark(contact, fact)
                if vault.blind(contact.kind, contact.address) == blind
                else contact
                for contact in profile.contacts
            )
            sealed = key.seal(_encode(replace(profile, contacts=contacts)), _PROFILE)
            _update(connection, ref, profile=sealed)
    return holders


def remove(connection: Connection, vault: Vault, ref: str, at_ms: int) -> bool:
    """Forget the profile; the key, and what was chosen, stay. False when a later one is stored."""
    if at_ms < _locked(connection, vault, [ref])[ref].profile_ms:
        return False
    addresses.unindex(connection, [ref])
    _update(connection, ref, profile=None, profile_ms=at_ms)
    _count_change(connection)
    return True


def erase(connection: Connection, vault: Vault, ref: str, at_ms: int) -> None:
    """Destroy the key and all that hangs on it. That an address must not be written to outlives
    this, by its blind index only: it is how the refusal is kept."""
    _locked(connection, vault, [ref])
    addresses.forget(connection, ref)
    on_sqlite = connection.dialect.name == "sqlite"
    if on_sqlite:  # which else leaves deleted bytes in the file
        connection.exec_driver_sql("PRAGMA secure_delete = ON")
    addresses.unindex(connection, [ref])
    gone = {"wrapped_key": None, "profile": None, "preferences": None}
    _update(connection, ref, **gone, preferences_version=0, erased_ms=at_ms)
    _count_change(connection)
    if on_sqlite:
        connection.exec_driver_sql("PRAGMA secure_delete = OFF")
    vault.forget()


class Rewrapped(NamedTuple):
    """What became of a page of keys: how many were brought over and how many are damaged. ``last``
    is the reference it ends with, "" when none was left."""

    last: str = ""
    moved: int = 0
    damaged: int = 0


def rewrap_keys(connection: Connection, vault: Vault, after: str = "") -> Rewrapped:
    """Bring the next ``BATCH_MAX`` keys after a reference under the current KEK. Damaged keys stay
    as they are. Raises :class:`~preferences.vault.KekMissing` for one of a KEK not given."""
    page = _keyed(after, BATCH_MAX).with_for_update()
    moved: list[dict[str, object]] = []
    last, damaged = "", 0
    for last, wrapped in connection.execute(page).all():
        try:
            anew = vault.rewrap(last, wrapped)
        except SealBroken:
            damaged += 1
            continue
        if anew != wrapped:
            moved.append({"of": last, "wrapped_key": anew})
    if moved:
        connection.execute(_SAVE, moved)
    return Rewrapped(last, len(moved), damaged)


def unopened(connection: Connection, vault: Vault) -> VaultError | None:
    """Why none of the first keys opens; None where one does or there is none. A single damaged one
    is no reason to think that the vault's keys are wrong."""
    fault = None
    for ref, wrapped in connection.execute(_keyed("", TRIED_MAX)):
        try:
            vault.unwrap(ref, wrapped)
        except VaultError as error:
            fault = error
        else:
            return None
    return fault


def _keyed(after: str, limit: int) -> Select[str, bytes]:
    """References and wrapped keys in order."""
    keyed = select(recipient.c.ref, recipient.c.wrapped_key).where(
        recipient.c.ref > after, recipient.c.wrapped_key.is_not(None)
    )
    return keyed.order_by(recipient.c.ref).limit(limit)


class _Kept(NamedTuple):
    """A recipient's row, while nobody else may write it."""

    ref: str
    wrapped_key: bytes | None
    profile: bytes | None
    profile_ms: int
    preferences_version: int
    erased_ms: int


# One text whatever the size of the batch, so that the database reads it once.
_LOAD = (
    "SELECT ref, wrapped_key, profile, preferences, erased_ms, profile_ms"
    " FROM recipient WHERE ref {}"
)
_FOUND = "SELECT ref FROM recipient WHERE ref {}"
_LOCKED = (
    "SELECT ref, wrapped_key, profile, profile_ms, preferences_version, erased_ms"
    " FROM recipient WHERE ref {} ORDER BY ref"
)
_KEYS = (
    "SELECT ref, wrapped_key, preferences_version, profile_ms FROM recipient"
    " WHERE wrapped_key IS NOT NULL AND ref {}"
)
_STANDING = (
    "SELECT ref, preferences_version, profile_ms FROM recipient"
    " WHERE wrapped_key IS NOT NULL AND ref {}"
)


def _by_refs(connection: Connection, sql: str, refs: Sequence[str]) -> Sequence[Any]:
    """One statement a batch, and nothing between it and the driver."""
    if connection.dialect.name == "sqlite":
        among = "IN (SELECT value FROM json_each(?))"
        return connection.exec_driver_sql(sql.format(among), (json.dumps(refs),)).fetchall()
    return connection.exec_driver_sql(sql.format("= ANY(%s)"), (list(refs),)).fetchall()


def _load(connection: Connection, vault: Vault, refs: Sequence[str]) -> dict[str, Loaded]:
    """The hot path."""
    found = {}
    for chunk in _chunks(refs):
        for row in _by_refs(connection, _LOAD, chunk):
            found[row[0]] = _opened(vault, *row)
    return found


def _opened(
    vault: Vault,
    ref: str,
    wrapped: bytes | None,
    profile: bytes | None,
    chosen: bytes | None,
    erased_ms: int,
    profile_ms: int,
) -> Loaded:
    if wrapped is None:
        return Loaded(ref, None, _NOTHING_CHOSEN, None, b"", erased_ms)
    try:
        key = vault.unwrap(ref, wrapped)
        preferences = _NOTHING_CHOSEN
        if chosen:
            preferences = _decode_preferences(key.open(chosen, _PREFERENCES))
        registered = None
        if profile:
            registered = Recipient(_decode_profile(key.open(profile, _PROFILE)), preferences)
    except (SealBroken, msgspec.MsgspecError):
        return Loaded(ref, None, _NOTHING_CHOSEN, None, wrapped, erased_ms, damaged=True)
    return Loaded(ref, registered, preferences, key, wrapped, erased_ms, False, profile_ms)


def _locked(connection: Connection, vault: Vault, refs: Iterable[str]) -> dict[str, _Kept]:
    """The rows of these references, made where missing, nobody else writing them meanwhile.

    First all are made and then all are locked, each in one order: of two who do this at once,
    neither waits for what the other waits for.
    """
    chunks = [*_chunks(sorted(set(refs)))]
    for chunk in chunks:
        found = {ref for (ref,) in _by_refs(connection, _FOUND, chunk)}
        if made := [_new_row(vault, ref) for ref in chunk if ref not in found]:
            connection.execute(_MAKE[connection.dialect.name], made)
    locked = _LOCKED if connection.dialect.name == "sqlite" else f"{_LOCKED} FOR UPDATE"
    rows = [_Kept._make(row) for chunk in chunks for row in _by_refs(connection, locked, chunk)]
    return {row.ref: row for row in rows}


def _new_row(vault: Vault, ref: str) -> dict[str, object]:
    wrapped, _ = vault.new_key(ref)
    return {
        "ref": ref,
        "wrapped_key": wrapped,
        "profile_ms": 0,
        "preferences_version": 0,
        "erased_ms": 0,
    }


def _key(vault: Vault, row: _Kept) -> SubjectKey | None:
    """The key of a row; None when erased or damaged."""
    try:
        return vault.unwrap(row.ref, row.wrapped_key or b"")
    except (KeyErased, SealBroken):
        return None


def _save_profiles(
    connection: Connection, vault: Vault, profiles: Sequence[tuple[Profile, int]]
) -> list[str]:
    newest = {profile.ref: (profile, at_ms) for profile, at_ms in profiles}
    rows = _locked(connection, vault, newest)
    learned = addresses.learned(connection, vault, [profile for profile, _ in newest.values()])
    kept: dict[str, dict[str, object]] = {}
    saved: list[Profile] = []
    returned: list[ContactPoint] = []
    for ref, (profile, at_ms) in newest.items():
        row = rows[ref]
        if at_ms < row.profile_ms or at_ms <= row.erased_ms:
            continue
        wrapped, key = row.wrapped_key, _key(vault, row)
        if wrapped is None:
            wrapped, key = vault.new_key(ref)
        if key is not None:
            before = _contacts(key, row.profile)
            contacts = with_own(profile.contacts, own_contacts(before))
            contacts = tuple(learned.get(contact, contact) for contact in contacts)
            if row.profile:
                returned += _returned(before, contacts)
            saved.append(replace(profile, contacts=contacts))
            sealed = key.seal(_encode(saved[-1]), _PROFILE)
            kept[ref] = {"of": ref, "wrapped_key": wrapped, "profile": sealed, "profile_ms": at_ms}
    if kept:
        connection.execute(_SAVE, list(kept.values()))
        _count_change(connection)
        addresses.unindex(connection, [ref for ref in kept if rows[ref].profile])
        addresses.index(connection, vault, saved)
    for contact in returned:
        blind = vault.blind(contact.kind, contact.address).hex()
        learn(connection, vault, UnsuppressAddress(blind))
    return [ref for ref in newest if ref not in kept]


def _contacts(key: SubjectKey, profile: bytes | None) -> tuple[ContactPoint, ...]:
    """Those of a stored profile. Its owner may have added some since whoever registers them anew
    has read it."""
    return _decode_profile(key.open(profile, _PROFILE)).contacts if profile else ()


def _returned(
    before: Sequence[ContactPoint], after: Sequence[ContactPoint]
) -> Iterator[ContactPoint]:
    """Out of use, and of a profile that did not have them before."""
    had = {(contact.kind, contact.address) for contact in before}
    return (c for c in after if c.suppressed and (c.kind, c.address) not in had)


def _update(connection: Connection, ref: str, **values: object) -> None:
    connection.execute(update(recipient).where(recipient.c.ref == ref).values(values))


def _chunks(items: Sequence[_T]) -> Iterator[Sequence[_T]]:
    for at in range(0, len(items), BATCH_MAX):
        yield items[at : at + BATCH_MAX]
