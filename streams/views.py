"""What pages and the command line are shown: plain values, made by :mod:`streams.reading`.

Times are ms since 1970; streams and keys are hex. A notification is counted once for each of its
legs: one, except where a class goes out on several channels at once.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

from streams.core.routing import Number


class Parts(msgspec.Struct, frozen=True):
    """Notifications and what became of them: the parts always add up to ``notifications``."""

    notifications: int = 0
    delivered: int = 0
    undelivered: int = 0
    suppressed: int = 0
    unconfirmed: int = 0
    expired: int = 0
    cancelled: int = 0
    in_flight: int = 0


class Cost(msgspec.Struct, frozen=True):
    """What carriers charge: for ``messages`` they accepted, of so many ``segments`` (0 where they
    count calls), ``cost`` in 1/10000 of the currency unit, by the lanes file of then."""

    messages: int = 0
    segments: int = 0
    cost: int = 0

    @property
    def each(self) -> float:
        """Of one message, in the currency unit."""
        return self.cost / COST_UNIT / self.messages if self.messages else 0.0


COST_UNIT = 10_000
"""Parts of the currency unit that costs are counted in: a segment costs a few hundred of them."""


class Report(msgspec.Struct, frozen=True):
    """The accounts. Under ``""`` is what has no channel or carrier (yet): held, suppressed.
    ``costs`` are by notice, and leave out what was free."""

    total: Parts
    by_channel: dict[str, Parts]
    by_carrier: dict[str, Parts]
    by_notice: dict[str, Parts]
    cost: Cost = Cost()
    costs: dict[str, Cost] = {}


class Totals(msgspec.Struct, frozen=True):
    """Where every leg stands now: the categories add up to ``notifications``.

    ``categories`` holds all ten, in the order of a leg's life; ``reasons`` says why the suppressed
    ones are.
    """

    notifications: int
    categories: dict[str, int]
    reasons: dict[str, int]


class Rates(msgspec.Struct, frozen=True):
    """What happened in a span of time: events counted, not notifications.

    A message whose carrier was silent first is counted under ``unknown`` and later under
    ``delivered``. ``intended`` is known by lane only and 0 in every other view.
    """

    routed: int = 0
    held: int = 0
    suppressed: int = 0
    escalated: int = 0
    intended: int = 0
    accepted: int = 0
    throttled: int = 0
    not_sent: int = 0
    refused: int = 0
    unknown: int = 0
    delivered: int = 0
    undelivered: int = 0
    read: int = 0
    unconfirmed: int = 0
    failed: int = 0
    expired: int = 0
    cancelled: int = 0

    @property
    def delivery_rate(self) -> float | None:
        """Delivered, of all whose fate was settled in the span (0 to 1); None when none was."""
        settled = self.delivered + self.undelivered + self.unconfirmed
        return self.delivered / settled if settled else None


class Delivery(msgspec.Struct, frozen=True):
    """One line of a delivery table: ``name`` is the channel, carrier, notice, lane or region."""

    name: str
    rates: Rates

    @property
    def delivery_rate(self) -> float | None:
        return self.rates.delivery_rate


class Minute(msgspec.Struct, frozen=True):
    """One point of a chart: the span that begins at ``start_ms``."""

    start_ms: int
    rates: Rates


class Leg(msgspec.Struct, frozen=True):
    """One leg in a list. ``category`` is how pages count it, ``status`` where exactly it stands;
    ``reason`` why. ``opened_ms`` is when it was first decided on, ``at_ms`` when it last moved."""

    stream: str
    notice: str
    cls: str
    recipient: str
    correlation: str
    occasion: str
    region: str
    status: str
    category: str
    reason: str
    channel: str
    lane: str
    carrier: str
    opened_ms: int
    at_ms: int
    too_late: bool


class InboxChange(msgspec.Struct, frozen=True):
    """A message arrived in an inbox, or was read there; ``pos`` is that of its journal row."""

    pos: int
    stream: str
    what: Literal["arrived", "read"]


class Change(msgspec.Struct, frozen=True):
    """One of the newest changes: ``type`` is the event's name (``Delivered``)."""

    stream: str
    at_ms: int
    type: str
    category: str
    reason: str
    notice: str
    cls: str
    channel: str
    lane: str
    carrier: str
    region: str


class Content(msgspec.Struct, frozen=True):
    """The words as they were sent, and where to."""

    to: str
    text: str
    subject: str = ""
    html: str = ""


class Moment(msgspec.Struct, frozen=True):
    """One journalled event of a leg.

    ``numbers`` are what the decision rested on (caps, times in ms); ``until_ms`` until when it
    was held; ``attempt`` the version of the intent it is about; ``ref`` the carrier's reference;
    ``code`` its own word. ``content`` is there where a message was made and may be seen;
    ``sealed`` says that one was made.
    """

    version: int
    pos: int
    at_ms: int
    type: str
    reason: str = ""
    numbers: Mapping[str, Number] = {}
    until_ms: int = 0
    channel: str = ""
    lane: str = ""
    carrier: str = ""
    wording: str = ""
    language: str = ""
    segments: int = 0
    attempt: int = 0
    ref: str = ""
    code: str = ""
    by: str = ""
    policy: int = 0
    sealed: bool = False
    content: Content | None = None


class Timeline(msgspec.Struct, frozen=True):
    """One leg from its first row to its last. ``expiry_ms`` and ``due_ms`` (0: at once) are the
    notification's own; ``attempts`` is how often it was handed to a carrier."""

    leg: Leg
    event: str
    event_ms: int
    expiry_ms: int
    due_ms: int
    attempts: int
    moments: list[Moment]


class CaseEvent(msgspec.Struct, frozen=True):
    """An upstream event of a case: what it declared, without personal fields unless unsealed.

    ``title`` is the event type's own description in the catalog; ``data`` the declared fields as
    text. Empty data: the subject was erased.
    """

    key: str
    at_ms: int
    type: str
    title: str
    stops: bool
    data: dict[str, str]


class Written(msgspec.Struct, frozen=True):
    """What a recipient wrote back. ``asked`` is what the words ask for when they are an opt-out
    word or its like, ``done`` what was done: passed_on, stopped, kept, started, nothing or helped,
    of these ``categories``; ``notification`` and ``notice`` are what it answers (empty: nothing was
    found). ``text`` is empty until unsealed, and of who was erased.
    """

    reply: str
    at_ms: int
    recipient: str
    lane: str
    channel: str
    asked: str
    done: str
    categories: tuple[str, ...]
    notification: str
    notice: str
    event: str
    correlation: str
    answered: bool
    text: str = ""


class CaseTimeline(msgspec.Struct, frozen=True):
    """A case at a glance: its events, its notifications and what was written back, in the order of
    their times. Of a large one a part: ask again with ``after`` for the next, "" for the last."""

    correlation: str
    entries: list[CaseEvent | Timeline | Written]
    after: str = ""


class EventStatus(msgspec.Struct, frozen=True):
    """An upstream event the hub has decided on, and the notifications it asked for. Where these are
    many they come in parts: ask again with ``after`` for the next, "" for the last."""

    key: str
    type: str
    at_ms: int
    notifications: list[Leg]
    after: str = ""


class QuarantinedItem(msgspec.Struct, frozen=True):
    """What could not be understood. ``state`` is open, replayed or dropped; ``by`` whoever closed
    it, ``reason`` why."""

    id: str
    at_ms: int
    where: str
    field: str
    expected: str
    source: str
    event_id: str
    state: str
    closed_ms: int = 0
    by: str = ""
    reason: str = ""
