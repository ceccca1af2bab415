"""Addresses that mail comes back to: who may write to them, and what they say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.email_mime import is_address
from channels.email_returns import LOCAL_MAX, OWN_MAX, Purpose, Returns, fault_of

KEY = bytes(range(32))
RETURNS = Returns("mail@hub.example", KEY)
ATTEMPT = "0123456789abcdef" * 2 + ":7"


@given(st.binary(min_size=16, max_size=16), st.integers(1, 2**24 - 1))
def test_what_is_made_is_read(stream: bytes, version: int) -> None:
    attempt = f"{stream.hex()}:{version}"
    for purpose in ("bounce", "reply"):
        address = RETURNS.address_of(purpose, attempt)
        assert is_address(address)
        assert len(address.partition("@")[0]) <= LOCAL_MAX
        assert RETURNS.attempt_of(purpose, address) == attempt


def test_the_longest_name_fits() -> None:
    address = Returns("m" * OWN_MAX + "@hub.example", KEY).address_of("bounce", ATTEMPT)
    assert len(address.partition("@")[0]) <= LOCAL_MAX


def test_servers_may_write_it_large_and_put_it_anywhere() -> None:
    address = RETURNS.address_of("bounce", ATTEMPT)
    for text in (address.upper(), f"<{address}>", f"rfc822;{address}", f"x@y.cn, {address}"):
        assert RETURNS.attempt_of("bounce", text) == ATTEMPT


@given(st.integers(0, 47), st.sampled_from("abcdefghijklmnopqrstuvwxyz234567"))
def test_one_letter_changed_is_nobodys(place: int, letter: str) -> None:
    address = RETURNS.address_of("bounce", ATTEMPT)
    start = len("mail+") + place
    changed = address[:start] + letter + address[start + 1 :]
    assert (RETURNS.attempt_of("bounce", changed) == ATTEMPT) == (changed == address)


@pytest.mark.parametrize(("made", "asked"), [("bounce", "reply"), ("reply", "bounce")])
def test_what_everybody_sees_in_a_reply_reports_nothing(made: Purpose, asked: Purpose) -> None:
    """The address to reply to stands in every forwarded mail: it must not make a bounce."""
    address = RETURNS.address_of(made, ATTEMPT)
    assert RETURNS.attempt_of(asked, address) == ""


def test_another_hubs_address_is_not_ours() -> None:
    others = Returns("mail@hub.example", bytes(32)).address_of("bounce", ATTEMPT)
    elsewhere = Returns("mail@hub.example.cn", KEY).address_of("bounce", ATTEMPT)
    longer = "e" + RETURNS.address_of("bounce", ATTEMPT)
    for address in (others, elsewhere, longer, "mail@hub.example", ""):
        assert RETURNS.attempt_of("bounce", address) == ""


@pytest.mark.parametrize(
    "address", ["", "mail", "@hub.example", "m" * 16 + "@hub.example", "a b@x.cn", "a+b@x.cn"]
)
def test_an_address_that_cannot_be_used_is_named(address: str) -> None:
    assert "an address as mail@hub.example" in fault_of(address)
    with pytest.raises(ValueError, match="an address as"):
        Returns(address, KEY)


def test_no_key_is_shown() -> None:
    assert "\\x" not in repr(RETURNS)
