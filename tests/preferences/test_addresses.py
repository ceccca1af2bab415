"""What recipients are found by, and what is learned of their addresses, on both databases."""

import pytest
from msgspec.structs import replace
from sqlalchemy import Connection

from preferences.addresses import (
    BLINDS_MAX,
    address,
    find_by_alias,
    find_by_contact,
    index,
    learned,
    remember,
    unindex,
)
from preferences.changes import LearnCarrier, SuppressAddress, UnsuppressAddress
from preferences.recipient import ContactPoint, Profile, Recipient
from preferences.store import erase, learn, load_many, save_profiles
from preferences.vault import Vault

PHONE, OTHER, MAIL = "+8613800138000", "+8613900139000", "wang@example.cn"
WANG = Profile(
    "r-wang",
    "person",
    "王小明",
    contacts=(
        ContactPoint("phone", PHONE),
        ContactPoint("email", MAIL),
        ContactPoint("inbox", "r-wang"),
    ),
    aliases=("12123/889",),
)
HOUSEHOLD = replace(WANG, ref="r-li", aliases=())


def phone_of(connection: Connection, vault: Vault, ref: str = "r-wang") -> ContactPoint:
    found = load_many(connection, vault, [ref])[ref].recipient
    assert found
    return found.profile.contacts[0]


class TestFinding:
    def test_by_contact_point_and_alias(self, connection: Connection, vault: Vault) -> None:
        index(connection, vault, [WANG, HOUSEHOLD])
        assert find_by_contact(connection, vault.blind("phone", PHONE)) == ["r-li", "r-wang"]
        assert find_by_contact(connection, vault.blind("email", PHONE)) == []
        assert find_by_contact(connection, vault.blind("inbox", "r-wang")) == []
        assert find_by_alias(connection, vault, ["12123/889", "r-wang"]) == {"12123/889": "r-wang"}

        unindex(connection, ["r-wang"])
        assert find_by_contact(connection, vault.blind("phone", PHONE)) == ["r-li"]
        assert find_by_alias(connection, vault, ["12123/889"]) == {}

    def test_an_alias_given_anew_changes_its_owner(
        self, connection: Connection, vault: Vault
    ) -> None:
        index(connection, vault, [WANG])
        index(connection, vault, [replace(HOUSEHOLD, aliases=WANG.aliases)])
        assert find_by_alias(connection, vault, WANG.aliases) == {"12123/889": "r-li"}

    def test_an_alias_leads_to_the_recipient(self, connection: Connection, vault: Vault) -> None:
        save_profiles(connection, vault, [(WANG, 10)])
        found = load_many(connection, vault, ["12123/889", "r-wang", "r-nobody"])
        assert set(found) == {"12123/889", "r-wang"}
        assert found["12123/889"].ref == "r-wang"
        assert found["12123/889"].recipient == Recipient(WANG)

    def test_it_follows_the_profile(self, connection: Connection, vault: Vault) -> None:
        save_profiles(connection, vault, [(WANG, 10), (HOUSEHOLD, 10)])
        moved = replace(WANG, contacts=(ContactPoint("phone", OTHER),), aliases=())
        save_profiles(connection, vault, [(moved, 20)])
        assert find_by_contact(connection, vault.blind("phone", PHONE)) == ["r-li"]
        assert find_by_contact(connection, vault.blind("phone", OTHER)) == ["r-wang"]
        assert load_many(connection, vault, ["12123/889"]) == {}

    def test_more_than_a_statement_asks_for(self, connection: Connection, vault: Vault) -> None:
        aliases = tuple(f"12123/{n}" for n in range(BLINDS_MAX * 2 + 1))
        index(connection, vault, [replace(WANG, aliases=aliases)])
        assert find_by_alias(connection, vault, aliases) == dict.fromkeys(aliases, "r-wang")


class TestLearning:
    def test_it_reaches_all_who_use_the_address(self, connection: Connection, vault: Vault) -> None:
        blind = vault.blind("phone", PHONE).hex()
        save_profiles(connection, vault, [(WANG, 10), (HOUSEHOLD, 10)])
        assert learn(connection, vault, LearnCarrier(blind, "telecom")) == ["r-li", "r-wang"]
        learn(connection, vault, SuppressAddress(blind, "unallocated"))
        for ref in ("r-li", "r-wang"):
            contact = phone_of(connection, vault, ref)
            assert (contact.carrier, contact.suppressed) == ("telecom", "unallocated")

        learn(connection, vault, UnsuppressAddress(blind))
        contact = phone_of(connection, vault)
        assert (contact.carrier, contact.suppressed) == ("telecom", "")

    def test_one_fact_leaves_the_others(self, connection: Connection, vault: Vault) -> None:
        blind = vault.blind("phone", PHONE)
        for fact in (LearnCarrier(blind.hex(), "telecom"), SuppressAddress(blind.hex(), "gone")):
            remember(connection, blind, fact)
        phone = WANG.contacts[0]
        known = replace(phone, carrier="telecom", suppressed="gone")
        assert learned(connection, vault, [WANG, HOUSEHOLD]) == {phone: known}
        remember(connection, blind, UnsuppressAddress(blind.hex()))
        assert learned(connection, vault, [WANG]) == {phone: replace(known, suppressed="")}

    def test_it_survives_a_new_registration(self, connection: Connection, vault: Vault) -> None:
        """And may come first: a receipt does not wait for a profile."""
        blind = vault.blind("phone", PHONE).hex()
        assert learn(connection, vault, SuppressAddress(blind, "unallocated")) == []
        learn(connection, vault, LearnCarrier(blind, "telecom"))
        for at_ms in (10, 20):
            save_profiles(connection, vault, [(WANG, at_ms)])
            contact = phone_of(connection, vault)
            assert (contact.carrier, contact.suppressed) == ("telecom", "unallocated")

    def test_an_address_that_was_taken_out_and_is_brought_back_is_in_use(
        self, connection: Connection, vault: Vault
    ) -> None:
        """For all who have it. Upstream says the same again with every event: that alone is
        nothing."""
        save_profiles(connection, vault, [(WANG, 10), (HOUSEHOLD, 10)])
        learn(connection, vault, SuppressAddress(vault.blind("phone", PHONE).hex(), "unallocated"))
        save_profiles(connection, vault, [(WANG, 20)])
        assert phone_of(connection, vault).suppressed == "unallocated"
        save_profiles(connection, vault, [(replace(WANG, contacts=()), 30)])
        save_profiles(connection, vault, [(WANG, 40)])
        assert phone_of(connection, vault).suppressed == ""
        assert phone_of(connection, vault, "r-li").suppressed == ""
        save_profiles(connection, vault, [(WANG, 50)])
        assert phone_of(connection, vault).suppressed == ""

    def test_whoever_registers_it_first_is_not_whoever_brings_it_back(
        self, connection: Connection, vault: Vault
    ) -> None:
        learn(connection, vault, SuppressAddress(vault.blind("phone", PHONE).hex(), "unallocated"))
        save_profiles(connection, vault, [(WANG, 10)])
        assert phone_of(connection, vault).suppressed == "unallocated"

    def test_what_is_no_blind_index_is_not_kept(self, connection: Connection, vault: Vault) -> None:
        with pytest.raises(ValueError, match="hexadecimal"):
            learn(connection, vault, UnsuppressAddress(PHONE))
        assert connection.execute(address.select()).all() == []


class TestForgetting:
    def test_a_refusal_is_kept_and_what_others_use(
        self, connection: Connection, vault: Vault
    ) -> None:
        phone, mail, own = (
            vault.blind(kind, at)
            for kind, at in (("phone", PHONE), ("email", MAIL), ("phone", OTHER))
        )
        household = replace(HOUSEHOLD, contacts=WANG.contacts[:1])
        contacts = (*WANG.contacts, ContactPoint("phone", OTHER))
        save_profiles(connection, vault, [(replace(WANG, contacts=contacts), 10), (household, 10)])
        for blind in (phone, own):
            learn(connection, vault, LearnCarrier(blind.hex(), "telecom"))
        learn(connection, vault, SuppressAddress(mail.hex(), "complained"))
        erase(connection, vault, "r-wang", 30)
        kept = {row.blind for row in connection.execute(address.select())}
        assert kept == {phone, mail}
