"""From an event to the notifications it asks for: which notice, whom, until when. Pure.

What the catalog declares is enough; a new upstream type or notice needs no code here.
"""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any, NamedTuple, Protocol

from preferences.recipient import Profile, Recipient
from preferences.rules import at_local, local_day
from streams.core.events import Head
from streams.core.identity import event_key, stream_id
from streams.core.policy import DAY_MS, Policy
from templates.notice import EventType, Notice, Occasion

DEFAULT_ZONE = "Asia/Shanghai"

LATE_OCCASION_MS = DAY_MS
"""A reminder whose day was over before its case was even known is not planned at all: five
reminders at once about a date long known would be noise."""


class Declared(Protocol):
    """What this module needs of the catalog."""

    @property
    def event_types(self) -> Mapping[str, EventType]: ...

    def triggered_by(self, event_type: str) -> Iterable[Notice]: ...


class Upstream(NamedTuple):
    """One accepted event as the steps carry it. ``key`` is its archive key."""

    key: bytes
    type: str
    subject: str
    region: str
    at_ms: int
    data: dict[str, Any]
    correlation: str


class Plan(NamedTuple):
    """One leg to decide on. ``awaits`` is the role whose contact persons are not known yet."""

    stream: bytes
    head: Head
    notice: Notice


def upstream(
    source: str, event_id: str, event_type: str, subject: str, region: str, at_ms: int,
    data: dict[str, Any], declared: Declared,
) -> Upstream:  # fmt: skip
    """The event with its key and its case worked out."""
    kind = declared.event_types.get(event_type)
    field = kind.correlation if kind else ""
    value = data.get(field, "") if field else ""
    correlation = f"{field}={value}" if value != "" else ""
    return Upstream(
        event_key(source, event_id), event_type, subject, region, at_ms, data, correlation
    )


def matching(event: Upstream, declared: Declared) -> list[Notice]:
    """The notices this event triggers."""
    return [
        notice
        for notice in declared.triggered_by(event.type)
        if all(str(event.data.get(k)) == v for k, v in notice.when.items())
    ]


def tells_subject(event: Upstream, declared: Declared) -> bool:
    """Whether a notice of this event goes to its subject, or to contact persons of its subject."""
    return any(not notice.to.startswith("field:") for notice in matching(event, declared))


URGENT = frozenset({"emergency", "code"})
"""Classes that never wait behind the others: on topics of their own, and first in every commit."""


def is_urgent(event_type: str, declared: Declared) -> bool:
    """Whether an event of this type may ask for something urgent."""
    return any(notice.cls in URGENT for notice in declared.triggered_by(event_type))


def urgent_types(declared: Declared) -> frozenset[str]:
    """All types of events that may."""
    return frozenset(name for name in declared.event_types if is_urgent(name, declared))


def recipients(notice: Notice, event: Upstream, subject: Recipient | None) -> tuple[str, ...]:
    """Whom ``notice`` tells. Contact persons of an enterprise that is not registered yet cannot
    be known: the enterprise itself stands for them and waits."""
    to, _, name = notice.to.partition(":")
    if to == "field":
        ref = str(event.data.get(name, ""))
        return (ref,) if ref else ()
    if to == "contacts" and subject is not None:
        persons = tuple(p.ref for p in subject.profile.persons if p.role == name)
        return persons or (event.subject,)
    return (event.subject,) if event.subject else ()


def plan(
    event: Upstream, notice: Notice, refs: Iterable[str], policy: Policy, profile: Profile | None
) -> list[Plan]:
    """The legs of ``notice`` for ``refs``: one a recipient, occasion and, where the class goes
    out on all channels at once, channel."""
    legs: tuple[str, ...] = ("",)
    if policy.classes[notice.cls].all_channels:
        legs = notice.channels
    plans = []
    for ref in refs:
        for occasion, due_ms, expiry_ms in _occasions(notice, event, profile):
            for leg in legs:
                head = Head(
                    notice=notice.id,
                    cls=notice.cls,
                    category=notice.category,
                    recipient=ref,
                    event=event.key,
                    event_ms=event.at_ms,
                    expiry_ms=expiry_ms,
                    correlation=event.correlation,
                    occasion=occasion,
                    leg=leg,
                    region=event.region or (profile.region if profile else ""),
                    family=notice.family,
                    due_ms=due_ms,
                )
                name = stream_id(event.at_ms, event.key, notice.id, ref, occasion, leg)
                plans.append(Plan(name, head, notice))
    return plans


def _occasions(
    notice: Notice, event: Upstream, profile: Profile | None
) -> Iterable[tuple[str, int, int]]:
    """(label, due, expiry) of each time the notice is to go out; one, at once, without a date."""
    if not notice.due_field:
        yield "", 0, event.at_ms + notice.expiry_ms
        return
    day = str(event.data.get(notice.due_field, ""))[:10]
    if not day:
        return
    zone = profile.zone if profile else DEFAULT_ZONE
    for occasion in notice.occasions:
        due_ms = _due(day, occasion, zone)
        if due_ms >= event.at_ms - LATE_OCCASION_MS:
            yield occasion.label, due_ms, due_ms + notice.expiry_ms


def _due(day: str, occasion: Occasion, zone: str) -> int:
    """The occasion's hour by the clock on the wall, whatever clocks do in between."""
    due = date.fromisoformat(day) + timedelta(days=occasion.days)
    return at_local(due.isoformat(), occasion.at_minute, zone)


def days_left(head: Head, day: str, zone: str = DEFAULT_ZONE) -> int:
    """Whole days from the day a reminder falls due to the date it is about."""
    if not head.due_ms or not day:
        return 0
    due = date.fromisoformat(local_day(head.due_ms, zone))
    return (date.fromisoformat(day[:10]) - due).days
