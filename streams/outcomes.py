"""Outcomes told back: what became of each notification, for the systems whose events asked for it.

Read from the journal by position, so that nothing is told before it is committed, and everything
can be told again. Where there is Kafka, :class:`Teller` follows the journal and publishes records
of up to 100 outcomes to the topic `outcomes`; everywhere, ``GET /v1/outcomes`` answers with the
same. (A topic of one process would keep what perhaps nobody reads, and the journal has it already.)

An outcome names its event by the key that the door answered with, a hash of source and id: neither
lies open in the journal, and whoever sent the event has both. It names nobody.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from operator import attrgetter
from typing import Literal, NamedTuple, TypeVar

import msgspec
from sqlalchemy import ColumnElement, FromClause, and_, insert, select, update

from streams.core import codec
from streams.core import events as e
from streams.core.identity import event_key
from streams.core.lifecycle import CATEGORY
from streams.journal.base import Row, Store
from streams.journal.group import Aside
from streams.journal.schema import projection_checkpoint as checkpoint
from streams.journal.tables import rows_of
from streams.pipeline.river import state_of
from streams.projections.moves import moves
from streams.topics import EVENTS, OUTCOMES, Publishing, Record

NAME = "outcomes"
"""Of the checkpoint up to which outcomes were published."""

SCAN = 5_000
"""Journal rows looked at in one go: about a thousand outcomes, some 300 KB."""

RECORD_MAX = 100
"""Outcomes in one record: a record's own cost is then no part of theirs, and it stays far below
what brokers take."""

TYPE = "hub.outcomes.v1"
REPLIES = "hub.replies.v1"
"""Types of the records: a record tells of either."""

OutcomeState = Literal[
    "delivered", "undelivered", "suppressed", "unconfirmed", "expired", "cancelled", "refused"
]
"""How a notification ends; ``refused`` is an event that never became one."""


class Outcome(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one notification (or of an event that was refused after it was taken).

    A fate may change: a late receipt turns ``unconfirmed`` into ``delivered``. Of two outcomes of
    one ``notification`` that with the higher ``pos`` is true.
    """

    pos: int
    event: str
    state: OutcomeState
    at_ms: int
    notice: str = ""
    notification: str = ""
    channel: str = ""
    occasion: str = ""
    reason: str = ""


class Replied(msgspec.Struct, frozen=True, omit_defaults=True):
    """A recipient wrote back. The words are asked for by ``reply``: they are theirs, and stand on
    no topic."""

    pos: int
    reply: str
    at_ms: int
    done: str
    channel: str
    asked: str = ""
    event: str = ""
    notice: str = ""
    notification: str = ""


REPLY_FIELDS: dict[str, str] = {
    "pos": "its place in the journal",
    "reply": "its name, for `GET /v1/replies/{reply}`, which has the words",
    "at_ms": "when it was written, in ms since 1970",
    "done": "`passed_on`; of a word, `stopped`, `kept` (sent by law), `started`, `nothing` or "
    "`helped`",
    "channel": "what it was written by",
    "asked": "`stop`, `start` or `help`, where it is such a word",
    "event": "the hub's key of the event whose message it answers; none where none was found",
    "notice": "the kind of that notification",
    "notification": "its id, for `GET /v1/notifications/{stream}`",
}
"""What each field of a reply holds, for the reference."""

FIELDS: dict[str, str] = {
    "pos": "its place in the journal: the same outcome always has the same, a later one a higher",
    "event": "the hub's key of the event, as the door answered with it",
    "state": "how it ended; see below",
    "at_ms": "when that was journalled, in ms since 1970",
    "notice": "the kind of notification; none of a refused event",
    "notification": "its id, for `GET /v1/notifications/{stream}`; none of a refused event",
    "channel": "the last one tried; none where nothing was",
    "occasion": "which of several reminders of one event",
    "reason": "why, where it was not delivered: a reason of the hub's, or the carrier's code",
}
"""What each field holds, for the reference."""

STATES: dict[OutcomeState, str] = {
    "delivered": "the carrier reports that it arrived, or it was read",
    "undelivered": "every way was tried; surely not delivered",
    "suppressed": "not sent: the recipient's choice, no address, told before and so on",
    "unconfirmed": "taken by a carrier perhaps, and nobody will say whether it arrived",
    "expired": "not sent in the time it mattered",
    "cancelled": "stopped before it was sent: settled, superseded, withdrawn",
    "refused": "the event is in quarantine; `reason` names the field and what was expected",
}
"""What each state means, for the reference."""


class Told(NamedTuple):
    """What a stretch of the journal has to tell. ``pos`` is where the next stretch begins;
    ``more`` whether the journal goes on behind it already."""

    outcomes: list[Outcome]
    replies: list[Replied]
    pos: int
    more: bool


def outcomes_after(store: Store, pos: int, scan: int = SCAN) -> Told:
    """The outcomes journalled in the ``scan`` rows after ``pos``, in order."""
    head = store.head()
    end = min(pos + scan, head)
    if end <= pos:
        return Told([], [], pos, False)
    last = rows_of(store).alias("last")
    found = _found(store, last, and_(last.c.pos > pos, last.c.pos <= end, last.c.type.in_(_TYPES)))
    return Told(_outcomes(store, found), _replies(_written(store, pos, end)), end, end < head)


def _outcomes(store: Store, rows: Sequence["_Found"]) -> list[Outcome]:
    """What these rows have to tell, in the order of the journal."""
    outcomes: list[Outcome] = []
    rest: list[_Found] = []
    for found in rows:
        one = _plainly(found)
        if one is None:
            rest.append(found)
        else:
            outcomes.append(one)
    outcomes += _by_folding(store, rest)
    outcomes.sort(key=attrgetter("pos"))
    return outcomes


class Teller:
    """Publishes outcomes, at least once and in the order of the journal.

    One partition holds all of a shard, so that their order holds for whoever reads.
    """

    def __init__(self, store: Store, topics: Publishing, aside: Aside) -> None:
        self._heads = _Heads()
        self._store = store
        self._topics = topics
        self._aside = aside
        self._key = b"%d" % store.shard
        self._source = f"/hub/shards/{store.shard}"

    async def tell(self, scan: int = SCAN) -> int:
        """Tell of up to ``scan`` rows; how many there were. The checkpoint moves when what was
        told is durable. Raises what the journal and the topics raise; then it is told again."""
        pos = await self._aside(_standing, self._store)
        told = await self._aside(self._after, pos, scan)
        records = [*self._records(TYPE, told.outcomes), *self._records(REPLIES, told.replies)]
        if records:
            await self._topics.publish({OUTCOMES: records})
        if told.pos > pos:
            await self._aside(_move, self._store, pos, told.pos)
        return told.pos - pos

    def _after(self, pos: int, scan: int) -> Told:
        """As :func:`outcomes_after`. Whoever follows closely has seen what most rows are about."""
        rows = self._store.since(pos, scan)
        found = self._heads.found(self._store, rows)
        end = rows[-1].pos if rows else pos
        written = [(row.pos, row.type, row.data) for row in rows if row.type in _REPLIES]
        return Told(_outcomes(self._store, found), _replies(written), end, len(rows) == scan)

    def _records(self, kind: str, told: Sequence[Outcome | Replied]) -> Iterator[Record]:
        for start in range(0, len(told), RECORD_MAX):
            some = told[start : start + RECORD_MAX]
            yield Record(self._key, _encode(_enveloped(self._source, kind, some)))


# Records of the topic -----------------------------------------------------------------------------


class _Data(msgspec.Struct):
    """Either is empty: a reader of outcomes finds none in a record of replies."""

    outcomes: Sequence[Outcome | Replied] = ()
    replies: Sequence[Outcome | Replied] = ()


class _Envelope(msgspec.Struct):
    """A CloudEvent. Its id says from where to where in the journal it tells."""

    specversion: str
    id: str
    source: str
    type: str
    time: str
    datacontenttype: str
    data: _Data


_encode = msgspec.json.Encoder().encode


def _enveloped(source: str, kind: str, some: Sequence[Outcome | Replied]) -> _Envelope:
    time = datetime.fromtimestamp(some[-1].at_ms / 1000, UTC).isoformat()
    name = f"{some[0].pos}-{some[-1].pos}"
    data = _Data(outcomes=some) if kind == TYPE else _Data(replies=some)
    return _Envelope("1.0", name, source, kind, time, "application/json", data)


# The checkpoint -----------------------------------------------------------------------------------

_OWN = checkpoint.c.name == NAME


def _standing(store: Store) -> int:
    """Where telling stands: before the first row of the journal, where nothing was told yet."""
    with store.transaction() as connection:
        pos = connection.scalar(select(checkpoint.c.pos).where(_OWN))
        if pos is None:
            connection.execute(insert(checkpoint).values(name=NAME, pos=0))
        return pos or 0


def _move(store: Store, old: int, new: int) -> None:
    """Forward from where it was seen: of two tellers at once one moves it, and both have told."""
    with store.transaction() as connection:
        connection.execute(update(checkpoint).where(_OWN, checkpoint.c.pos == old).values(pos=new))


# Rows that tell something -------------------------------------------------------------------------

_ENDS: list[type[e.Base]] = [
    e.Delivered, e.Read, e.Undelivered, e.Suppressed, e.Cancelled, e.Expired, e.Failed,
    e.Unconfirmed, e.NoReceipt, e.Quarantined,
    e.NotSent, e.Throttled, e.Refused,  # after a stop that came in mid-call
]  # fmt: skip
_TYPES = [f"{kind.__name__}.{version}" for kind in _ENDS for version in range(1, kind.SCHEMA + 1)]
_REPLIES = tuple(
    f"{e.ReplyReceived.__name__}.{version}" for version in range(1, e.ReplyReceived.SCHEMA + 1)
)
_FIRST: list[type[e.Base]] = [e.Routed, e.Held]
_ENDING = frozenset(_TYPES)
_OPENING = frozenset(
    f"{kind.__name__}.{version}"
    for kind in (e.Routed, e.Held, e.Suppressed)
    for version in range(1, kind.SCHEMA + 1)
)
_TODAY = frozenset(codec.type_name(kind) for kind in (*_ENDS, *_FIRST))
_DELIVERED = codec.type_name(e.Delivered)
_QUARANTINED = f"{e.Quarantined.__name__}."


class _Found(NamedTuple):
    """A row that may end something, and the head of its stream, which says what it is about; a
    stream about no notification has none."""

    pos: int
    stream: bytes
    version: int
    type: str
    at_ms: int
    data: bytes
    head: "_Head | None"


class _Moved(msgspec.Struct, gc=False):
    was: str
    channel: str


class _Last(msgspec.Struct, gc=False):
    """Of an event that ends something, what is told of it; the rest is skipped unread."""

    moved: _Moved | None = None
    attempt: int = 0
    reason: str = ""
    code: str = ""


class _Head(msgspec.Struct, gc=False):
    event: bytes
    notice: str
    occasion: str = ""


class _First(msgspec.Struct, gc=False):
    head: _Head | None = None


class _Heads:
    """What streams are about, of those that were opened last: nearly all end within minutes."""

    KEPT = 100_000
    """Twice: some fifty MB."""

    def __init__(self) -> None:
        self._young: dict[bytes, _Head] = {}
        self._old: dict[bytes, _Head] = {}

    def found(self, store: Store, rows: Sequence[Row]) -> list[_Found]:
        """Those of these rows, which follow all rows seen before, that may end something."""
        found: list[_Found] = []
        unknown: list[int] = []
        for row in rows:
            if row.version == 1 and row.type in _OPENING:
                self._see(row)
            if row.type in _ENDING:
                head = self._young.get(row.stream) or self._old.get(row.stream)
                if head is None:
                    unknown.append(row.pos)
                else:
                    found.append(_Found(*row, head))
        if unknown:
            last = rows_of(store).alias("last")
            found += _found(store, last, last.c.pos.in_(unknown))
        return found

    def _see(self, row: Row) -> None:
        head = _part(_first, row.type, row.data).head
        if head is None:
            return
        if len(self._young) >= self.KEPT:
            self._young, self._old = {}, self._young
        self._young[row.stream] = head


P = TypeVar("P", _Last, _First)

_LAST = _Last()

_last = msgspec.json.Decoder(_Last)
_first = msgspec.json.Decoder(_First)


def _part(of: "msgspec.json.Decoder[P]", type_: str, data: bytes) -> P:
    if type_ in _TODAY:
        return of.decode(data)
    return msgspec.convert(codec.decode(type_, data), of.type, from_attributes=True)


def _found(store: Store, last: FromClause, these: ColumnElement[bool]) -> list[_Found]:
    """In one statement: read one by one, first rows cost more than all the rest."""
    first = rows_of(store).alias("first")
    query = (
        select(
            last.c.pos, last.c.stream, last.c.version, last.c.type, last.c.at_ms, last.c.data,
            first.c.type, first.c.data,
        )
        .join(first, and_(first.c.stream == last.c.stream, first.c.version == 1))
        .where(these)
        .order_by(last.c.pos)
    )  # fmt: skip
    with store.readers.connect() as connection:
        return [
            _Found(*row[:6], _part(_first, row[6], row[7]).head)
            for row in connection.execute(query)
        ]


def _written(store: Store, pos: int, end: int) -> list[tuple[int, str, bytes]]:
    rows = rows_of(store).c
    query = select(rows.pos, rows.type, rows.data).order_by(rows.pos)
    these = and_(rows.pos > pos, rows.pos <= end, rows.type.in_(_REPLIES))
    with store.readers.connect() as connection:
        return [(pos, kind, data) for pos, kind, data in connection.execute(query.where(these))]


def _replies(written: Sequence[tuple[int, str, bytes]]) -> list[Replied]:
    """What these rows tell of what was written back: all but the words."""
    return [_replied(pos, codec.decode(kind, data)) for pos, kind, data in written]


def _replied(pos: int, event: e.Base) -> Replied:
    assert isinstance(event, e.ReplyReceived)
    return Replied(
        pos, event.reply.hex(), event.written_ms, event.done, event.channel, event.asked,
        event.event.hex(), event.notice, event.answers.hex(),
    )  # fmt: skip


def _plainly(found: _Found) -> Outcome | None:
    """Of a delivery right behind its acceptance, which most are; None of anything else."""
    if found.type != _DELIVERED:
        return None
    said = _last.decode(found.data)
    if said.moved is None or said.moved.was == "delivered" or found.version - said.attempt > 2:
        return None
    return _outcome(found, "delivered", said.moved.channel)


def _by_folding(store: Store, rest: Sequence[_Found]) -> Iterator[Outcome]:
    """Of what only says with its stream's other rows whether it ends something, and as what."""
    by_pos = {found.pos: found for found in rest}
    undelivered: list[tuple[_Found, Outcome]] = []
    for row, move in moves([Row._make(found[:6]) for found in rest], store.read):
        found = by_pos.pop(row.pos)
        if move.entered is None or move.entered.category not in STATES:
            continue
        state, place = move.entered.category, move.entered.place
        one = _outcome(found, state, place.channel, _part(_last, row.type, row.data))
        if state == "undelivered":
            undelivered.append((found, one))
        else:
            yield one
    histories = store.read([found.stream for found, _ in undelivered])
    for found, one in undelivered:
        if CATEGORY[state_of(histories[found.stream]).status] == "undelivered":
            yield one  # otherwise another channel is tried, and the end is yet to come
    for found in by_pos.values():
        if found.type.startswith(_QUARANTINED) and (refused := _refused(found)):
            yield refused


def _outcome(found: _Found, state: OutcomeState, channel: str, last: _Last = _LAST) -> Outcome:
    head = found.head
    assert head is not None, "what moves is a leg"
    return Outcome(
        found.pos, head.event.hex(), state, found.at_ms, head.notice, found.stream.hex(), channel,
        head.occasion, last.reason or last.code,
    )  # fmt: skip


def _refused(found: _Found) -> Outcome | None:
    """Of an event that was taken and then refused; who is refused at the door knows already."""
    item = codec.decode(found.type, found.data)
    assert isinstance(item, e.Quarantined)
    if item.where != EVENTS or not item.source:
        return None
    key = event_key(item.source, item.event_id).hex()
    reason = f"{item.field}: expected {item.expected}"
    return Outcome(found.pos, key, "refused", found.at_ms, reason=reason)
