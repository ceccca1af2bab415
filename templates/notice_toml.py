"""The two declarations of a catalog, read from text: ``notice.toml`` and ``senders.toml``. Pure.

Their format is described in ``docs/guides/editors.md``.
"""

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, NamedTuple, TypeVar

import msgspec

from templates.bodies import BUILTIN
from templates.errors import CatalogRefused
from templates.misread import misread, name_entry
from templates.notice import (
    LANGUAGES,
    ChannelName,
    Escalation,
    EventType,
    Notice,
    NoticeClass,
    Occasion,
    Sender,
    Variable,
)

MINUTE_MS = 60_000
MAX_EXPIRY_MS = 90 * 24 * 60 * MINUTE_MS  # topics keep their records longer than any expiry
MAX_OCCASION_DAYS = 400  # a yearly duty may be announced a year ahead

_ID = re.compile("[a-z][a-z0-9]*(-[a-z0-9]+)*")
_TYPE = re.compile(r"[a-z][a-z0-9-]*(\.[a-z0-9-]+)+\.v[0-9]+")
_FIELD = re.compile("[a-z][a-z0-9_]*")
_DURATION = re.compile("([0-9]+)(m|h|d)")
_OCCASION = re.compile(r"T([+-])([0-9]+)")
_TIME = re.compile("([01][0-9]|2[0-3]):([0-5][0-9])")
_TO = re.compile("subject|(contacts|field):([a-z][a-z0-9_]*)")
_SIGNATURE = re.compile("【[^【】\\s]{2,16}】")
_EVENT_AT = re.compile(r"event\[([0-9]+)\]")
_UNIT_MINUTES = {"m": 1, "h": 60, "d": 24 * 60}


class Declaration(NamedTuple):
    """What one ``notice.toml`` says: the notice, and every event type it names."""

    notice: Notice
    events: dict[str, EventType]

    @property
    def variables(self) -> dict[str, Variable]:
        """The variables a body may use; optional when not every trigger has them."""
        return variables_of(self.notice, self.events)


def variables_of(notice: Notice, events: Mapping[str, EventType]) -> dict[str, Variable]:
    """The variables of the events that trigger ``notice``; ``events`` are types by name."""
    triggers = [events[name].data for name in notice.triggers]
    found: dict[str, Variable] = {}
    for data in triggers:
        for name, variable in data.items():
            everywhere = all(name in other and other[name].required for other in triggers)
            found.setdefault(name, msgspec.structs.replace(variable, required=everywhere))
    return found


class _EscalationEntry(msgspec.Struct, forbid_unknown_fields=True):
    after: str
    to: tuple[ChannelName, ...]


class _NoticeEntry(msgspec.Struct, forbid_unknown_fields=True, rename={"cls": "class"}):
    cls: NoticeClass
    category: str
    title: dict[str, str]
    sender: str
    channels: tuple[ChannelName, ...]
    expiry: str
    service: str
    to: str = "subject"
    when: dict[str, str] = {}
    family: str = ""
    supersedes: bool = False
    quiet: bool = True
    consent: bool = False
    due: str = ""
    occasions: tuple[str, ...] = ()
    at: str = "09:00"
    escalation: _EscalationEntry | None = None
    max_segments: int = 3
    sender_field: str = ""
    contact_field: str = ""


class _EventEntry(msgspec.Struct, forbid_unknown_fields=True):
    type: str
    role: Literal["trigger", "stop"]
    correlation: str = ""
    doc: str = ""
    data: dict[str, Variable] = {}


class _NoticeFile(msgspec.Struct, forbid_unknown_fields=True):
    notice: _NoticeEntry
    event: tuple[_EventEntry, ...]


class _SenderEntry(msgspec.Struct, forbid_unknown_fields=True):
    signature: str
    name: dict[str, str]
    email: str
    short_number: str


def parse_notice(notice_id: str, text: str) -> Declaration:
    """One ``notice.toml``; raises :class:`CatalogRefused` with file and key."""
    file = f"{notice_id}/notice.toml"
    _require(_ID.fullmatch(notice_id), file, "", "a notice id is words-joined-by-hyphens")
    content = _decode(text, _NoticeFile, file)
    entry = content.notice
    events = {event.type: _event_type(event, file) for event in content.event}
    for event, times in Counter(event.type for event in content.event).items():
        _require(times == 1, file, f"event {event}", "is declared twice")
    notice = Notice(
        id=notice_id,
        cls=entry.cls,
        category=entry.category,
        title=entry.title,
        sender=entry.sender,
        triggers=_types(content.event, "trigger"),
        stops=_types(content.event, "stop"),
        channels=entry.channels,
        expiry_ms=_duration(entry.expiry, file, "notice.expiry"),
        when=entry.when,
        to=entry.to,
        family=entry.family,
        supersedes=entry.supersedes,
        quiet=entry.quiet,
        consent=entry.consent,
        due_field=entry.due,
        occasions=tuple(_occasion(label, entry.at, file) for label in entry.occasions),
        escalation=_escalation(entry.escalation, file),
        max_segments=entry.max_segments,
        service=entry.service,
        sender_field=entry.sender_field,
        contact_field=entry.contact_field,
    )
    _check_notice(notice, file)
    _check_against_events(notice, events, file)
    return Declaration(notice, events)


def parse_senders(text: str) -> dict[str, Sender]:
    """``senders.toml``: one table a sender; raises :class:`CatalogRefused`."""
    file = "senders.toml"
    senders = {}
    for name, entry in _decode(text, dict[str, _SenderEntry], file).items():
        _require(
            _SIGNATURE.fullmatch(entry.signature),
            file,
            f"{name}.signature",
            "is 【2 to 16 characters】",
        )
        _require_languages(entry.name, file, f"{name}.name")
        senders[name] = Sender(name, entry.signature, entry.name, entry.email, entry.short_number)
    return senders


_T = TypeVar("_T")


def _decode(text: str, kind: type[_T], file: str) -> _T:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CatalogRefused(file, "", f"expected TOML: {error}") from None
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        found = misread(name_entry(str(error), document, kind), shape=kind)
        raise CatalogRefused(file, _by_type(found.field, document), str(found)) from None


def _by_type(field: str, document: Mapping[str, Any]) -> str:
    """The path with an event by its type, where it says one: editors do not count from 0."""
    place = _EVENT_AT.match(field)
    event = document["event"][int(place[1])] if place else None
    if place and isinstance(event, dict) and isinstance(event.get("type"), str):
        return f"event {event['type']}{field[place.end() :]}"
    return field


def among(what: str, names: Iterable[str], got: str) -> str:
    """``expected a field of gov.x.v1 (plate or place), got 'colour'``."""
    return f"expected {what} ({' or '.join(names) or 'there is none'}), got {got!r}"


def _require(held: object, file: str, key: str, reason: str) -> None:
    if not held:
        raise CatalogRefused(file, key, reason)


def _require_languages(texts: Mapping[str, str], file: str, key: str) -> None:
    found = f"expected {' and '.join(LANGUAGES)}, got {' and '.join(texts) or 'none'}"
    _require(set(texts) == set(LANGUAGES), file, key, found)


def _event_type(entry: _EventEntry, file: str) -> EventType:
    key = f"event {entry.type}"
    _require(_TYPE.fullmatch(entry.type), file, key, "a type is dotted words that end in .v1")
    for name, variable in entry.data.items():
        at = f"{key}.data.{name}"
        _require(_FIELD.fullmatch(name), file, at, "a field is words_with_underscores")
        _require(name not in BUILTIN, file, at, "is the name of a built-in variable")
        _require(0 < variable.max <= 1000, file, f"{at}.max", "lies between 1 and 1000")
    known = not entry.correlation or entry.correlation in entry.data
    expected = among("a field of data", entry.data, entry.correlation)
    _require(known, file, f"{key}.correlation", expected)
    return EventType(entry.type, entry.data, entry.correlation, entry.doc)


def _types(entries: Iterable[_EventEntry], role: str) -> tuple[str, ...]:
    return tuple(entry.type for entry in entries if entry.role == role)


def _duration(text: str, file: str, key: str) -> int:
    match = _DURATION.fullmatch(text)
    if match is None:
        raise CatalogRefused(file, key, "is a number with m, h or d, like 72h")
    duration = int(match[1]) * _UNIT_MINUTES[match[2]] * MINUTE_MS
    _require(0 < duration <= MAX_EXPIRY_MS, file, key, "lies between 1m and 90d")
    return duration


def _occasion(label: str, at: str, file: str) -> Occasion:
    match, time = _OCCASION.fullmatch(label), _TIME.fullmatch(at)
    if match is None:
        raise CatalogRefused(file, "notice.occasions", f"{label} is not like T-7 or T+1")
    if time is None:
        raise CatalogRefused(file, "notice.at", "is a time of day like 09:00")
    days = int(match[2]) if match[1] == "+" else -int(match[2])
    near = abs(days) <= MAX_OCCASION_DAYS
    far = f"{label} is more than {MAX_OCCASION_DAYS} days away"
    _require(near, file, "notice.occasions", far)
    return Occasion(label, days, int(time[1]) * 60 + int(time[2]))


def _escalation(entry: _EscalationEntry | None, file: str) -> Escalation | None:
    if entry is None:
        return None
    return Escalation(_duration(entry.after, file, "notice.escalation.after"), entry.to)


def _check_notice(notice: Notice, file: str) -> None:
    """What the notice says by itself."""
    _require(notice.triggers, file, "event", "one event has the role trigger")
    _require(notice.channels, file, "notice.channels", "at least one channel")
    _require_languages(notice.title, file, "notice.title")
    _require(_TO.fullmatch(notice.to), file, "notice.to", "is subject, contacts:ROLE or field:NAME")
    _require(1 <= notice.max_segments <= 10, file, "notice.max_segments", "lies between 1 and 10")
    _require(
        bool(notice.due_field) == bool(notice.occasions),
        file,
        "notice.due",
        "a due field and occasions need each other",
    )
    for channel in notice.escalation.to if notice.escalation else ():
        expected = among("a channel of the notice", notice.channels, channel)
        _require(channel in notice.channels, file, "notice.escalation.to", expected)
    _require(
        not notice.supersedes or notice.family, file, "notice.family", "superseding needs a family"
    )


def _check_against_events(notice: Notice, events: Mapping[str, EventType], file: str) -> None:
    """What the notice says of its events' fields."""
    correlations = {events[name].correlation for name in (*notice.triggers, *notice.stops)}
    needed = bool(notice.stops) or notice.supersedes
    _require(
        not needed or (len(correlations) == 1 and "" not in correlations),
        file,
        "event.correlation",
        "all events of a case name the same field",
    )
    for name in notice.triggers:
        data = events[name].data
        for key, field in _named_fields(notice):
            _require(field in data, file, key, among(f"a field of {name}", data, field))
        dates = [field for field, variable in data.items() if _is_sure_date(variable)]
        expected = among(f"a required date of {name}", dates, notice.due_field)
        _require(notice.due_field in ("", *dates), file, "notice.due", expected)


def _named_fields(notice: Notice) -> Iterator[tuple[str, str]]:
    """Keys of the notice that name a field of every trigger, and which."""
    yield from ((f"notice.when.{field}", field) for field in notice.when)
    for key, field in (
        ("sender_field", notice.sender_field),
        ("contact_field", notice.contact_field),
        ("to", notice.to.partition("field:")[2]),
    ):
        if field:
            yield f"notice.{key}", field


def _is_sure_date(variable: Variable) -> bool:
    return variable.required and variable.type in ("date", "datetime")
