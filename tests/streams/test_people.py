"""What was read of recipients, and that whoever changes them meanwhile is noticed."""

import os

import pytest

from preferences import store as preference_store
from preferences.recipient import Preferences, Profile
from preferences.vault import Keys, Pooled, Vault
from streams.journal.base import Group, Store
from streams.journal.group import GroupCommit, at_once
from streams.people import SqlPeople
from tests.contracts.clocks import JumpingClock
from tests.contracts.journal_contract import AT

VAULT = Vault(Keys(b"k" * 32, b"i" * 32), Pooled(os.urandom))


def people_of(store: Store) -> SqlPeople:
    return SqlPeople(store.readers, VAULT, GroupCommit(store, JumpingClock()), at_once)


def register(store: Store, *refs: str) -> None:
    profiles = [(Profile(ref, "person", ref), AT) for ref in refs]
    store.commit([Group(effects=[people_of(store).register(profiles)])], AT)


def choose(store: Store, ref: str, version: int) -> None:
    chosen = Preferences(version=version, language="en")
    with store.transaction() as connection:
        assert preference_store.save_preferences(connection, VAULT, ref, chosen)


def changed(store: Store, people: SqlPeople, seen: dict[str, object]) -> set[str]:
    found: set[str] = set()
    store.commit([Group(effects=[people.changed(seen, found)])], AT)  # type: ignore[arg-type]
    return found


async def test_who_chose_since_is_found_and_nobody_else(hub_store: Store) -> None:
    register(hub_store, "P1", "P2")
    people = people_of(hub_store)
    seen = dict(await people.load(["P1", "P2"]))
    assert changed(hub_store, people, seen) == set()
    choose(hub_store, "P1", 1)
    assert changed(hub_store, people, seen) == {"P1"}
    assert changed(hub_store, people, dict(await people.load(["P1", "P2"]))) == set()
    held = dict(await people.keys(["P1"]))
    assert changed(hub_store, people, held) == set()
    choose(hub_store, "P1", 2)
    assert changed(hub_store, people, held) == {"P1"}


@pytest.mark.parametrize("read", [SqlPeople.load, SqlPeople.keys])
async def test_a_choice_between_two_statements_of_a_read_is_noticed(
    hub_store: Store, monkeypatch: pytest.MonkeyPatch, read: object
) -> None:
    """The number of changes and the rows are of one moment."""
    register(hub_store, "P1")
    people, number_of = people_of(hub_store), preference_store.changes

    def overtaken(connection: object) -> int:
        number = number_of(connection)  # type: ignore[arg-type]
        monkeypatch.setattr(preference_store, "changes", number_of)
        choose(hub_store, "P1", 1)
        return number

    monkeypatch.setattr(preference_store, "changes", overtaken)
    seen = dict(await read(people, ["P1"]))  # type: ignore[operator]
    assert seen["P1"].chosen == 0
    assert changed(hub_store, people, seen) == {"P1"}
