"""Registration: from what upstream says of somebody to a profile, or to what is wrong with it.

The shapes below are the ``data`` of three upstream events, and of the rows of an imported file.
They are closed: a field they do not know is refused by name where events are decoded. A fault
names the field and never repeats its value, which may be personal and may end in a log.
"""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from zoneinfo import ZoneInfo

import msgspec
from msgspec.structs import replace

from preferences.fault import Fault
from preferences.recipient import (
    ContactKind,
    ContactPerson,
    ContactPoint,
    Profile,
    RecipientKind,
)
from preferences.rules import CHINA
from preferences.subscriptions import own_contacts, with_own

REF_MAX = 64

TEXT_MAX = 100
"""Of a name: longer than any registered enterprise's, and a text message still holds it."""

CONTACTS_MAX = 5
"""Of each kind: they are tried one after another, and nobody waits for a sixth."""

EMAIL_MAX = 254
"""What an SMTP envelope carries."""

PUSH_MAX = 4096
"""Push tokens are opaque, and their makers lengthen them now and then."""

PERSONS_MAX = 20
ALIASES_MAX = 10

ATTRIBUTES_MAX = 20
ATTRIBUTE_MAX = 200
"""Attributes choose segments and fill templates; they are not a second case file."""

ReadPhone = Callable[[str], tuple[str, bool] | None]
"""Understands a number as people type it: E.164 and whether it is a fixed line (or another that
takes no text message); None when nobody is reached there. Channels know how."""

PHONE = "the number of a mobile phone or a fixed line; nobody is reached at a service number"


class Person(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who answers for an enterprise in a role (``filing``, ``legal``): another recipient."""

    role: str
    ref: str


class RecipientRegistered(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody may be told things from now on. This is all that is known: it replaces what was."""

    ref: str
    kind: RecipientKind
    name: str
    phones: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    push: tuple[str, ...] = ()
    wechat: tuple[str, ...] = ()
    persons: tuple[Person, ...] = ()
    aliases: tuple[str, ...] = ()
    region: str = ""
    zone: str = CHINA
    language: str = ""
    attributes: dict[str, str] = {}


class ContactChanged(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """New contact points. A kind left out stays as it is; an empty list removes it."""

    ref: str
    phones: tuple[str, ...] | None = None
    emails: tuple[str, ...] | None = None
    push: tuple[str, ...] | None = None
    wechat: tuple[str, ...] | None = None


class RecipientRemoved(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Upstream no longer knows them. Their history stays readable: erasure is another matter."""

    ref: str


def profile_from(
    data: RecipientRegistered, read_phone: ReadPhone, before: Profile | None = None
) -> Profile | tuple[Fault, ...]:
    """The profile that a registration describes, or everything that is wrong with it.

    What was learned of a contact point is kept from the profile ``before``, and so are those that
    their owner added: upstream does not know it. Everybody has an inbox, whose address is the
    reference.
    """
    contacts, faults = _contacts(data, read_phone, before)
    faults = [*_identity_faults(data), *faults, *_relation_faults(data), *_detail_faults(data)]
    if faults:
        return tuple(faults)
    return Profile(
        ref=data.ref,
        kind=data.kind,
        name=data.name.strip(),
        contacts=with_own(
            (*contacts, ContactPoint("inbox", data.ref)),
            own_contacts(before.contacts) if before else (),
        ),
        persons=tuple(ContactPerson(person.role, person.ref) for person in data.persons),
        aliases=tuple(dict.fromkeys(data.aliases)),
        region=data.region,
        zone=data.zone,
        language=data.language,
        attributes=data.attributes,
    )


def with_contacts(
    profile: Profile, data: ContactChanged, read_phone: ReadPhone
) -> Profile | tuple[Fault, ...]:
    """The profile with the contact points that ``data`` changes, or what is wrong with them."""
    contacts, faults = _contacts(data, read_phone, profile)
    if faults:
        return tuple(faults)
    given = {
        "phone": data.phones, "email": data.emails, "push": data.push, "wechat": data.wechat,
    }  # fmt: skip
    stay = [contact for contact in profile.contacts if given.get(contact.kind) is None]
    rank = {"phone": 0, "email": 1, "push": 2, "wechat": 3, "inbox": 4}
    merged = sorted([*contacts, *stay], key=lambda contact: rank[contact.kind])
    return replace(profile, contacts=with_own(tuple(merged), own_contacts(profile.contacts)))


def _contacts(
    data: RecipientRegistered | ContactChanged, read_phone: ReadPhone, before: Profile | None
) -> tuple[list[ContactPoint], list[Fault]]:
    """Contact points in the order given, each once, and the faults among them."""
    known = (
        {(contact.kind, contact.address): contact for contact in before.contacts} if before else {}
    )
    contacts: dict[tuple[ContactKind, str], ContactPoint] = {}
    faults: list[Fault] = []
    for field, given, read, expected in (
        ("phones", data.phones, lambda text: _phone(text, read_phone), PHONE),
        ("emails", data.emails, _email, "an e-mail address, as name@example.cn"),
        ("push", data.push, _push, f"a push token of 1 to {PUSH_MAX} characters, without spaces"),
        ("wechat", data.wechat, _openid, "an openid: letters, digits, - and _, at most 128"),
    ):
        if len(given or ()) > CONTACTS_MAX:
            faults.append(Fault(field, f"at most {CONTACTS_MAX}"))
        for i, text in enumerate(given or ()):
            contact = read(text)
            if contact is None:
                faults.append(Fault(f"{field}[{i}]", expected))
            else:
                place = (contact.kind, contact.address)
                if old := known.get(place):
                    contact = replace(contact, carrier=old.carrier, suppressed=old.suppressed)
                contacts.setdefault(place, contact)
    return list(contacts.values()), faults


def _phone(text: str, read_phone: ReadPhone) -> ContactPoint | None:
    number = read_phone(text)
    return ContactPoint("phone", number[0], landline=number[1]) if number else None


_EMAIL = re.compile(
    r"""([^\s\x00-\x1f\x7f-\x9f@<>()\[\],;:\\"]+)@((?:[A-Za-z0-9-]+\.)+[A-Za-z0-9-]{2,})"""
)


def _email(text: str) -> ContactPoint | None:
    """Nothing that could end a header or begin another address; the domain in small letters."""
    match = _EMAIL.fullmatch(text.strip())
    if match is None or len(match[0]) > EMAIL_MAX:
        return None
    return ContactPoint("email", f"{match[1]}@{match[2].lower()}")


def _openid(text: str) -> ContactPoint | None:
    """What an official account calls one of its followers by; others call them otherwise."""
    return ContactPoint("wechat", text) if re.fullmatch(r"[A-Za-z0-9_-]{1,128}", text) else None


def _push(text: str) -> ContactPoint | None:
    return ContactPoint("push", text) if re.fullmatch(rf"[!-~]{{1,{PUSH_MAX}}}", text) else None


_REF = re.compile(rf"[^\s\x00-\x1f\x7f-\x9f]{{1,{REF_MAX}}}")
_IDENTITY_NUMBER = re.compile(
    r"[1-9]\d{5}(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dXx]"
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_ROLE = re.compile(r"[a-z][a-z0-9_-]{0,29}")
_REGION = re.compile(r"[A-Za-z0-9-]{0,12}")
_LANGUAGE = re.compile(r"(?:[a-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,2})?")


def _identity_faults(data: RecipientRegistered) -> Iterator[Fault]:
    if not _REF.fullmatch(data.ref):
        yield Fault("ref", f"1 to {REF_MAX} characters, without spaces")
    elif data.kind != "enterprise" and _IDENTITY_NUMBER.fullmatch(data.ref):
        # references lie open in every table, key and log
        yield Fault("ref", "an opaque reference, never an identity number")
    if not data.name.strip() or not _plain(data.name, TEXT_MAX):
        yield Fault("name", f"1 to {TEXT_MAX} characters, on one line")


def _relation_faults(data: RecipientRegistered) -> Iterator[Fault]:
    if data.persons and data.kind != "enterprise":
        yield Fault("persons", "contact persons for an enterprise only")
    if len(data.persons) > PERSONS_MAX:
        yield Fault("persons", f"at most {PERSONS_MAX}")
    for i, person in enumerate(data.persons):
        if not _ROLE.fullmatch(person.role):
            yield Fault(f"persons[{i}].role", "a role, as filing or legal")
        if not _REF.fullmatch(person.ref):
            yield Fault(f"persons[{i}].ref", "the reference of a recipient")
    if len(data.aliases) > ALIASES_MAX:
        yield Fault("aliases", f"at most {ALIASES_MAX}")
    for i, alias in enumerate(data.aliases):
        if not _REF.fullmatch(alias):
            yield Fault(f"aliases[{i}]", f"1 to {REF_MAX} characters, without spaces")


def _detail_faults(data: RecipientRegistered) -> Iterator[Fault]:
    if not _REGION.fullmatch(data.region):
        yield Fault("region", "a code of at most 12 letters and digits, as 350100")
    if not _is_zone(data.zone):
        yield Fault("zone", f"a time zone, as {CHINA}")
    if not _LANGUAGE.fullmatch(data.language):
        yield Fault("language", "a language tag, as zh or en")
    if len(data.attributes) > ATTRIBUTES_MAX:
        yield Fault("attributes", f"at most {ATTRIBUTES_MAX}")
    for name, value in data.attributes.items():
        if not _ROLE.fullmatch(name):
            yield Fault("attributes", "names of small letters, digits, _ and -, at most 30")
        elif not _plain(value, ATTRIBUTE_MAX):
            yield Fault(f"attributes.{name}", f"at most {ATTRIBUTE_MAX} characters, on one line")


def _plain(text: str, most: int) -> bool:
    return len(text) <= most and not _CONTROL.search(text)


@lru_cache(1024)  # of texts from outside, so bounded; all real zones are fewer
def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown, not a name at all, a folder of zones
        return False
    return True
