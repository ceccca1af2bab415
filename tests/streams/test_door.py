"""What is refused at the door: the field is named, and what was expected in words of the sender."""

import json
import os
from typing import Any

import pytest
from msgspec.structs import replace

from preferences.intake import PHONE
from preferences.recipient import ContactPoint, Profile
from preferences.vault import Keys, Pooled, Vault
from streams.core.codec import Refusal
from streams.door import REGISTERED, Incoming, examine, profile_after
from templates.catalog_files import Catalog, read_catalog
from templates.links import OFFICIAL

CATALOG = read_catalog()
VAULT = Vault(Keys(b"k" * 32, b"i" * 32, kek_id=1), Pooled(os.urandom))
NOW_MS = 1_795_485_600_000

PERSON: dict[str, Any] = {"ref": "P1", "kind": "person", "name": "王丽", "phones": ["13312340001"]}
PAID: dict[str, Any] = {
    "violation_no": "3501020019876543", "plate": "闽A12345", "amount": 20000,
    "paid_at": "2026-11-24T09:40:00+08:00", "receipt_no": "350100261124000001",
}  # fmt: skip


NAME = "a name without line breaks, invisible characters, 【】 or links"
PAID_TYPE = "gov.traffic.violation.paid.v1"


def examined(
    data: dict[str, Any], catalog: Catalog = CATALOG, **envelope: str
) -> Incoming | Refusal:
    event = {
        "specversion": "1.0", "id": "e1", "source": "upstream", "subject": "P1",
        "type": PAID_TYPE, "time": "2026-11-24T10:00:00+08:00",
    }  # fmt: skip
    raw = json.dumps(event | envelope | {"data": data}, ensure_ascii=False).encode()
    return examine(raw, catalog, OFFICIAL, VAULT.digest, NOW_MS)


def profile_of(**changed: Any) -> Profile:
    told = examined(PAID | {"recipient": PERSON | changed})
    assert isinstance(told, Incoming)
    assert told.said is not None
    profile = profile_after(told.said, None)
    assert profile is not None
    return profile


def test_an_event_as_declared_comes_in() -> None:
    assert isinstance(examined(PAID | {"recipient": PERSON}), Incoming)


@pytest.mark.parametrize(
    ("changed", "refused"),
    [
        ({"kind": "dog"}, Refusal("kind", "person or enterprise or officer", "'dog'")),
        ({"phones": "13312340001"}, Refusal("phones", "a list", "text")),
        ({"phones": [13312340001]}, Refusal("phones[0]", "text", "a whole number")),
        ({"ref": "P2"}, Refusal("ref", "the subject 'P1'", "P2")),
        ({"phones": ["13312340001", "13"]}, Refusal("phones[1]", PHONE)),
        ({"name": "王丽\n退订"}, Refusal("name", "1 to 100 characters, on one line")),
        ({"name": "【反诈中心】"}, Refusal("name", NAME)),
        ({"name": "王丽\u2028退订"}, Refusal("name", NAME)),
        ({"name": "王\u200b丽"}, Refusal("name", NAME)),
        ({"name": "王丽 https://evil.example/a"}, Refusal("name", NAME)),
        ({"name": "evil。com"}, Refusal("name", NAME)),
        ({"phones": ["110"]}, Refusal("phones[0]", PHONE)),
        ({"phones": ["95588"]}, Refusal("phones[0]", PHONE)),
        ({"phones": ["400-810-1234"]}, Refusal("phones[0]", PHONE)),
        ({"phones": ["106575258192144"]}, Refusal("phones[0]", PHONE)),
    ],
)
def test_what_is_wrong_with_a_recipient(changed: dict[str, Any], refused: Refusal) -> None:
    told = examined(PAID | {"recipient": PERSON | changed})
    assert isinstance(told, Refusal)
    assert told == refused._replace(field=f"data.recipient.{refused.field}")


def test_a_registration_is_held_to_the_same() -> None:
    told = examined(PERSON | {"name": "【反诈中心】"}, type=REGISTERED)
    assert told == Refusal("data.name", NAME)


@pytest.mark.parametrize(
    "name", ["J.Smith", "Fuzhou Trading Co., Ltd.", "阿依古丽·买买提", "O'Neill"]
)
def test_a_name_that_messages_can_carry_comes_in(name: str) -> None:
    assert profile_of(name=name).name == name


@pytest.mark.parametrize(
    ("phone", "kept", "landline"),
    [
        ("133 1234 0001", "+8613312340001", False),
        ("0591-87654321", "+8659187654321", True),
        ("+14155550100", "+14155550100", False),
    ],
)
def test_a_phone_is_kept_by_its_whole_number(phone: str, kept: str, landline: bool) -> None:
    assert profile_of(phones=[phone]).contacts[0] == ContactPoint("phone", kept, landline=landline)


@pytest.mark.parametrize(
    ("tag", "kept"),
    [("", ""), ("zh", "zh"), ("en", "en"), ("en-GB", "en"), ("zh-Hans-CN", "zh"), ("ug", "")],
)
def test_a_language_is_kept_where_the_hub_speaks_it(tag: str, kept: str) -> None:
    assert profile_of(language=tag).language == kept


def test_what_is_no_language_tag_is_refused() -> None:
    told = examined(PAID | {"recipient": PERSON | {"language": "English"}})
    assert isinstance(told, Refusal)
    assert told.field == "data.recipient.language"


def test_a_recipient_inline_needs_the_subject() -> None:
    told = examined(PAID | {"recipient": PERSON}, subject="")
    assert told == Refusal("subject", "the reference of the recipient in data.recipient")


CLEARED = "gov.traffic.road.cleared.v1"
UNTOLD = Refusal("subject", "the reference of the recipient whom its notice tells")


def notified(to: str, **when: str) -> Catalog:
    """The catalog, where one notice is told of a paid fine."""
    notice = replace(CATALOG.notices["violation-paid"], to=to, when=when)
    return replace(CATALOG, by_trigger={PAID_TYPE: (notice,)})


@pytest.mark.parametrize("to", ["subject", "contacts:filing"])
def test_a_notice_to_the_subject_needs_one(to: str) -> None:
    assert examined(PAID, notified(to), subject="") == UNTOLD
    assert isinstance(examined(PAID, notified(to)), Incoming)


def test_a_recipient_named_in_the_data_is_told_without_a_subject() -> None:
    assert isinstance(examined(PAID, notified("field:receipt_no"), subject=""), Incoming)


def test_an_event_that_matches_no_notice_needs_no_subject() -> None:
    other = notified("subject", plate="闽A00000")
    assert isinstance(examined(PAID, other, subject=""), Incoming)


def test_what_only_settles_a_case_needs_no_subject() -> None:
    over = examined({"warning_no": "W-7"}, type=CLEARED, subject="")
    assert isinstance(over, Incoming)
    assert over.event.correlation == "warning_no=W-7"


def test_a_registration_needs_no_subject_beside_its_reference() -> None:
    assert isinstance(examined(PERSON, type=REGISTERED, subject=""), Incoming)


@pytest.mark.parametrize(
    ("amount", "got"),
    [
        (-1, "a whole number below 0"),
        (10**15, "a whole number of 16 digits"),
        (1.5, "a number with a fraction"),
        (True, "true or false"),
        ({}, "an object"),
        ("200", "text of 3 characters"),
    ],
)
def test_a_value_is_described_and_never_repeated(amount: object, got: str) -> None:
    told = examined(PAID | {"amount": amount})
    assert told == Refusal("data.amount", "an amount in fen, a whole number of at least 0", got)
