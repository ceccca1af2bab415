"""Browsers that a citizen added to their own contact points."""

from collections.abc import Iterator

import pytest
from msgspec.structs import replace
from sqlalchemy import Connection, Engine

from preferences.addresses import find_by_contact
from preferences.changes import SuppressAddress
from preferences.intake import ContactChanged, RecipientRegistered, profile_from, with_contacts
from preferences.recipient import ContactPoint, Preferences, Profile
from preferences.store import (
    changed_since,
    learn,
    load_many,
    remove,
    save_preferences,
    save_profiles,
    save_subscription,
)
from preferences.subscriptions import (
    OWN,
    SUBSCRIPTIONS_MAX,
    Subscribe,
    Unsubscribe,
    with_subscription,
)
from preferences.vault import Vault
from tests.preferences.conftest import create_tables

PHONE = ContactPoint("phone", "+8613800138000")
TOKEN = ContactPoint("push", "a-token-of-upstreams")
INBOX = ContactPoint("inbox", "P1")
WANG = Profile("P1", "person", "王丽", (PHONE, TOKEN, INBOX))


def own(address: str, suppressed: str = "") -> ContactPoint:
    return ContactPoint("push", address, suppressed=suppressed, label=OWN)


def addresses(profile: Profile) -> list[str]:
    return [c.address for c in profile.contacts if c.kind == "push"]


class TestChange:
    def test_the_newest_goes_first_and_before_upstreams(self) -> None:
        one = with_subscription(WANG, Subscribe("a"))
        both = with_subscription(one, Subscribe("b"))
        assert addresses(both) == ["b", "a", TOKEN.address]
        assert {PHONE, TOKEN, INBOX} < set(both.contacts)

    def test_what_changes_nothing_is_the_same_profile(self) -> None:
        one = with_subscription(WANG, Subscribe("a"))
        assert with_subscription(one, Subscribe("a")) is one
        assert with_subscription(one, Unsubscribe("b")) is one
        assert with_subscription(WANG, Unsubscribe()) is WANG

    def test_one_ends_or_all_of_them_and_never_upstreams(self) -> None:
        both = with_subscription(with_subscription(WANG, Subscribe("a")), Subscribe("b"))
        assert addresses(with_subscription(both, Unsubscribe("a"))) == ["b", TOKEN.address]
        assert addresses(with_subscription(both, Unsubscribe())) == [TOKEN.address]
        assert addresses(with_subscription(both, Unsubscribe(TOKEN.address)))[-1] == TOKEN.address

    def test_there_are_never_too_many(self) -> None:
        profile = WANG
        for n in range(SUBSCRIPTIONS_MAX + 2):
            profile = with_subscription(profile, Subscribe(f"a{n}"))
        assert addresses(profile)[:-1] == ["a6", "a5", "a4", "a3", "a2"]

    def test_one_that_is_gone_makes_room(self) -> None:
        gone = replace(WANG, contacts=(own("a", "410"), own("b"), *WANG.contacts))
        assert addresses(with_subscription(gone, Subscribe("c"))) == ["c", "b", TOKEN.address]


class TestIntake:
    """Upstream does not know them, and leaves them."""

    SAID = RecipientRegistered("P1", "person", "王丽丽", push=("another",))
    BEFORE = replace(WANG, contacts=(own("a", "410"), own("b"), *WANG.contacts))

    def test_a_registration(self) -> None:
        after = profile_from(self.SAID, lambda text: (text, False), self.BEFORE)
        assert isinstance(after, Profile)
        assert [c for c in after.contacts if c.label == OWN] == [own("a", "410"), own("b")]
        assert addresses(after) == ["a", "b", "another"]
        first = profile_from(self.SAID, lambda text: (text, False))
        assert isinstance(first, Profile)
        assert addresses(first) == ["another"]

    @pytest.mark.parametrize("push", [None, (), ("another",)])
    def test_changed_contacts(self, push: tuple[str, ...] | None) -> None:
        said = ContactChanged("P1", push=push)
        after = with_contacts(self.BEFORE, said, lambda text: (text, False))
        assert isinstance(after, Profile)
        theirs = [TOKEN.address] if push is None else list(push)
        assert addresses(after) == ["a", "b", *theirs]


class TestAtRest:
    @pytest.fixture
    def connection(self, engine: Engine, vault: Vault) -> Iterator[Connection]:
        create_tables(engine)
        with engine.connect() as connection:
            save_profiles(connection, vault, [(WANG, 10)])
            yield connection

    def profile(self, connection: Connection, vault: Vault) -> Profile:
        found = load_many(connection, vault, ["P1"])["P1"].recipient
        assert found is not None
        return found.profile

    def test_it_is_kept_found_and_counted(self, connection: Connection, vault: Vault) -> None:
        seen = {"P1": (0, 10)}
        assert changed_since(connection, seen) == set()
        assert save_subscription(connection, vault, "P1", Subscribe("a"), Preferences(version=1))
        assert addresses(self.profile(connection, vault)) == ["a", TOKEN.address]
        assert find_by_contact(connection, vault.blind("push", "a")) == ["P1"]
        assert find_by_contact(connection, vault.blind("phone", PHONE.address)) == ["P1"]
        assert changed_since(connection, seen) == {"P1"}, "decisions made before are made again"
        assert save_subscription(connection, vault, "P1", Unsubscribe("a"), Preferences(version=2))
        assert find_by_contact(connection, vault.blind("push", "a")) == []

    def test_one_that_is_gone_is_marked_and_works_again_when_added_anew(
        self, connection: Connection, vault: Vault
    ) -> None:
        save_subscription(connection, vault, "P1", Subscribe("a"), Preferences(version=1))
        blind = vault.blind("push", "a").hex()
        assert learn(connection, vault, SuppressAddress(blind, "410")) == ["P1"]
        assert self.profile(connection, vault).contacts[0] == own("a", "410")
        save_profiles(connection, vault, [(WANG, 20)])
        assert self.profile(connection, vault).contacts[0] == own("a", "410")
        assert save_subscription(connection, vault, "P1", Subscribe("a"), Preferences(version=2))
        assert self.profile(connection, vault).contacts[0] == own("a")
        save_profiles(connection, vault, [(WANG, 30)])
        assert self.profile(connection, vault).contacts[0] == own("a")
        other = Profile("P2", "person", "王明", (ContactPoint("push", "a"),))
        save_profiles(connection, vault, [(other, 30)])
        found = load_many(connection, vault, ["P2"])["P2"].recipient
        assert found is not None
        assert found.profile.contacts[0].suppressed == "", "it works, whoever registers it"

    def test_a_registration_that_was_read_before_it_leaves_it(
        self, connection: Connection, vault: Vault
    ) -> None:
        """Upstream's event was decoded on the profile of a moment ago."""
        save_subscription(connection, vault, "P1", Subscribe("a"), Preferences(version=1))
        assert save_profiles(connection, vault, [(replace(WANG, name="王小丽"), 20)]) == []
        after = self.profile(connection, vault)
        assert (after.name, addresses(after)) == ("王小丽", ["a", TOKEN.address])
        assert find_by_contact(connection, vault.blind("push", "a")) == ["P1"]

    def test_nothing_is_kept_for_whom_nothing_is_registered(
        self, connection: Connection, vault: Vault
    ) -> None:
        assert not save_subscription(
            connection, vault, "P9", Subscribe("a"), Preferences(version=1)
        )
        remove(connection, vault, "P1", 50)
        assert not save_subscription(
            connection, vault, "P1", Subscribe("a"), Preferences(version=1)
        )

    def test_nothing_is_kept_by_who_decided_on_older_choices(
        self, connection: Connection, vault: Vault
    ) -> None:
        save_preferences(connection, vault, "P1", Preferences(version=3))
        assert not save_subscription(
            connection, vault, "P1", Subscribe("a"), Preferences(version=3)
        )
        assert addresses(self.profile(connection, vault)) == [TOKEN.address]
