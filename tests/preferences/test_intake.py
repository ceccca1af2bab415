"""From what upstream says to a profile."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from preferences.fault import Fault
from preferences.intake import (
    ATTRIBUTE_MAX,
    PHONE,
    ContactChanged,
    Person,
    RecipientRegistered,
    RecipientRemoved,
    profile_from,
    with_contacts,
)
from preferences.recipient import ContactPerson, ContactPoint, Profile


def read_phone(text: str) -> tuple[str, bool] | None:
    digits = text.replace(" ", "").removeprefix("+86")
    if len(digits) not in (11, 12) or not digits.isdecimal():
        return None
    return f"+86{digits.lstrip('0')}", digits.startswith("0")


WANG = RecipientRegistered(
    ref="r-wang",
    kind="person",
    name=" 王小明 ",
    phones=("138 0013 8000", "059187654321", "+8613800138000"),
    emails=("Wang@Example.CN",),
    push=("token:1",),
    aliases=("12123/889", "12123/889"),
    region="350100",
    language="zh",
    attributes={"vehicle": "car"},
)
INBOX = ContactPoint("inbox", "r-wang")


def faults_of(data: RecipientRegistered) -> list[str]:
    profile = profile_from(data, read_phone)
    assert not isinstance(profile, Profile)
    assert all(fault.expected for fault in profile)
    return [fault.field for fault in profile]


def profile_of(data: RecipientRegistered) -> Profile:
    profile = profile_from(data, read_phone)
    assert isinstance(profile, Profile)
    return profile


def test_a_registration_becomes_a_profile() -> None:
    assert profile_of(WANG) == Profile(
        ref="r-wang",
        kind="person",
        name="王小明",
        contacts=(
            ContactPoint("phone", "+8613800138000"),
            ContactPoint("phone", "+8659187654321", landline=True),
            ContactPoint("email", "Wang@example.cn"),
            ContactPoint("push", "token:1"),
            INBOX,
        ),
        aliases=("12123/889",),
        region="350100",
        zone="Asia/Shanghai",
        language="zh",
        attributes={"vehicle": "car"},
    )


def test_an_enterprise_names_persons_by_role() -> None:
    data = RecipientRegistered("e-1", "enterprise", "化工厂", persons=(Person("filing", "r-wang"),))
    assert profile_of(data).persons == (ContactPerson("filing", "r-wang"),)


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"ref": ""}, "ref"),
        ({"ref": "with space"}, "ref"),
        ({"ref": "nul\0"}, "ref"),
        ({"ref": "r" * 65}, "ref"),
        ({"ref": "35010219900307001X"}, "ref"),
        ({"name": "  "}, "name"),
        ({"name": "two\nlines"}, "name"),
        ({"name": "王" * 101}, "name"),
        ({"phones": ("13800138000", "110")}, "phones[1]"),
        ({"phones": ("13800138000",) * 6}, "phones"),
        ({"emails": ("wang",)}, "emails[0]"),
        ({"emails": ("wang@example.cn\nBcc: all@example.cn",)}, "emails[0]"),
        ({"emails": ("a@b.cn, c@d.cn",)}, "emails[0]"),
        ({"emails": ("nul\0@example.cn",)}, "emails[0]"),
        ({"emails": ("a@\u212ava.cn",)}, "emails[0]"),
        ({"emails": (f"{'a' * 250}@b.cn",)}, "emails[0]"),
        ({"push": ("with space",)}, "push[0]"),
        ({"persons": (Person("filing", "r-li"),)}, "persons"),
        ({"kind": "enterprise", "persons": (Person("Filing!", "r-li"),)}, "persons[0].role"),
        ({"kind": "enterprise", "persons": (Person("filing", ""),)}, "persons[0].ref"),
        ({"kind": "enterprise", "persons": (Person("filing", "r-li"),) * 21}, "persons"),
        ({"aliases": tuple(f"a{i}" for i in range(11))}, "aliases"),
        ({"aliases": ("",)}, "aliases[0]"),
        ({"region": "福建"}, "region"),
        ({"zone": "Asia"}, "zone"),
        ({"zone": "Asia/Nowhere"}, "zone"),
        ({"zone": "../../etc/passwd"}, "zone"),
        ({"zone": ""}, "zone"),
        ({"language": "Chinese (simplified)"}, "language"),
        ({"attributes": {f"a{i}": "" for i in range(21)}}, "attributes"),
        ({"attributes": {"Plate No": "闽A"}}, "attributes"),
        ({"attributes": {"plate": "x" * (ATTRIBUTE_MAX + 1)}}, "attributes.plate"),
    ],
)
def test_a_fault_names_the_field(changed: dict[str, object], field: str) -> None:
    assert faults_of(replace(WANG, **changed)) == [field]


def test_all_faults_are_told_at_once_and_no_value_is_repeated() -> None:
    broken = replace(WANG, phones=("secret",), emails=("secret",), zone="secret")
    assert faults_of(broken) == ["phones[0]", "emails[0]", "zone"]
    assert "secret" not in repr(profile_from(broken, read_phone))


def test_an_enterprise_may_use_a_number_like_an_identity_number() -> None:
    data = RecipientRegistered("350102199003070010", "enterprise", "化工厂")
    assert profile_of(data).ref == "350102199003070010"


def test_contacts_left_out_stay() -> None:
    before = profile_of(WANG)
    after = with_contacts(before, ContactChanged("r-wang", emails=()), read_phone)
    assert isinstance(after, Profile)
    assert [contact.kind for contact in after.contacts] == ["phone", "phone", "push", "inbox"]

    after = with_contacts(before, ContactChanged("r-wang", phones=("13900139000",)), read_phone)
    assert isinstance(after, Profile)
    assert after.contacts[0] == ContactPoint("phone", "+8613900139000")
    assert [contact.kind for contact in after.contacts] == ["phone", "email", "push", "inbox"]
    assert replace(after, contacts=()) == replace(before, contacts=())


def test_what_was_learned_of_an_address_stays() -> None:
    fresh = profile_of(WANG)
    phone, *others = fresh.contacts
    known = replace(phone, carrier="telecom", suppressed="unallocated")
    before = replace(fresh, contacts=(known, *others))
    assert profile_from(WANG, read_phone, before) == before
    same = ContactChanged("r-wang", phones=("13800138000", "059187654321"))
    assert with_contacts(before, same, read_phone) == before


def test_faulty_contacts_change_nothing() -> None:
    data = ContactChanged("r-wang", phones=("13900139000", "110"))
    assert with_contacts(profile_of(WANG), data, read_phone) == (Fault("phones[1]", PHONE),)


@pytest.mark.parametrize(
    "shape", [RecipientRegistered("r", "person", "n"), ContactChanged("r"), RecipientRemoved("r")]
)
def test_shapes_are_closed(shape: msgspec.Struct) -> None:
    plain = msgspec.to_builtins(shape)
    assert msgspec.convert(plain, type(shape)) == shape
    with pytest.raises(msgspec.ValidationError, match="idcard"):
        msgspec.convert({**plain, "idcard": "x"}, type(shape))


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=30), st.text(max_size=10))
def test_whatever_is_said_there_is_an_answer(ref: str, name: str, mail: str, zone: str) -> None:
    data = RecipientRegistered(ref, "person", name, emails=(mail,), zone=zone)
    profile = profile_from(data, read_phone)
    if isinstance(profile, Profile):
        assert profile.ref == ref
        assert not any(c < " " for contact in profile.contacts for c in contact.address)
