"""The tables of results and of words in reports."""

import tomllib

import pytest

from channels.base import Permanent, Throttled, Transient
from channels.cmpp_codes import CODES, REFUSALS, STATS, TABLE, Verdicts, status_of


def test_a_row_for_each_with_its_source() -> None:
    rows = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    assert len(rows["result"]) == len(CODES)
    assert len(rows["connect"]) == len(REFUSALS)
    assert len(rows["stat"]) == len(STATS)
    assert all(row["source"] for kind in rows.values() for row in kind)


def test_what_follows_from_a_result() -> None:
    verdicts = Verdicts({})
    assert verdicts.of(8) == Throttled("8")
    assert verdicts.of(9) == Permanent("9", "lane")
    assert verdicts.of(10) == Permanent("10", "sender")
    assert verdicts.of(13) == Permanent("13", "recipient")
    assert verdicts.of(69) == Permanent("69", "recipient")


def test_every_result_of_the_specification_is_known() -> None:
    assert set(range(1, 14)) <= set(CODES)


def test_an_unknown_result_is_kept_as_it_came() -> None:
    assert Verdicts({}).of(117) == Transient("117")


def test_a_carriers_own_codes_go_first() -> None:
    verdicts = Verdicts({117: "content", 8: "transient"})
    assert verdicts.of(117) == Permanent("117", "content")
    assert verdicts.of(8) == Transient("8")


@pytest.mark.parametrize(
    ("stat", "status"),
    [
        ("DELIVRD", "delivered"),
        ("EXPIRED", "expired"),
        ("REJECTD", "rejected"),
        ("MK:0001", "undelivered"),
        ("MB:1042", "rejected"),
        ("MC:0055", "expired"),
        ("BLACK", "undelivered"),
        ("ACCEPTD", None),
        ("UNKNOWN", None),
        ("", None),
    ],
)
def test_what_a_report_proves(stat: str, status: str | None) -> None:
    assert status_of(stat) == status
