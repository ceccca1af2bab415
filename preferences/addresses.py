"""What recipients are found by, contact points and aliases, and what was learned of an address.

Nothing of it can be read here: each is kept by its blind index, a keyed hash. What was learned of
an address is kept for whoever has it, and before and after anybody has. As in
:mod:`preferences.store`, a connection's transaction is its owner's.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from msgspec.structs import replace
from sqlalchemy import (
    Column,
    Connection,
    Index,
    LargeBinary,
    MetaData,
    Table,
    Text,
    delete,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite

from preferences.changes import AddressFact, LearnCarrier, SuppressAddress, UnsuppressAddress
from preferences.recipient import ContactPoint, Profile
from preferences.vault import Vault

BLINDS_MAX = 1_000
"""Blind indexes asked for at once; more are read in several statements. Each is a value of its own
on SQLite, where a statement carries 32,766."""

metadata = MetaData()

contact_index = Table(
    "contact_index",
    metadata,
    Column("blind", LargeBinary, primary_key=True),
    Column("ref", Text, primary_key=True),
    Index("contact_index_ref", "ref"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

alias_index = Table(
    "alias_index",
    metadata,
    Column("blind", LargeBinary, primary_key=True),
    Column("ref", Text, nullable=False),
    Index("alias_index_ref", "ref"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

address = Table(
    "address",
    metadata,
    Column("blind", LargeBinary, primary_key=True),
    Column("carrier", Text, nullable=False),  # learned; "": as the prefix says
    Column("suppressed", Text, nullable=False),  # why; "": in use
    sqlite_strict=True,
    sqlite_with_rowid=False,
)


def find_by_contact(connection: Connection, blind: bytes) -> list[str]:
    """Who registered the contact point with this blind index, in the order of references."""
    return [ref for (ref,) in _by_blinds(connection, _HOLDERS, [blind])]


def find_by_alias(connection: Connection, vault: Vault, aliases: Sequence[str]) -> dict[str, str]:
    """The recipients' own references by their aliases; unknown ones are absent."""
    blinds = {vault.blind("alias", alias): alias for alias in aliases}
    found = _by_blinds(connection, _OWN_REFS, list(blinds))
    return {blinds[blind]: ref for blind, ref in found}


def learned(
    connection: Connection, vault: Vault, profiles: Sequence[Profile]
) -> dict[ContactPoint, ContactPoint]:
    """Contact points of which something was learned, and what they are with it."""
    by_blind: dict[bytes, list[ContactPoint]] = {}
    for profile in profiles:
        for contact in _searchable(profile):
            by_blind.setdefault(vault.blind(contact.kind, contact.address), []).append(contact)
    return {
        contact: replace(contact, carrier=carrier or contact.carrier, suppressed=suppressed)
        for blind, carrier, suppressed in _by_blinds(connection, _LEARNED, list(by_blind))
        for contact in by_blind[blind]
    }


def remember(connection: Connection, blind: bytes, fact: AddressFact) -> None:
    """Keep a fact about the address with this blind index, beside what else is known of it."""
    match fact:
        case LearnCarrier(carrier=carrier):
            new = {"carrier": carrier}
        case SuppressAddress(reason=reason):
            new = {"suppressed": reason}
        case UnsuppressAddress():
            new = {"suppressed": ""}
    row = {"blind": blind, "carrier": "", "suppressed": "", **new}
    connection.execute(
        _insert(connection, address)
        .values(row)
        .on_conflict_do_update(index_elements=["blind"], set_=new)
    )


def forget(connection: Connection, ref: str) -> None:
    """What was learned of addresses that this recipient alone has, except that one must not be
    written to: it is how a refusal is kept."""
    other = contact_index.alias()
    elsewhere = select(other).where(other.c.blind == address.c.blind, other.c.ref != ref)
    own = select(contact_index.c.blind).where(contact_index.c.ref == ref)
    connection.execute(
        delete(address).where(
            address.c.blind.in_(own), address.c.suppressed == "", ~elsewhere.exists()
        )
    )


def index(connection: Connection, vault: Vault, profiles: Sequence[Profile]) -> None:
    """Make profiles findable by contact point and alias; an alias given anew changes its owner."""
    contacts = {
        (vault.blind(contact.kind, contact.address), profile.ref)
        for profile in profiles
        for contact in _searchable(profile)
    }
    aliases = {
        vault.blind("alias", a): profile.ref for profile in profiles for a in profile.aliases
    }
    if contacts:
        rows = [{"blind": blind, "ref": ref} for blind, ref in sorted(contacts)]
        connection.execute(_insert(connection, contact_index).on_conflict_do_nothing(), rows)
    if aliases:
        upsert = _insert(connection, alias_index)
        upsert = upsert.on_conflict_do_update(
            index_elements=["blind"], set_={"ref": upsert.excluded.ref}
        )
        rows = [{"blind": blind, "ref": ref} for blind, ref in sorted(aliases.items())]
        connection.execute(upsert, rows)


def unindex(connection: Connection, refs: Sequence[str]) -> None:
    """Let nobody find these recipients any more; what was learned of their addresses stays."""
    for table in (contact_index, alias_index):
        if refs:
            connection.execute(delete(table).where(table.c.ref.in_(refs)))


# One text whatever the size of the batch, so that the database reads it once.
_OWN_REFS = "SELECT blind, ref FROM alias_index WHERE blind {}"
_HOLDERS = "SELECT ref FROM contact_index WHERE blind {} ORDER BY ref"
_LEARNED = "SELECT blind, carrier, suppressed FROM address WHERE blind {}"


def _by_blinds(connection: Connection, sql: str, blinds: Sequence[bytes]) -> Iterator[Any]:
    """A statement for each batch, and nothing between it and the driver."""
    for at in range(0, len(blinds), BLINDS_MAX):
        some = blinds[at : at + BLINDS_MAX]
        if connection.dialect.name == "sqlite":  # which takes no bytes from JSON
            among = f"IN ({', '.join('?' * len(some))})"
            yield from connection.exec_driver_sql(sql.format(among), tuple(some)).fetchall()
        else:
            yield from connection.exec_driver_sql(sql.format("= ANY(%s)"), (list(some),)).fetchall()


def _insert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that may say what to do on a conflict: each database has its own."""
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


def _searchable(profile: Profile) -> list[ContactPoint]:
    """The inbox is the hub's own: its address is the reference."""
    return [contact for contact in profile.contacts if contact.kind != "inbox"]
