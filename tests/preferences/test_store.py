"""Recipients at rest, on both databases."""

import os
import random
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace as with_
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from sqlalchemy import Connection, Engine, create_engine, update

from preferences.addresses import find_by_contact
from preferences.recipient import Consent, ContactPoint, Preferences, Profile, Recipient
from preferences.store import (
    BATCH_MAX,
    Rewrapped,
    changed_since,
    changes,
    ensure_keys,
    erase,
    keys_of,
    load_many,
    recipient,
    remove,
    rewrap_keys,
    save_preferences,
    save_profiles,
    unopened,
)
from preferences.vault import KekMissing, Keys, SealBroken, Vault
from streams import postgres
from tests.preferences.conftest import KEYS, create_tables

PHONE, MAIL = "+8613800138000", "wang@example.cn"
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
    region="350100",
)
CHOSEN = Preferences(version=1, off=("tips/sms",), consents=(Consent("survey", True, 5, "form"),))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "recipients.db"


@pytest.fixture
def on_file(file: Path) -> Iterator[Connection]:
    """What is written lies in this one file: it is read byte by byte."""
    engine = create_engine(f"sqlite:///{file}")
    create_tables(engine)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def loaded(connection: Connection, vault: Vault, ref: str = "r-wang") -> Recipient | None:
    return load_many(connection, vault, [ref])[ref].recipient


def test_what_is_saved_is_loaded(connection: Connection, vault: Vault) -> None:
    assert save_profiles(connection, vault, [(WANG, 10)]) == []
    assert loaded(connection, vault) == Recipient(WANG)
    assert save_preferences(connection, vault, "r-wang", CHOSEN)
    assert loaded(connection, vault) == Recipient(WANG, CHOSEN)


def test_nothing_personal_lies_open_in_the_file(
    on_file: Connection, vault: Vault, file: Path
) -> None:
    save_profiles(on_file, vault, [(WANG, 10)])
    save_preferences(on_file, vault, "r-wang", CHOSEN)
    on_file.commit()
    stored = file.read_bytes()
    assert b"r-wang" in stored
    for open_text in ("王小明", PHONE, PHONE[3:], MAIL, "12123/889", "survey", "350100"):
        assert open_text.encode() not in stored


def test_unknown_references_are_absent(connection: Connection, vault: Vault) -> None:
    assert load_many(connection, vault, ["r-nobody", "with\0nul", ""]) == {}
    assert load_many(connection, vault, []) == {}


def test_what_changed_since_it_was_read_is_told(connection: Connection, vault: Vault) -> None:
    save_profiles(connection, vault, [(WANG, 5)])
    read = {"r-wang": (0, 5), "r-unknown": (0, 0)}
    assert changed_since(connection, read) == {"r-unknown"}
    save_preferences(connection, vault, "r-wang", CHOSEN)
    assert changed_since(connection, {"r-wang": (0, 5)}) == {"r-wang"}
    assert changed_since(connection, {"r-wang": (1, 5)}) == set()
    save_profiles(connection, vault, [(WANG, 6)])
    assert changed_since(connection, {"r-wang": (1, 5)}) == {"r-wang"}
    erase(connection, vault, "r-wang", 7)
    assert changed_since(connection, {"r-wang": (1, 6)}) == {"r-wang"}


def test_a_batch_larger_than_a_statement(connection: Connection, vault: Vault) -> None:
    refs = [f"r-{i}" for i in range(BATCH_MAX * 2 + 1)]
    save_profiles(connection, vault, [(Profile(ref, "person", ref), 1) for ref in refs])
    found = load_many(connection, vault, [*refs, *refs])
    assert [found[ref].recipient for ref in refs] == [
        Recipient(Profile(ref, "person", ref)) for ref in refs
    ]


def test_a_key_comes_before_the_profile(connection: Connection, vault: Vault) -> None:
    sealed = ensure_keys(connection, vault, ["r-wang"])["r-wang"].seal(b"plate", b"")
    before = load_many(connection, vault, ["r-wang"])["r-wang"]
    assert before.recipient is None
    assert before.key
    assert before.key.open(sealed, b"") == b"plate"

    save_profiles(connection, vault, [(WANG, 10)])
    after = load_many(connection, vault, ["r-wang"])["r-wang"]
    assert after.recipient == Recipient(WANG)
    assert vault.unwrap("r-wang", after.wrapped_key).open(sealed, b"") == b"plate"


def test_choices_come_before_the_profile(connection: Connection, vault: Vault) -> None:
    assert save_preferences(connection, vault, "r-wang", CHOSEN)
    assert load_many(connection, vault, ["r-wang"])["r-wang"].preferences == CHOSEN
    save_profiles(connection, vault, [(WANG, 10)])
    assert loaded(connection, vault) == Recipient(WANG, CHOSEN)


def test_preferences_only_move_forward(connection: Connection, vault: Vault) -> None:
    assert save_preferences(connection, vault, "r-wang", replace(CHOSEN, version=3))
    assert not save_preferences(connection, vault, "r-wang", replace(CHOSEN, version=3))
    assert not save_preferences(connection, vault, "r-wang", CHOSEN)
    assert load_many(connection, vault, ["r-wang"])["r-wang"].preferences.version == 3


def test_an_older_event_does_not_replace_a_newer(connection: Connection, vault: Vault) -> None:
    newer = replace(WANG, name="王大明")
    assert save_profiles(connection, vault, [(newer, 20), (WANG, 10)]) == []
    assert loaded(connection, vault) == Recipient(newer)
    assert save_profiles(connection, vault, [(WANG, 19)]) == ["r-wang"]
    assert not remove(connection, vault, "r-wang", 19)
    assert loaded(connection, vault) == Recipient(newer)


def test_removal_keeps_the_key_and_the_choices(connection: Connection, vault: Vault) -> None:
    save_profiles(connection, vault, [(WANG, 10)])
    save_preferences(connection, vault, "r-wang", CHOSEN)
    key = load_many(connection, vault, ["r-wang"])["r-wang"].key
    assert key
    assert remove(connection, vault, "r-wang", 20)
    left = load_many(connection, vault, ["r-wang", "12123/889"])
    assert set(left) == {"r-wang"}
    assert (left["r-wang"].recipient, left["r-wang"].preferences) == (None, CHOSEN)
    assert left["r-wang"].key
    assert left["r-wang"].key.open(key.seal(b"x", b""), b"") == b"x"
    assert find_by_contact(connection, vault.blind("phone", PHONE)) == []


def test_a_removal_may_overtake_the_registration(connection: Connection, vault: Vault) -> None:
    assert remove(connection, vault, "r-wang", 20)
    assert save_profiles(connection, vault, [(WANG, 10)]) == ["r-wang"]
    assert loaded(connection, vault) is None


def test_an_erased_key_is_in_the_file_no_more(
    on_file: Connection, vault: Vault, file: Path
) -> None:
    save_profiles(on_file, vault, [(WANG, 10)])
    wrapped = load_many(on_file, vault, ["r-wang"])["r-wang"].wrapped_key
    on_file.commit()
    assert wrapped in file.read_bytes()
    erase(on_file, vault, "r-wang", 30)
    on_file.commit()
    assert wrapped not in file.read_bytes()


def test_erasing_destroys_the_key_and_what_hangs_on_it(
    connection: Connection, vault: Vault
) -> None:
    save_profiles(connection, vault, [(WANG, 10)])
    save_preferences(connection, vault, "r-wang", CHOSEN)
    erase(connection, vault, "r-wang", 30)
    left = load_many(connection, vault, ["r-wang"])["r-wang"]
    assert (left.recipient, left.key, left.wrapped_key, left.erased_ms) == (None, None, b"", 30)
    assert not left.damaged
    assert find_by_contact(connection, vault.blind("email", MAIL)) == []
    assert ensure_keys(connection, vault, ["r-wang"]) == {}
    assert not save_preferences(connection, vault, "r-wang", CHOSEN)


def test_a_later_registration_after_erasure_is_a_new_person(
    connection: Connection, vault: Vault
) -> None:
    old = ensure_keys(connection, vault, ["r-wang"])["r-wang"]
    erase(connection, vault, "r-wang", 30)
    assert save_profiles(connection, vault, [(WANG, 30)]) == ["r-wang"]
    assert save_profiles(connection, vault, [(WANG, 31)]) == []
    again = load_many(connection, vault, ["r-wang"])["r-wang"]
    assert again.recipient == Recipient(WANG)
    assert again.key
    with pytest.raises(Exception, match="does not fit"):
        again.key.open(old.seal(b"x", b""), b"")
    assert save_preferences(connection, vault, "r-wang", CHOSEN)


@pytest.mark.parametrize("column", ["wrapped_key", "profile", "preferences"])
def test_a_damaged_row_harms_only_itself(connection: Connection, vault: Vault, column: str) -> None:
    other = Profile("r-li", "person", "李")
    save_profiles(connection, vault, [(WANG, 10), (other, 10)])
    save_preferences(connection, vault, "r-wang", CHOSEN)
    broken = update(recipient).where(recipient.c.ref == "r-wang")
    connection.execute(broken.values({column: b"\x01\x00\x01" + b"?" * 60}))
    found = load_many(connection, vault, ["r-wang", "r-li"])
    assert found["r-wang"].damaged
    assert (found["r-wang"].recipient, found["r-wang"].key) == (None, None)
    assert found["r-li"].recipient == Recipient(other)


def test_what_has_a_damaged_key_is_passed_over(connection: Connection, vault: Vault) -> None:
    """Giving it another would make all that was sealed for it unreadable for good."""
    save_profiles(connection, vault, [(WANG, 10)])
    connection.execute(update(recipient).values(wrapped_key=b"\x01\x00\x01" + b"?" * 60))
    assert save_profiles(connection, vault, [(WANG, 20)]) == ["r-wang"]
    assert ensure_keys(connection, vault, ["r-wang"]) == {}
    anew = Keys(b"n" * 32, KEYS.index_key, kek_id=2, retired={1: KEYS.kek})
    rewrapped = rewrap_keys(connection, Vault(anew, os.urandom))
    assert rewrapped == Rewrapped("r-wang", moved=0, damaged=1)


def test_rotating_the_key_encryption_key(connection: Connection, vault: Vault) -> None:
    refs = [f"r-{i:05}" for i in range(BATCH_MAX + 1)]
    profiles = [Profile(ref, "person", ref) for ref in refs]
    save_profiles(connection, vault, [(profile, 1) for profile in profiles])
    erase(connection, vault, refs[0], 2)
    rotated = Keys(b"n" * 32, KEYS.index_key, kek_id=2)
    only_new = Vault(rotated, os.urandom)
    with pytest.raises(KekMissing):
        load_many(connection, only_new, refs)

    both = Vault(with_(rotated, retired={1: KEYS.kek}), os.urandom)
    first = rewrap_keys(connection, both)
    second = rewrap_keys(connection, both, first.last)
    assert [first, second] == [Rewrapped(refs[-1], BATCH_MAX), Rewrapped()]
    assert rewrap_keys(connection, only_new) == Rewrapped(refs[-1], moved=0)
    found = load_many(connection, only_new, refs)
    assert [found[ref].recipient for ref in refs[1:]] == [Recipient(p) for p in profiles[1:]]
    assert found[refs[0]].erased_ms == 2


def test_keys_that_open_nothing_are_the_wrong_ones(connection: Connection, vault: Vault) -> None:
    other = Vault(with_(KEYS, kek=b"o" * 32), os.urandom)
    another = Vault(with_(KEYS, kek_id=7), os.urandom)
    assert unopened(connection, other) is None, "nobody is there yet"
    save_profiles(connection, vault, [(replace(WANG, ref=f"r-{i}"), 1) for i in range(3)])
    assert unopened(connection, vault) is None
    assert isinstance(unopened(connection, other), SealBroken)
    assert isinstance(unopened(connection, another), KekMissing)
    connection.execute(
        update(recipient).where(recipient.c.ref == "r-0").values(wrapped_key=b"\x01\x00\x01?")
    )
    assert unopened(connection, vault) is None, "one is damaged, not all"


@pytest.mark.cluster
class TestSeveralProcesses:
    """On PostgreSQL others write at the same moment."""

    @pytest.fixture
    def pool(self, database: str) -> Iterator[Engine]:
        engine = postgres.engine(database, connections=4)
        create_tables(engine)
        yield engine
        engine.dispose()

    def test_a_stranger_is_given_one_key(self, pool: Engine, vault: Vault) -> None:
        refs = [f"r-{n}" for n in range(60)]

        def keys(seed: int) -> dict[str, bytes]:
            mine = random.Random(seed).sample(refs, 50)
            with pool.begin() as connection:
                ensure_keys(connection, vault, mine)
                return {r: x.wrapped_key for r, x in load_many(connection, vault, mine).items()}

        together = at_once(keys, range(8))
        for ref in refs:
            assert len({given[ref] for given in together if ref in given}) == 1

    def test_no_choice_is_lost_and_each_is_counted(self, pool: Engine, vault: Vault) -> None:
        def choose(version: int) -> bool:
            with pool.begin() as connection:
                return save_preferences(connection, vault, "r-wang", Preferences(version=version))

        kept = at_once(choose, range(1, 21))
        with pool.connect() as connection:
            found = load_many(connection, vault, ["r-wang"])["r-wang"]
            assert found.preferences.version == 20
            assert changes(connection) == sum(kept)

    def test_profiles_in_any_order_wait_for_each_other(self, pool: Engine, vault: Vault) -> None:
        def register(seed: int) -> list[str]:
            numbers = random.Random(seed).sample(range(40), 30)
            profiles = [
                (Profile(f"r-{n}", "person", "李", contacts=WANG.contacts[:1]), seed)
                for n in numbers
            ]
            with pool.begin() as connection:
                return save_profiles(connection, vault, profiles)

        at_once(register, range(1, 13))
        with pool.connect() as connection:
            found = load_many(connection, vault, [f"r-{n}" for n in range(40)])
            assert all(one.recipient for one in found.values())
            assert len(find_by_contact(connection, vault.blind("phone", PHONE))) == len(found)


Answered = TypeVar("Answered")


def at_once(call: Callable[[int], Answered], numbers: Iterable[int]) -> list[Answered]:
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(call, numbers))


TEXT = st.text(max_size=20)
CONTACTS = st.builds(ContactPoint, st.sampled_from(["phone", "email", "push", "inbox"]), TEXT)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    st.builds(
        Profile,
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20),
        st.sampled_from(["person", "enterprise", "officer"]),
        TEXT,
        contacts=st.lists(CONTACTS, max_size=3).map(tuple),
        aliases=st.lists(TEXT, max_size=3).map(tuple),
        attributes=st.dictionaries(TEXT, TEXT, max_size=3),
    )
)
def test_any_profile_comes_back(connection: Connection, vault: Vault, profile: Profile) -> None:
    save_profiles(connection, vault, [(profile, 10)])
    assert load_many(connection, vault, [profile.ref])[profile.ref].recipient == Recipient(profile)


def test_keys_alone_open_what_was_sealed_and_say_when_something_changed(
    connection: Connection, vault: Vault
) -> None:
    save_profiles(connection, vault, [(WANG, 7)])
    [held] = keys_of(connection, vault, ["r-wang", "r-nobody"]).values()
    sealed = load_many(connection, vault, ["r-wang"])["r-wang"].key.seal(b"words", b"leg")  # type: ignore[union-attr]  # it is there
    assert held.key.open(sealed, b"leg") == b"words"
    assert (held.ref, held.chosen, held.profile_ms) == ("r-wang", 0, 7)
    save_preferences(connection, vault, "r-wang", CHOSEN)
    assert keys_of(connection, vault, ["r-wang"])["r-wang"].chosen == 1
    erase(connection, vault, "r-wang", 9)
    assert keys_of(connection, vault, ["r-wang"]) == {}
