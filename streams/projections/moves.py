"""From journal rows to moves: which leg leaves which place for which, and what is counted where.

A projection keeps no state of its own: an event that changes a leg's category says what it leaves
(:class:`~streams.core.events.Moved`), and what it enters follows from its type. Where it does not
(a leg is closed over an attempt that may have arrived; a report is about an earlier route) the
stream's own rows are read and folded, which is a few in a hundred.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from streams.core import codec
from streams.core import events as e
from streams.core.lifecycle import CATEGORY, Journalled, State, apply
from streams.core.policy import MINUTE_MS
from streams.journal.base import Row
from streams.journal.projections import Read

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
    e.Reported: "accepted",
    e.NotSent: "sending",
    e.Throttled: "sending",
    e.Refused: "sending",
    e.Cancelled: "cancelled",
    e.Expired: "expired",
    e.Failed: "undelivered",
}
"""The category a leg enters with an event that moves it: the rule, where the row itself is enough
to go by (:func:`_plainly`)."""

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


class Place(NamedTuple):
    """Where a leg is counted: what it is about, and through whom it goes."""

    notice: str
    cls: str
    channel: str
    lane: str
    carrier: str
    region: str


NOWHERE = ("", "", "")
"""Channel, lane and carrier of a leg that has no route."""


class Standing(NamedTuple):
    """A category at a place."""

    category: str
    place: Place


class Move(NamedTuple):
    """What one row means for its leg. ``left`` and ``entered`` are there when it moved (``left``
    not for its first row); ``place`` is what its event counts under, in the minute ``start_ms``;
    ``reason`` why it was suppressed; ``segments`` and ``cost`` what the carrier charges for."""

    kind: type[e.Base]
    start_ms: int
    place: Place
    left: Standing | None
    entered: Standing | None
    reason: str
    segments: int = 0
    cost: int = 0


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
    segments: int = 0
    cost: int = 0


_LEGS: tuple[type[e.Base], ...] = (*AFTER, e.AttemptIntended)
_KINDS = {kind.__name__: kind for kind in _LEGS}
_TODAY = {codec.type_name(kind): kind for kind in _LEGS}
_slim = msgspec.json.Decoder(_Slim).decode

_CLOSES = {e.Suppressed, e.Cancelled, e.Expired, e.Failed, e.Unconfirmed, e.NoReceipt}
"""What they close may have arrived by an earlier attempt: there is none before the second row."""

_ROWS_AFTER = {
    e.Accepted: 1,
    e.NotSent: 1,
    e.Throttled: 1,
    e.Refused: 1,
    e.Unknown: 1,
    e.Delivered: 2,
    e.Undelivered: 0,  # what it comes to depends on all there was
    e.Read: 2,
}
"""A fact at most so many rows after its intent is about the route in use, and no stop came over
it that it could answer to."""


_Said = tuple[
    type[e.Base], int, str, str, str, str, str, str, str, str, tuple[str, str, str] | None, int, int
]
"""What a row says: kind, minute, category left ("" for none), the six parts of a place, reason,
through whom it goes on, and segments and cost. A plain tuple: most rows of a batch say the same,
and are counted before anything is made of them."""


def tally(rows: Sequence[Row], read: Read) -> Counter[Move]:
    """What ``rows``, in the order of the journal, mean for the legs they are about."""
    said: Counter[_Said] = Counter()
    unsure: list[tuple[Row, type[e.Base]]] = []
    for row in rows:
        kind = _kind(row)
        if kind is None:
            continue
        plain = _say(row, kind)
        if plain is None:
            unsure.append((row, kind))
        else:
            said[plain] += 1
    moves: Counter[Move] = Counter()
    for what, count in said.items():
        moves[_move(*what)] += count
    for _, move in _folded_moves(unsure, read):
        moves[move] += 1
    return moves


def moves(rows: Sequence[Row], read: Read) -> list[tuple[Row, Move]]:
    """The same row by row; in no order, and without the rows that are about no leg."""
    found: list[tuple[Row, Move]] = []
    unsure: list[tuple[Row, type[e.Base]]] = []
    for row in rows:
        kind = _kind(row)
        if kind is None:
            continue
        plain = _say(row, kind)
        if plain is None:
            unsure.append((row, kind))
        else:
            found.append((row, _move(*plain)))
    return found + _folded_moves(unsure, read)


def _kind(row: Row) -> type[e.Base] | None:
    return _TODAY.get(row.type) or _KINDS.get(row.type.partition(".")[0])


def _say(row: Row, kind: type[e.Base]) -> _Said | None:
    """What the row alone says; None where that is not enough."""
    if row.type in _TODAY:
        event = _slim(row.data)
    else:
        event = msgspec.convert(codec.decode(row.type, row.data), _Slim, from_attributes=True)
    start_ms = row.at_ms - row.at_ms % MINUTE_MS
    head, moved, route = event.head, event.moved, event.route
    if head is not None:
        channel, lane, carrier = (route.channel, route.lane, route.carrier) if route else NOWHERE
        reason = event.reason if kind is e.Suppressed else ""
        return (
            kind, start_ms, "", head.notice, head.cls, channel, lane, carrier, head.region, reason,
            None, 0, 0,
        )  # fmt: skip
    if kind is e.AttemptIntended:
        return kind, start_ms, "", "", "", "", event.lane, "", "", "", None, 0, 0
    if moved is None or row.version - event.attempt > _ROWS_AFTER.get(kind, row.version):
        return None
    if kind in _CLOSES and row.version > 2:
        return None
    return (
        kind, start_ms, moved.was, moved.notice, moved.cls, moved.channel, moved.lane,
        moved.carrier, moved.region, event.reason if kind is e.Suppressed else "",
        (route.channel, route.lane, route.carrier) if route else None, event.segments, event.cost,
    )  # fmt: skip


def _move(
    kind: type[e.Base], start_ms: int, was: str, notice: str, cls: str, channel: str, lane: str,
    carrier: str, region: str, reason: str, to: tuple[str, str, str] | None, segments: int,
    cost: int,
) -> Move:  # fmt: skip
    before = Place(notice, cls, channel, lane, carrier, region)
    if kind is e.AttemptIntended:
        return Move(kind, start_ms, before, None, None, "")
    after = Place(notice, cls, *to, region) if to else before
    left = Standing(was, before) if was else None
    entered = Standing(AFTER[kind], after)
    return _moved(kind, start_ms, after, left, entered, reason, segments, cost)


def _moved(
    kind: type[e.Base], start_ms: int, place: Place, left: Standing | None, entered: Standing,
    reason: str, segments: int, cost: int,
) -> Move:  # fmt: skip
    if left == entered:
        return Move(kind, start_ms, place, None, None, reason, segments, cost)
    return Move(kind, start_ms, place, left, entered, reason, segments, cost)


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

    def move(self, row: Row, kind: type[e.Base]) -> Move | None:
        left, entered = self.standings[row.version - 1], self.standings[row.version]
        if entered is None:
            return None
        event = self.events[row.version]
        place = self.places.get(getattr(event, "attempt", 0), entered.place)
        reason = event.reason if isinstance(event, e.Suppressed) else ""
        start_ms = row.at_ms - row.at_ms % MINUTE_MS
        segments, cost = getattr(event, "segments", 0), getattr(event, "cost", 0)
        return _moved(kind, start_ms, place, left, entered, reason, segments, cost)


def standing(state: State) -> Standing | None:
    """Where a folded leg is counted; None for a stream that is none."""
    head, route = state.head, state.route
    if head is None:
        return None
    through = (route.channel, route.lane, route.carrier) if route else NOWHERE
    return Standing(CATEGORY[state.status], Place(head.notice, head.cls, *through, head.region))


def _folded_moves(unsure: Sequence[tuple[Row, type[e.Base]]], read: Read) -> list[tuple[Row, Move]]:
    """What these rows mean, each stream folded up to the last of its rows."""
    last = {row.stream: row.version for row, _ in unsure}
    folded: dict[bytes, _Folded] = defaultdict(_Folded)
    for stream, rows in read(list(last)).items():
        for row in rows:
            if row.version <= last[stream]:
                folded[stream].add(row.version, row.at_ms, codec.decode(row.type, row.data))
    found = ((row, folded[row.stream].move(row, kind)) for row, kind in unsure)
    return [(row, move) for row, move in found if move is not None]
