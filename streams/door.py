"""The door: what an upstream event must be to come in. The same check for every way in.

HTTP answers with it at once; ``route`` asks again, because a topic can be written by others.
Everything refused names the field and what was expected.
"""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from channels.carriers import Phone, normalise
from preferences.intake import (
    REF_MAX,
    ContactChanged,
    RecipientRegistered,
    RecipientRemoved,
    profile_from,
    with_contacts,
)
from preferences.recipient import Profile
from streams.core import codec
from streams.core.codec import Refusal
from streams.core.events import Event
from streams.core.notices import Upstream, tells_subject, upstream
from streams.core.policy import DAY_MS
from templates.catalog_files import Catalog
from templates.notice import LANGUAGES
from templates.values import INLINE, check_data, is_name

OLDEST_MS = 400 * DAY_MS
NEWEST_MS = 2 * DAY_MS
"""An event from further back or ahead carries a wrong clock, not a fact: it would live in the
wrong month and outlive every expiry."""

RULES = 6
"""Counted up with every change of what is checked here, or of what an event is read as."""

Said = RecipientRegistered | ContactChanged | RecipientRemoved

REGISTERED = "hub.recipient.registered.v1"

INTAKE: dict[str, type[Said]] = {
    REGISTERED: RecipientRegistered,
    "hub.recipient.contact-changed.v1": ContactChanged,
    "hub.recipient.removed.v1": RecipientRemoved,
}
"""The event types the hub itself declares: how recipients come in."""

_REF = re.compile(rf"[^\s\x00-\x1f\x7f-\x9f]{{1,{REF_MAX}}}")


class Incoming(NamedTuple):
    """An event that may come in. ``said`` is what it says about its recipient, if anything;
    ``raw`` the bytes it came in, ``digest`` what makes a second one the same."""

    event: Upstream
    digest: bytes
    raw: bytes
    source: str
    event_id: str
    said: Said | None


def examine(
    raw: bytes,
    catalog: Catalog,
    hosts: frozenset[str],
    digest: Callable[[bytes], bytes],
    now_ms: int,
) -> Incoming | Refusal:
    """Read one structured CloudEvent and check everything that can be checked without state.

    ``hosts`` are those that links in its data may lead to.
    """
    decoded = codec.decode_event(raw)
    if isinstance(decoded, Refusal):
        return decoded
    event, at_ms, _ = decoded
    if not now_ms - OLDEST_MS <= at_ms <= now_ms + NEWEST_MS:
        return Refusal("time", "not more than 400 days ago or 2 days ahead", event.time)
    data = codec.data_of(event)
    if isinstance(data, Refusal):
        return data
    if event.type in INTAKE:
        read: Said | Refusal | None = _own(event, data, hosts)
    else:
        read = _declared(event, data, catalog, hosts)
    if isinstance(read, Refusal):
        return read
    subject = read.ref if read else event.subject
    if subject and not _REF.fullmatch(subject):
        return Refusal("subject", f"a reference of 1 to {REF_MAX} characters, without spaces")
    known = upstream(
        event.source, event.id, event.type, subject, event.region, at_ms, data, catalog
    )
    if not subject and tells_subject(known, catalog):  # it would be taken, and nobody told
        return Refusal("subject", "the reference of the recipient whom its notice tells")
    return Incoming(known, digest(codec.event_words(event)), raw, event.source, event.id, read)


def _own(event: Event, data: dict[str, Any], hosts: frozenset[str]) -> Said | Refusal:
    """Data of one of the hub's own types."""
    said = _said(INTAKE[event.type], data, "data", hosts)
    if isinstance(said, Refusal):
        return said
    if event.subject and event.subject != said.ref:
        return Refusal("subject", f"the recipient's own reference {said.ref!r}", event.subject)
    return said


def _declared(
    event: Event, data: dict[str, Any], catalog: Catalog, hosts: frozenset[str]
) -> Said | Refusal | None:
    """Data of a catalog type: its declared fields, and perhaps the recipient inline."""
    kind = catalog.event_types.get(event.type)
    if kind is None:
        return Refusal("type", "a type the catalog declares", event.type)
    said: Said | None = None
    if INLINE in data:
        read = _said(RecipientRegistered, data.pop(INLINE), f"data.{INLINE}", hosts)
        if isinstance(read, Refusal):
            return read
        if not event.subject:
            return Refusal("subject", f"the reference of the recipient in data.{INLINE}")
        if read.ref != event.subject:
            return Refusal(f"data.{INLINE}.ref", f"the subject {event.subject!r}", read.ref)
        said = read
    faults = check_data(kind, data, hosts)
    if faults:
        return Refusal(f"data.{faults[0].field}", faults[0].expected, faults[0].got)
    return said


def _said(shape: type[Said], data: object, where: str, hosts: frozenset[str]) -> Said | Refusal:
    try:
        said = msgspec.convert(data, shape)
    except msgspec.ValidationError as error:
        return codec.refusal(str(error), where, shape)
    if isinstance(said, RecipientRegistered):
        profile = profile_from(said, read_phone)
        if not isinstance(profile, Profile):
            return Refusal(f"{where}.{profile[0].field}", profile[0].expected)
        if not is_name(profile.name, hosts):
            return Refusal(  # as would be each message that opens with it
                f"{where}.name", "a name without line breaks, invisible characters, 【】 or links"
            )
    elif isinstance(said, ContactChanged):
        blank = Profile(said.ref, "person", "-")
        changed = with_contacts(blank, said, read_phone)
        if not isinstance(changed, Profile):
            return Refusal(f"{where}.{changed[0].field}", changed[0].expected)
    return said


def profile_after(said: Said, before: Profile | None) -> Profile | None:
    """The profile once this was said; None when the recipient is removed, or is not there."""
    if isinstance(said, RecipientRemoved):
        return None
    if isinstance(said, RecipientRegistered):
        known = replace(said, language=spoken(said.language))
        after = profile_from(known, read_phone, before)
    elif before is not None:
        after = with_contacts(before, said, read_phone)
    else:
        return None
    assert isinstance(after, Profile), "examined at the door"
    return after


def spoken(tag: str) -> str:
    """The language of ours that a tag names, ``en`` for ``en-GB``; "" for none: the hub's default.
    What somebody speaks is no reason to refuse them, or the event they came in."""
    language = tag.partition("-")[0]
    return language if language in LANGUAGES else ""


def read_phone(text: str) -> tuple[str, bool] | None:
    """A number as it is kept, and whether it takes no text messages; None when nobody is told
    anything there: it is none, or a service number (110, 95588), which others write from."""
    phone = normalise(text)
    if not isinstance(phone, Phone) or phone.kind == "service":
        return None
    return phone.number, not phone.takes_sms
