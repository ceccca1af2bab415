"""What is shown: read models for pages and the command line, over the store's reader engine.

Synchronous, and never in the way of a writer; call it in a thread from an event loop.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

from sqlalchemy import BigInteger, ColumnElement, RowMapping, cast, func, select

from channels.inbox import LIST_MAX
from preferences import store as preference_store
from preferences.vault import SubjectKey, Vault
from streams import policies, recount, stories, sweeps
from streams.archive import open_archived
from streams.core import codec
from streams.core import events as e
from streams.core.identity import Index, event_key
from streams.core.names import Language
from streams.core.notices import Upstream
from streams.core.policy import MINUTE_MS
from streams.core.telling import tell
from streams.journal.base import Archived, Row, Store
from streams.lane_views import LaneView, lane_views
from streams.pipeline.choosing import choices_stream
from streams.pipeline.river import Documents
from streams.pipeline.sweep import Swept
from streams.projections.moves import CATEGORIES, Move, moves
from streams.projections.quarantine import ITEMS
from streams.projections.rates import NAMES, RATES
from streams.projections.standing import REASONS, STANDING
from streams.views import (
    CaseEvent,
    CaseTimeline,
    Change,
    Cost,
    Delivery,
    EventStatus,
    InboxChange,
    Leg,
    Minute,
    QuarantinedItem,
    Rates,
    Report,
    Timeline,
    Totals,
    Written,
)

By = Literal["channel", "carrier", "notice", "lane", "region"]

POINTS_MAX = 2_000
"""Points of one series: more than a chart has room for."""

NEWEST_MAX = 2_000
"""Legs in one list of the newest; whoever looks for one searches by recipient or case."""

PAGE = 500
"""Rows read at once from the end of the journal."""

SCANNED_MAX = 40_000
"""Rows looked at for the newest moves: a burst of intents may hide them, but not for long."""

CASE_MAX = 500
"""Streams told of at once, of a case or an event: a case has a dozen, a warning to a city a
million."""


class Reading:
    """``documents`` answers with those in force; ``backlog`` with the records that wait, by topic:
    (how many, offset of the oldest)."""

    def __init__(
        self,
        store: Store,
        vault: Vault,
        index: Index,
        documents: Callable[[], Documents],
        backlog: Callable[[], Mapping[str, tuple[int, int]]] = dict,
    ) -> None:
        self._store = store
        self._vault = vault
        self._index = index
        self._documents = documents
        self.backlog = backlog

    # Numbers

    def standing(self) -> Totals:
        """Where every leg stands now."""
        category, reason = STANDING.c.category, REASONS.c.reason
        stands = select(category, _sum(STANDING.c.count)).group_by(category)
        why = select(reason, _sum(REASONS.c.count)).group_by(reason).order_by(reason)
        with self._store.readers.connect() as connection:
            counts: dict[str, int] = dict(connection.execute(stands).all())
            reasons: dict[str, int] = dict(connection.execute(why).all())
        categories = {name: counts.get(name, 0) for name in CATEGORIES}
        return Totals(sum(categories.values()), categories, reasons)

    def report(self) -> Report:
        """The accounts by the projections."""
        return self.accounts()[0]

    def accounts(self) -> tuple[Report, int]:
        """The accounts by the projections, and the row of the journal they reach.
        :func:`streams.recount.recount` makes the same from the journal up to that row."""
        with self._store.readers.connect() as connection:
            known = recount.report(recount.counted(connection), recount.charged(connection))
            return known, recount.reached(connection)

    def swept(self, since_ms: int) -> Swept:
        """What the hourly looks have done since a time."""
        return sweeps.swept_since(self._store, since_ms)

    def costs(self) -> dict[str, Cost]:
        """What carriers charge, by notice."""
        with self._store.readers.connect() as connection:
            return recount.charged(connection)

    def lanes(self, now_ms: int, language: Language) -> list[LaneView]:
        """Every lane as it stands, with the reasons in this language."""
        lanes = self._documents().lanes
        return lane_views(self._store, self._index, lanes, now_ms, language)

    def delivery(self, by: By, since_ms: int, until_ms: int) -> list[Delivery]:
        """What happened between two times (whole minutes), a line for each channel, carrier, …,
        the busiest first. Under "" is what had none yet."""
        name = RATES.c[by]
        query = select(name, *_SUMS).where(*_between(since_ms, until_ms), *_placed(by))
        with self._store.readers.connect() as connection:
            rows = connection.execute(query.group_by(name)).mappings().all()
        lines = [Delivery(row[by], _rates(row)) for row in rows]
        return sorted(lines, key=lambda line: (-_busy(line.rates), line.name))

    def minutes(
        self, since_ms: int, until_ms: int, step_ms: int = MINUTE_MS, by: By | None = None,
        name: str = "",
    ) -> list[Minute]:  # fmt: skip
        """A series for a chart: every span of ``step_ms`` (whole minutes), also the empty ones;
        of one channel, carrier, … alone when ``by`` and ``name`` say which.

        Raises:
            ValueError: more than :data:`POINTS_MAX` points.
        """
        starts = range(since_ms, until_ms, step_ms)
        if len(starts) > POINTS_MAX:
            raise ValueError(f"at most {POINTS_MAX} points, not {len(starts)}")
        span = (RATES.c.start_ms - since_ms) // step_ms
        query = select(span.label("span"), *_SUMS).where(*_between(since_ms, until_ms))
        if by is not None:
            query = query.where(RATES.c[by] == name, *_placed(by))
        with self._store.readers.connect() as connection:
            rows = connection.execute(query.group_by(span)).mappings().all()
        rates = {int(row["span"]): _rates(row) for row in rows}
        return [Minute(start, rates.get(n, Rates())) for n, start in enumerate(starts)]

    def newest(self, limit: int) -> list[Change]:
        """The legs that moved last, the newest first, as the end of the journal tells it."""
        limit = min(limit, NEWEST_MAX)
        found: dict[bytes, Change] = {}
        scanned, before = 0, self._store.head() + 1
        while len(found) < limit and scanned < SCANNED_MAX:
            rows = self._rows_before(before)
            if not rows:
                break
            moved = moves(rows, self._store.read)
            for row, move in sorted(moved, key=lambda one: -one[0].pos):
                if move.entered is not None and row.stream not in found:
                    found[row.stream] = _change(row, move)
            scanned, before = scanned + len(rows), rows[0].pos
        return list(found.values())[:limit]

    # Quarantine

    def quarantined(
        self, state: str = "open", limit: int = 100, before: str = ""
    ) -> list[QuarantinedItem]:
        """Items by state ("" for all), the newest first; ``before`` is the id to go on from."""
        query = select(ITEMS).order_by(ITEMS.c.pos.desc()).limit(limit)
        if state:
            query = query.where(ITEMS.c.state == state)
        if before:
            last = select(ITEMS.c.pos).where(ITEMS.c.stream == bytes.fromhex(before))
            query = query.where(ITEMS.c.pos < last.scalar_subquery())
        with self._store.readers.connect() as connection:
            return [_item(row) for row in connection.execute(query).mappings()]

    def quarantined_item(self, item: str) -> QuarantinedItem | None:
        """One item; None when there is no such item."""
        query = select(ITEMS).where(ITEMS.c.stream == bytes.fromhex(item))
        with self._store.readers.connect() as connection:
            row = connection.execute(query).mappings().one_or_none()
        return _item(row) if row else None

    def quarantined_raw(self, item: str) -> bytes | None:
        """The original bytes of an item; None when there is no such item."""
        stream = bytes.fromhex(item)
        rows = self._store.read([stream]).get(stream)
        event = codec.decode(rows[0].type, rows[0].data) if rows else None
        if not isinstance(event, e.Quarantined):
            return None
        return self._vault.hub.open(event.sealed, stream)

    # Stories

    def timeline(self, stream: str, unseal: bool = False) -> Timeline | None:
        """Everything journalled about one leg; None when unknown. ``unseal`` shows the words and
        the address: the caller has checked who asks."""
        key = bytes.fromhex(stream)
        rows = self._store.read([key])
        return next(iter(self._timelines(rows, unseal)), None)

    def history(self, ref: str, limit: int = 50, before: str = "") -> list[Leg]:
        """The legs of one recipient (own reference or alias), by the time of their events, the
        newest first; ``before`` is the stream to go on from."""
        loaded = self._people([ref]).get(ref)
        key = (self._index.recipient(loaded.ref if loaded else ref), b"")
        streams = sorted(self._store.lookup([key]).get(key, []), reverse=True)
        if before:
            streams = [stream for stream in streams if stream < bytes.fromhex(before)]
        page = streams[:limit]
        rows = self._store.read(page)
        legs = (stories.leg(s, stories.folded(stories.steps(rows.get(s, [])))) for s in page)
        return [leg for leg in legs if leg is not None]

    def knows(self, ref: str) -> bool:
        """Whether anybody has this reference or alias, registered or only named by an event."""
        return bool(self._people([ref]))

    def inbox_changes(self, ref: str, after: int) -> list[InboxChange]:
        """What changed in somebody's inbox after a position of the journal, in order, among their
        newest messages: as many as an inbox shows."""
        key = (self._index.recipient(ref), b"")
        streams = sorted(self._store.lookup([key]).get(key, []), reverse=True)[:LIST_MAX]
        rows = [row for one in self._store.read(streams).values() for row in one]
        found = [_inbox_change(row) for row in rows if row.pos > after]
        return sorted((one for one in found if one), key=lambda one: one.pos)

    def case(
        self, correlation: str, unseal: bool = False, *, words: bool = False, after: str = ""
    ) -> CaseTimeline | None:
        """A case (``case_no=…``, as heads name it) with its events, notifications and replies on
        one timeline; None when nothing is known of it. Of a large one it is a part, with what
        settled it; ``after`` is where the part before said to go on. ``words`` unseals what was
        written back: somebody has to read it."""
        case, stops = self._index.case(correlation), self._index.stops(correlation)
        found = {
            stream
            for sub in (Index.NOTE, Index.NOTED)
            for stream in self._found(case, sub, bytes.fromhex(after))
        }
        streams, go_on = _part(found)
        rows = self._store.read([*streams, *self._found(stops, b"", b"")])
        if not rows:
            return None
        keys = {key for one in rows.values() for key in stories.events_of_case(stories.steps(one))}
        entries: list[CaseEvent | Timeline | Written] = [*self._case_events(keys, unseal)]
        entries += self._timelines(rows, unseal)
        entries += [x for x in self._written(rows, unseal or words) if x.correlation == correlation]
        return CaseTimeline(correlation, sorted(entries, key=_when), go_on)

    def replies(self, ref: str, limit: int = 50) -> list[Written]:
        """What a recipient (own reference or alias) wrote back, the newest first, with the words:
        the caller has checked who asks."""
        loaded = self._people([ref]).get(ref)
        stream = choices_stream(loaded.ref if loaded else ref)
        return self._written(self._store.read([stream]), unseal=True)[::-1][:limit]

    def erased(self, ref: str, language: Language) -> tuple[int, str] | None:
        """When somebody was erased, and a sentence that says by whom and why; None who was not."""
        stream = choices_stream(ref)
        for step in stories.steps(self._store.read([stream]).get(stream, ())):
            if isinstance(step.event, e.RecipientErased):
                return step.row.at_ms, tell(step.event, language)
        return None

    def reply(self, name: str) -> Written | None:
        """One reply with its words, by the name it was told under; None when unknown."""
        key = (bytes.fromhex(name), b"")
        rows = self._store.read(self._store.lookup([key]).get(key, []))
        return next((x for x in self._written(rows, unseal=True) if x.reply == name), None)

    def event(self, source: str, event_id: str, after: str = "") -> EventStatus | None:
        """An upstream event and what it led to, or a part of that; None until it was decided on.
        ``after`` is where the part before said to go on."""
        key = event_key(source, event_id)
        row = self._store.archived([key]).get(key)
        if row is None:
            return None
        opened = self._opened(row, self._people([row.recipient] if row.recipient else []))
        # a leg's id begins with the time of its event
        time = row.at_ms.to_bytes(6)
        begin = max(time, bytes.fromhex(after))
        recipient = (self._index.recipient(row.recipient), b"")
        found = {s for s in self._store.lookup([recipient]).get(recipient, []) if s > begin}
        if opened is not None and opened.correlation:
            found.update(self._found(self._index.case(opened.correlation), Index.NOTE, begin))
        streams, go_on = _part(stream for stream in found if stream.startswith(time))
        rows = self._store.read(streams)
        states = {stream: stories.folded(stories.steps(one)) for stream, one in rows.items()}
        own = {s: state for s, state in states.items() if state.head and state.head.event == key}
        legs = [leg for s, state in own.items() if (leg := stories.leg(s, state))]
        return EventStatus(key.hex(), row.type, row.at_ms, legs, go_on)

    def _found(self, key: bytes, sub: bytes, after: bytes) -> list[bytes]:
        """Streams by a look-up key that may have a million, one more than are told of at once."""
        return self._store.page([key], sub, after, CASE_MAX + 1).get(key, [])

    def _timelines(self, rows: Mapping[bytes, Sequence[Row]], unseal: bool) -> list[Timeline]:
        known = policies.published(self._store, self._index)
        keys: dict[bytes, SubjectKey | None] = dict.fromkeys(rows)
        if unseal:
            keys = self._keys_of(rows)
        told = (stories.timeline(s, one, known, keys[s]) for s, one in rows.items())
        return [one for one in told if one is not None]

    def _keys_of(self, rows: Mapping[bytes, Sequence[Row]]) -> dict[bytes, SubjectKey | None]:
        """The key of each leg's recipient; None where it is erased, or the stream is no leg."""
        heads = {s: stories.folded(stories.steps(one[:1])).head for s, one in rows.items()}
        people = self._people({head.recipient for head in heads.values() if head})
        return {
            s: loaded.key if head and (loaded := people.get(head.recipient)) else None
            for s, head in heads.items()
        }

    def _written(self, rows: Mapping[bytes, Sequence[Row]], unseal: bool) -> list[Written]:
        """What was written back, among these streams of choices."""
        told = [x for one in rows.values() for x in stories.replies(stories.steps(one))]
        people = self._people({x.recipient for x in told}) if unseal else {}
        keys = {ref: loaded.key for ref, loaded in people.items()}
        return [stories.written(event, keys.get(event.recipient)) for event in told]

    def _case_events(self, keys: Iterable[bytes], unseal: bool) -> list[CaseEvent]:
        catalog = self._documents().catalog
        archived = self._store.archived(list(keys)).values()
        people = self._people({row.recipient for row in archived if row.recipient})
        return [
            stories.case_event(row, self._opened(row, people), catalog, unseal) for row in archived
        ]

    def _opened(
        self, row: Archived, people: Mapping[str, preference_store.Loaded]
    ) -> Upstream | None:
        """An archived event; None where its subject's key is gone."""
        owner = people.get(row.recipient)
        catalog = self._documents().catalog
        return open_archived(row, owner.key if owner else None, self._vault.hub, catalog)

    def _rows_before(self, pos: int) -> list[Row]:
        """The page of rows before a position, oldest first; positions have no gaps."""
        first = max(pos - PAGE, 1)
        return self._store.since(first - 1, pos - first)

    def _people(self, refs: Iterable[str]) -> dict[str, preference_store.Loaded]:
        with self._store.readers.connect() as connection:
            return preference_store.load_many(connection, self._vault, refs)


def _part(found: Iterable[bytes]) -> tuple[list[bytes], str]:
    """As many of these streams as are told of at once, in order, and the one to go on after; ""
    when that is all."""
    streams = sorted(found)
    part = streams[:CASE_MAX]
    return part, part[-1].hex() if len(streams) > CASE_MAX else ""


def _sum(counts: ColumnElement[int]) -> ColumnElement[int]:
    """As an integer: PostgreSQL adds them up to a number of any length, which is none."""
    return cast(func.sum(counts), BigInteger)


_SUMS = tuple(_sum(RATES.c[name]).label(name) for name in NAMES)
_BUSY = ("routed", "escalated", "intended", "accepted", "held", "suppressed")


def _between(since_ms: int, until_ms: int) -> tuple[ColumnElement[bool], ...]:
    return RATES.c.start_ms >= since_ms, RATES.c.start_ms < until_ms


def _placed(by: By) -> tuple[ColumnElement[bool], ...]:
    """An intent names its lane only, and counts nowhere else."""
    return () if by == "lane" else (RATES.c.notice != "",)


def _rates(row: RowMapping) -> Rates:
    return Rates(**{name: row[name] or 0 for name in NAMES})


def _busy(rates: Rates) -> int:
    return sum(getattr(rates, name) for name in _BUSY)


def _change(row: Row, move: Move) -> Change:
    assert move.entered is not None
    place = move.entered.place
    event = codec.decode(row.type, row.data)
    reason = getattr(event, "reason", "") or getattr(event, "code", "")
    return Change(
        stream=row.stream.hex(),
        at_ms=row.at_ms,
        type=move.kind.__name__,
        category=move.entered.category,
        reason=reason,
        **place._asdict(),
    )


def _inbox_change(row: Row) -> InboxChange | None:
    """What a row changes in an inbox; None for nothing."""
    match codec.decode(row.type, row.data):
        case e.Delivered(moved=e.Moved(channel="inbox")):
            return InboxChange(row.pos, row.stream.hex(), "arrived")
        case e.Read():
            return InboxChange(row.pos, row.stream.hex(), "read")
        case _:
            return None


def _item(row: RowMapping) -> QuarantinedItem:
    values = {name: value for name, value in row.items() if name not in ("stream", "pos")}
    return QuarantinedItem(id=row["stream"].hex(), **values)


def _when(entry: CaseEvent | Timeline | Written) -> tuple[int, bool]:
    """Events before the notifications they cause."""
    if isinstance(entry, CaseEvent | Written):
        return entry.at_ms, isinstance(entry, Written)
    return entry.leg.opened_ms, True
