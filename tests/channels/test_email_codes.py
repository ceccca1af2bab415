"""What enhanced status codes mean."""

import pytest

from channels.email_codes import CODES, ENHANCED, reaches_nobody


def test_every_row_says_what_it_means_and_from_where() -> None:
    assert all(row.means and row.source for row in CODES.values())


@pytest.mark.parametrize(
    ("code", "nobody"),
    [
        ("5.1.1", True),
        ("5.1.10", True),
        ("5.2.1", True),
        ("5.2.9", True),
        ("5.7.13", True),
        ("5.2.2", False),
        ("5.1.8", False),
        ("5.4.4", False),
        ("5.7.1", False),
        ("5.0.0", False),
        ("5.9.9", False),
        ("4.1.1", False),
        ("550", False),
        ("", False),
    ],
)
def test_what_takes_an_address_out_of_use(code: str, nobody: bool) -> None:
    assert reaches_nobody(code) is nobody


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("5.1.1 (bad destination)", "5.1.1"),
        ("smtp; 550 5.1.10 null MX", "5.1.10"),
        ("550-5.7.26 unauthenticated", "5.7.26"),
        ("host 192.5.1.1 said no", None),
        ("5.1.1.7", None),
        ("15.1.1", None),
        ("3.1.1", None),
    ],
)
def test_codes_are_found_and_addresses_are_none(text: str, code: str | None) -> None:
    found = ENHANCED.search(text)
    assert (found.group() if found else None) == code
