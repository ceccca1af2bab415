"""What the door read rides with the event, and counts only under the rules it was read by."""

import json
import os
from typing import Any

import pytest
from msgspec.structs import replace

from preferences.vault import Keys, Pooled, SealBroken, Vault
from streams.core.codec import Refusal
from streams.door import Incoming, examine
from streams.event_record import open_event, rules_of, seal_event
from templates.catalog_files import read_catalog
from templates.links import OFFICIAL

CATALOG = read_catalog()
VAULT = Vault(Keys(b"k" * 32, b"i" * 32, kek_id=1), Pooled(os.urandom))
RULES = rules_of(CATALOG, OFFICIAL)
NOW_MS = 1_795_485_600_000

PAID: dict[str, Any] = {
    "violation_no": "3501020019876543", "plate": "闽A12345", "amount": 20000,
    "paid_at": "2026-11-24T09:40:00+08:00", "receipt_no": "350100261124000001",
}  # fmt: skip
REGISTERED = {"ref": "P1", "kind": "person", "name": "王丽", "phones": ["13312340001"]}


def read(data: dict[str, Any]) -> Incoming:
    event = {
        "specversion": "1.0", "id": "e1", "source": "upstream", "subject": "P1",
        "type": "gov.traffic.violation.paid.v1", "time": "2026-11-24T10:00:00+08:00", "data": data,
    }  # fmt: skip
    raw = json.dumps(event, ensure_ascii=False).encode()
    one = examine(raw, CATALOG, OFFICIAL, VAULT.digest, NOW_MS)
    assert not isinstance(one, Refusal)
    return one


def test_what_was_read_comes_back_as_it_would_be_read_again() -> None:
    one = read(PAID)
    assert open_event(VAULT.hub, seal_event(VAULT.hub, one, RULES), RULES) == (one.raw, one)


def test_under_other_rules_only_the_event_s_own_bytes_count() -> None:
    one = read(PAID)
    other = rules_of(CATALOG, OFFICIAL | {"example.gov.cn"})
    assert other != RULES
    assert open_event(VAULT.hub, seal_event(VAULT.hub, one, RULES), other) == (one.raw, None)


def test_whom_a_notice_tells_is_one_of_the_rules() -> None:
    paid = CATALOG.notices["violation-paid"]
    elsewhere = replace(paid, to="field:receipt_no")
    other = replace(CATALOG, notices=CATALOG.notices | {paid.id: elsewhere})
    assert rules_of(other, OFFICIAL) != RULES


def test_what_an_event_says_about_its_recipient_is_read_again() -> None:
    one = read(PAID | {"recipient": REGISTERED})
    assert one.said is not None
    assert open_event(VAULT.hub, seal_event(VAULT.hub, one, RULES), RULES) == (one.raw, None)


def test_an_event_alone_can_be_sealed_too() -> None:
    one = read(PAID)
    sealed = VAULT.hub.seal(one.raw, b"events")
    assert open_event(VAULT.hub, sealed, RULES) == (one.raw, None)


def test_nobody_else_can_say_what_was_read() -> None:
    stranger = Vault(Keys(b"k" * 32, b"x" * 32, kek_id=1), Pooled(os.urandom))
    with pytest.raises(SealBroken):
        open_event(VAULT.hub, seal_event(stranger.hub, read(PAID), RULES), RULES)
