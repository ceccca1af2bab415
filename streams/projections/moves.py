"""From journal rows to moves: which leg leaves which place for which, and what is counted where.

A projection keeps no state of its own: an event that changes a leg's category says what it leaves
(:class:`~streams.core.events.Moved`), and what it enters follows from its type. Where it does not
(a leg is closed over an attempt that may have arrived; a report is about an earlier route) the
stream's own rows are read and folded, which is a few in a hundred.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, select

from streams.core import codec
from streams.core import events as e
from streams.core.lifecycle import CATEGORY, Journalled, State, apply
from streams.journal.base import Row
from streams.journal.schema import journal

AFTER: dict[type[e.Base], str] = {
    e.Routed: "sending",
    e.Held: "held",
    e.Suppressed: "suppressed",
    e.Released: "sending",
    e.Escalated: "sending",
    e.Accepted: "accepted",
    e.Unknown: "unknown",
    e.Unconfirmed: "unconfirmed",
    e.NoReceipt: "unconfirmed",
    e.Delivered: "delivered",
    e.Read: "delivered",
    e.Undelivered: "undelivered",
    # these unless something was tried before, or a stop came over it
    e.NotSent: "sending",
    e.Throttled: "sending",
    e.Refused: "sending",
    e.Cancelled: "cancelled",
    e.Expired: "expired",
    e.Failed: "undelivered",
}
"""The category a leg enters with an event that moves it."""

CATEGORIES = (
    "held",
    "sending",
    "accepted",
    "unknown",
    "delivered",
    "undelivered",
    "suppressed",
    "unconfirmed",
    "expired",
    "cancelled",
)
"""All of them, in the order of a leg's life."""

STREAMS_AT_ONCE = 500
"""Streams read in one statement; well below what a statement may carry."""


class Place(NamedTuple):
    """Where a leg is counted: what it is about, and through whom it goes."""

    notice: str
    cls: str
    channel: str
    lane: str
    carrier: str
    region: str


class Standing(NamedTuple):
    """A category at a place."""

    category: str
    place: Place


class Seen(NamedTuple):
    """One row about a leg. ``left`` and ``entered`` are there when it moved (``left`` not for its
    first); ``place`` is what its event counts under."""

    row: Row
    kind: type[e.Base]
    place: Place
    left: Standing | None
    entered: Standing | None
    reason: str


class _Head(msgspec.Struct, gc=False):
    notice: str
    cls: str
    region: str = ""


class _Route(msgspec.Struct, gc=False):
    channel: str
    lane: str
    carrier: str


class _Slim(msgspec.Struct, gc=False):
    """Of any event, what a move needs; the rest is skipped unread."""

    moved: e.Moved | None = None
    head: _Head | None = None
    route: _Route | None = None
    reason: str = ""
    attempt: int = 0
    lane: str = ""


_LEGS: tuple[type[e.Base], ...] = (*AFTER, e.AttemptIntended)
_KINDS = {kind.__name__: kind for kind in _LEGS}
_TODAY = {codec.type_name(kind): kind for kind in _LEGS}
_slim = msgspec.json.Decoder(_Slim).decode

_CLOSES = (e.Cancelled, e.Expired, e.Failed)
_ROWS_AFTER = {
    e.Accepted: 1,
    e.NotSent: 1,
    e.Throttled: 1,
    e.Refused: 1,
    e.Unknown: 1,
    e.Delivered: 2,
    e.Undelivered: 2,
    e.Read: 2,
}
"""A fact at most so many rows after its intent is about the route in use, and no stop came over
it that it could answer to."""


def moves(connection: Connection, rows: Sequence[Row]) -> list[Seen]:
    """What ``rows``, in the order of the journal, mean for the legs they are about."""
    seen: list[Seen | None] = []
    unsure: list[tuple[int, Row, type[e.Base]]] = []
    for row in rows:
        kind = _TODAY.get(row.type) or _KINDS.get(row.type.partition(".")[0])
        if kind is None:
            continue
        found = _plainly(row, kind)
        if found is None:
            unsure.append((len(seen), row, kind))
        seen.append(found)
    if unsure:
        folded = _fold(connection, {row.stream: row.version for _, row, _ in unsure})
        for index, row, kind in unsure:
            seen[index] = folded[row.stream].seen(row, kind)
    return [one for one in seen if one is not None]


def _plainly(row: Row, kind: type[e.Base]) -> Seen | None:
    """What the row alone says; None where it does not say enough."""
    if row.type in _TODAY:
        event = _slim(row.data)
    else:
        event = msgspec.convert(codec.decode(row.type, row.data), _Slim, from_attributes=True)
    moved, route = event.moved, event.route
    if event.head is not None:
        place = _place(event.head.notice, event.head.cls, event.head.region, route)
        return Seen(row, kind, place, None, Standing(AFTER[kind], place), event.reason)
    if kind is e.AttemptIntended:
        place = Place("", "", "", event.lane, "", "")
        return Seen(row, kind, place, None, None, "")
    if moved is None or row.version - event.attempt > _ROWS_AFTER.get(kind, row.version):
        return None
    if kind in _CLOSES and row.version > 2:  # nothing was tried before the second row
        return None
    before = Place(moved.notice, moved.cls, moved.channel, moved.lane, moved.carrier, moved.region)
    after = _place(moved.notice, moved.cls, moved.region, route) if route else before
    left, entered = Standing(moved.was, before), Standing(AFTER[kind], after)
    if left == entered:
        return Seen(row, kind, after, None, None, event.reason)
    return Seen(row, kind, after, left, entered, event.reason)


def _place(notice: str, cls: str, region: str, route: _Route | e.Route | None) -> Place:
    if route is None:
        return Place(notice, cls, "", "", "", region)
    return Place(notice, cls, route.channel, route.lane, route.carrier, region)


# By folding --------------------------------------------------------------------------------------


class _Folded:
    """A stream's standing after each of its rows, and the place of each of its attempts."""

    def __init__(self) -> None:
        self.state = State()
        self.standings: dict[int, Standing | None] = {0: None}
        self.places: dict[int, Place] = {}
        self.events: dict[int, e.Base] = {}

    def add(self, version: int, at_ms: int, event: e.JournalEvent) -> None:
        apply(self.state, Journalled(version, at_ms, event))
        self.events[version] = event
        self.standings[version] = after = standing(self.state)
        if isinstance(event, e.AttemptIntended) and after is not None:
            self.places[version] = after.place

    def seen(self, row: Row, kind: type[e.Base]) -> Seen | None:
        left, entered = self.standings[row.version - 1], self.standings[row.version]
        if entered is None:
            return None
        event = self.events[row.version]
        place = self.places.get(getattr(event, "attempt", 0), entered.place)
        reason = getattr(event, "reason", "")
        if left == entered:
            return Seen(row, kind, place, None, None, reason)
        return Seen(row, kind, place, left, entered, reason)


def standing(state: State) -> Standing | None:
    """Where a folded leg is counted; None for a stream that is none."""
    head = state.head
    if head is None:
        return None
    place = _place(head.notice, head.cls, head.region, state.route)
    return Standing(CATEGORY[state.status], place)


def _fold(connection: Connection, wanted: dict[bytes, int]) -> dict[bytes, _Folded]:
    """Each of these streams folded up to its version."""
    folded: dict[bytes, _Folded] = defaultdict(_Folded)
    for stream, version, type_, at_ms, data in _rows_of(connection, list(wanted)):
        if version <= wanted[stream]:
            folded[stream].add(version, at_ms, codec.decode(type_, data))
    return folded


def _rows_of(
    connection: Connection, streams: Sequence[bytes]
) -> Iterable[tuple[bytes, int, str, int, bytes]]:
    c = journal.c
    for start in range(0, len(streams), STREAMS_AT_ONCE):
        some = streams[start : start + STREAMS_AT_ONCE]
        query = select(c.stream, c.version, c.type, c.at_ms, c.data).where(c.stream.in_(some))
        yield from connection.execute(query.order_by(c.stream, c.version)).tuples()
