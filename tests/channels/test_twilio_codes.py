"""What Twilio's refusals mean."""

import pytest

from channels.base import Outcome, Permanent, Throttled, Transient, Unknown
from channels.twilio_codes import CODES, judge, reaches_nobody


@pytest.mark.parametrize(
    ("status", "code", "outcome"),
    [
        (429, 20429, Throttled("20429")),
        (429, 429, Throttled("429")),
        (400, 21611, Throttled("21611")),
        (400, 30001, Transient("30001")),
        (400, 21211, Permanent("21211", "recipient")),
        (400, 21610, Permanent("21610", "recipient")),
        (400, 21617, Permanent("21617", "content")),
        (400, 21606, Permanent("21606", "sender")),
        (400, 21408, Permanent("21408", "lane")),
        (401, 20003, Permanent("20003", "account")),
        (401, 401, Permanent("401", "account")),
        (403, 12345, Permanent("12345", "account")),
        (400, 99999, Transient("99999")),
        (500, 21211, Unknown("HTTP 500")),
        (504, 504, Unknown("HTTP 504")),
        (302, 302, Unknown("HTTP 302")),
    ],
)
def test_what_follows_from_a_refusal(status: int, code: int, outcome: Outcome) -> None:
    assert judge(status, code) == outcome


def test_every_row_says_what_it_means_and_from_where() -> None:
    assert all(row.means and row.source for row in CODES.values())
    assert sorted(CODES) == list(CODES), "the table is kept in the order of its codes"


@pytest.mark.parametrize(
    ("code", "nobody"), [("30005", True), ("30003", False), ("", False), ("busy", False)]
)
def test_a_number_that_reaches_nobody(code: str, nobody: bool) -> None:
    assert reaches_nobody(code) is nobody
