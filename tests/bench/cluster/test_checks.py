"""What is not as it must be is said in a sentence."""

import pytest

from bench.cluster.checks import Checked
from bench.smpp_peer import Counts


def checked(gateway: Counts | None) -> Checked:
    return Checked(
        events=4, archived=4, quarantined=0, legs=4, projections_equal=True, faults=[],
        sent_twice=0, parts=6, gateway=gateway, seconds={},
    )  # fmt: skip


@pytest.mark.parametrize("gateway", [None, Counts(taken=6, acknowledged=6)])
def test_nothing_is_wrong(gateway: Counts | None) -> None:
    assert checked(gateway).wrong() == []


@pytest.mark.parametrize(
    ("gateway", "sentence"),
    [
        (Counts(7, 7), "the gateway took 7 parts, the journal holds 6 as accepted"),
        (Counts(5, 5), "the gateway took 5 parts, the journal holds 6 as accepted"),
        (Counts(6, 5), "of 6 receipts the hub acknowledged 5"),
    ],
)
def test_the_gateway_counts_what_the_journal_holds(gateway: Counts, sentence: str) -> None:
    assert checked(gateway).wrong() == [sentence]
