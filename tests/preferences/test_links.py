"""Personal links: what they open, for how long, and that nothing else is believed."""

import os
import string
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine

from preferences.links import (
    REFERENCE_CHARS,
    TOKEN_MAX,
    Link,
    Signer,
    Unsubscribe,
    check_unsubscribe,
    find_link,
    link,
    metadata,
    new_reference,
    remove_expired,
    remove_links,
    save_links,
    unsubscribe_token,
)

SIGNER = Signer({3: b"s" * 32}, current=3)
TIPS = Unsubscribe("r-wang", "tips", "email")


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    metadata.create_all(engine)
    with engine.connect() as connection:
        yield connection


def test_a_reference_opens_its_link_until_it_expires(connection: Connection) -> None:
    reference, other = new_reference(os.urandom), new_reference(os.urandom)
    survey = Link("survey", "r-wang", "ab12", 1000)
    save_links(connection, [(reference, survey)])
    save_links(connection, [])
    assert find_link(connection, reference, "survey", 999) == survey
    assert find_link(connection, reference, "survey", 1000) is None
    assert find_link(connection, reference, "inbox", 999) is None
    assert find_link(connection, other, "survey", 999) is None
    assert find_link(connection, "", "survey", 999) is None


def test_the_table_does_not_tell_the_reference(connection: Connection) -> None:
    reference = new_reference(os.urandom)
    save_links(connection, [(reference, Link("survey", "r-wang", "", 1000))])
    assert reference not in repr(connection.execute(link.select()).all())


def test_links_are_cleared_away(connection: Connection) -> None:
    links = [
        (new_reference(os.urandom), Link("inbox", f"r-{i % 2}", "", i * 100)) for i in range(6)
    ]
    save_links(connection, links)
    assert remove_expired(connection, 200) == 3
    assert remove_expired(connection, 200) == 0
    remove_links(connection, "r-1")
    kept = [one.expires_ms for ref, one in links if find_link(connection, ref, "inbox", 0)]
    assert kept == [400]


@given(st.binary(min_size=10, max_size=10), st.binary(min_size=10, max_size=10))
def test_references_are_short_and_each_random_draw_has_its_own(one: bytes, other: bytes) -> None:
    first, second = new_reference(lambda _: one), new_reference(lambda _: other)
    assert len(first) == REFERENCE_CHARS
    assert set(first) <= set(string.ascii_letters + string.digits)
    assert (first == second) == (one == other)


@given(st.lists(st.text(max_size=20), max_size=4).map(tuple), st.integers(1, 2**53))
def test_a_token_says_what_was_signed_until_it_expires(
    values: tuple[str, ...], expires: int
) -> None:
    token = SIGNER.sign("inbox", values, expires)
    assert SIGNER.check("inbox", token, expires - 1) == values
    assert SIGNER.check("inbox", token, expires) is None
    assert SIGNER.check("survey", token, 0) is None


@given(st.integers(0), st.sampled_from(string.ascii_letters + string.digits + "-_"))
def test_a_changed_token_is_not_believed(at: int, character: str) -> None:
    """The last character of base64 may carry bits that mean nothing: the others all count."""
    token = SIGNER.sign("inbox", ("r-wang", "x"), 1000)
    at %= len(token) - 1
    changed = token[:at] + character + token[at + 1 :]
    assert (SIGNER.check("inbox", changed, 0) is None) == (changed != token)


@given(st.text(max_size=60) | st.text("AZaz09-_=", max_size=60))
def test_noise_is_not_believed(token: str) -> None:
    assert SIGNER.check("inbox", token, 0) is None


def test_what_is_too_long_is_not_even_looked_at() -> None:
    token = SIGNER.sign("inbox", ("x" * TOKEN_MAX,), 1000)
    assert SIGNER.check("inbox", token, 0) is None


def test_keys_are_changed_without_breaking_links() -> None:
    old = SIGNER.sign("inbox", ("r-wang",), 1000)
    both = Signer({3: b"s" * 32, 4: b"t" * 32}, current=4)
    assert both.check("inbox", old, 0) == ("r-wang",)
    new = both.sign("inbox", ("r-wang",), 1000)
    assert Signer({4: b"t" * 32}, current=4).check("inbox", new, 0) == ("r-wang",)
    assert Signer({4: b"t" * 32}, current=4).check("inbox", old, 0) is None
    assert Signer({3: b"o" * 32}, current=3).check("inbox", old, 0) is None


@pytest.mark.parametrize(
    ("keys", "current"), [({1: b"short"}, 1), ({1: b"s" * 32}, 2), ({256: b"s" * 32}, 256)]
)
def test_keys_that_cannot_be_are_refused(keys: dict[int, bytes], current: int) -> None:
    with pytest.raises(ValueError, match="key"):
        Signer(keys, current)


def test_unsubscribing_by_one_click() -> None:
    token = unsubscribe_token(SIGNER, TIPS, 1000)
    assert check_unsubscribe(SIGNER, token, 999) == TIPS
    assert check_unsubscribe(SIGNER, token, 1000) is None
    assert check_unsubscribe(SIGNER, SIGNER.sign("inbox", TIPS, 1000), 0) is None
    assert len(token) < 80
