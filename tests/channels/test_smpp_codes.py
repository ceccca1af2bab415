"""The table of statuses."""

import tomllib

from channels.base import Permanent, Throttled, Transient
from channels.smpp_codes import CODES, REFUSALS, TABLE, Verdicts, written


def test_a_row_for_each_status_with_its_source() -> None:
    rows = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    assert len(rows["code"]) == len(CODES)
    assert len(rows["bind"]) == len(REFUSALS)
    assert all(row.source and row.name for row in [*CODES.values(), *REFUSALS.values()])


def test_what_follows_from_a_status() -> None:
    verdicts = Verdicts({})
    assert verdicts.of(0x58) == Throttled("0x58")
    assert verdicts.of(0x08) == Transient("0x08")
    assert verdicts.of(0x0B) == Permanent("0x0b", "recipient")
    assert verdicts.of(0xC1) == Permanent("0xc1", "account")


def test_an_unknown_status_is_kept_as_it_came() -> None:
    assert Verdicts({}).of(0x4A1) == Transient("0x4a1")
    assert written(0x0001_0203) == "0x10203"


def test_a_carriers_own_codes_go_first() -> None:
    verdicts = Verdicts({0x401: "content", 0x08: "throttled"})
    assert verdicts.of(0x401) == Permanent("0x401", "content")
    assert verdicts.of(0x08) == Throttled("0x08")
