"""Numbers and networks, against the library that knows them all."""

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers import PhoneNumberType, carrier

from channels.carriers import (
    CARRIER_OF_PREFIX,
    TEXT_MAX,
    Phone,
    PhoneFault,
    carrier_of,
    mask,
    normalise,
)

NAMES = {
    "China Mobile": "cmcc",
    "China Unicom": "cucc",
    "China Telecom": "ctcc",
    "China Broadnet": "cbn",
}
CORRECTED = ("162", "165", "1349")
"""Prefixes the library calls valid without saying whose they are."""

MOBILE_LIKE = st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True)


@given(MOBILE_LIKE)
def test_a_mobile_number_is_one_where_the_library_says_so(digits: str) -> None:
    number = phonenumbers.parse("+86" + digits)
    is_mobile = phonenumbers.number_type(number) == PhoneNumberType.MOBILE
    phone = normalise(digits)
    assert isinstance(phone, Phone) == is_mobile
    if is_mobile and not digits.startswith(CORRECTED):
        assert phone == Phone(
            "+86" + digits, "mobile", NAMES[carrier.name_for_number(number, "en")]
        )


def test_every_assigned_prefix_has_a_network() -> None:
    """No valid mobile number is left without one."""
    for prefix in range(1300, 2000):
        for middle in ("0", "9"):
            phone = normalise(f"{prefix}{middle * 7}")
            if isinstance(phone, Phone):
                assert phone.carrier, phone


@pytest.mark.parametrize(
    ("prefix", "carrier"), [("162", "ctcc"), ("165", "cmcc"), ("1349", "ctcc")]
)
def test_corrections_to_the_library(prefix: str, carrier: str) -> None:
    assert carrier_of("+86" + prefix.ljust(11, "0")) == carrier


@pytest.mark.parametrize(
    ("address", "carrier"),
    [("+15551230001", "intl"), ("+85251234567", "intl"), ("+8659112345678", ""), ("a@b.cn", "")],
)
def test_numbers_of_elsewhere_are_carried_by_who_goes_there(address: str, carrier: str) -> None:
    assert carrier_of(address) == carrier


def test_prefixes_have_three_to_five_digits() -> None:
    assert {len(prefix) for prefix in CARRIER_OF_PREFIX} <= {3, 4, 5}


@pytest.mark.parametrize(
    "text",
    [
        "13800138000",
        "+8613800138000",
        "8613800138000",
        "008613800138000",
        "+86 138 0013 8000",
        "138-0013-8000",
        "（+86）138 0013 8000",
        "１３８００１３８０００",
    ],
)
def test_people_write_one_number_in_many_ways(text: str) -> None:
    assert normalise(text) == Phone("+8613800138000", "mobile", "cmcc")


@pytest.mark.parametrize(
    ("text", "phone"),
    [
        ("010-62345678", Phone("+861062345678", "landline")),
        ("+86 21 5234 5678", Phone("+862152345678", "landline")),
        ("0591-87654321", Phone("+8659187654321", "landline")),
        ("12123", Phone("12123", "service")),
        ("95588", Phone("95588", "service")),
        ("96110", Phone("96110", "service")),
        ("110", Phone("110", "service")),
        ("10086", Phone("10086", "service")),
        ("106575258192144", Phone("106575258192144", "service")),
        ("400-810-1234", Phone("4008101234", "service")),
        ("+852 6123 4567", Phone("+85261234567", "foreign", "intl")),
        ("001 415 555 2671", Phone("+14155552671", "foreign", "intl")),
    ],
)
def test_other_numbers_are_known_for_what_they_are(text: str, phone: Phone) -> None:
    assert normalise(text) == phone
    assert phone.takes_sms == (phone.kind == "foreign")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" - ", "empty"),
        ("none", "not a number"),
        ("1380013800a", "not a number"),
        ("+0123456789", "not a number"),
        ("138001", "too short"),
        ("+1 23", "too short"),
        ("+1 234567890123456", "too long"),
        ("1" * 20, "too long"),
        ("1 " * TEXT_MAX, "too long"),
        ("14612345678", "data card"),
        ("1064812345678", "data card"),
        ("15412345678", "unassigned"),
    ],
)
def test_what_is_no_number_says_why(text: str, reason: str) -> None:
    assert normalise(text) == PhoneFault(reason)  # type: ignore[arg-type]


@given(st.text(max_size=60))
def test_no_text_breaks_it(text: str) -> None:
    phone = normalise(text)
    if isinstance(phone, Phone):
        assert normalise(phone.number) == phone
        mask(phone.number)


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("+8613800138000", "138****8000"),
        ("13800138000", "138****8000"),
        ("+85261234567", "+85****4567"),
        ("12123", "***23"),
        ("", ""),
    ],
)
def test_a_masked_number_shows_enough_to_recognise_it(number: str, shown: str) -> None:
    assert mask(number) == shown
