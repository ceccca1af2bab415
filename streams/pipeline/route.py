"""route(batch): upstream events become decided, rendered, journalled and published legs.

Journal first, publish second, acknowledge last. Look-ups before the append give the reasons; the
``look`` inside the append's own transaction is what makes stops and caps hold: each side writes
before it reads, so one of them sees the other.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from preferences.intake import ContactChanged
from preferences.recipient import Profile, Recipient
from preferences.vault import SealBroken, is_sealed
from streams.core import events as e
from streams.core.codec import Refusal, decode
from streams.core.gathering import History
from streams.core.identity import named_stream
from streams.core.notices import URGENT, Plan, Upstream, matching, plan, recipients
from streams.door import REGISTERED, Incoming, examine, profile_after
from streams.event_record import open_event
from streams.journal.base import Archived, Committed, Group, Lookup, Reader, Row, Unit
from streams.pipeline.caps import cap_key, yield_to_others
from streams.pipeline.deciding import Leg, judge
from streams.pipeline.quarantining import quarantined
from streams.pipeline.repeats import Told, told_before
from streams.pipeline.resuming import publish_routed, resume_streams
from streams.pipeline.river import Effect, Known, River, entry, state_of
from streams.pipeline.stopping import (
    Stop,
    cancelling,
    redecide_open,
    redecide_overtaken,
    settled_by,
    states_of,
    stop_open_legs,
)
from streams.topics import EVENTS, Record


class _Batch:
    """What is known about one batch on its way through the step."""

    def __init__(self, now_ms: int) -> None:
        self.now_ms = now_ms
        self.fresh: list[Incoming] = []
        self.again: list[Incoming] = []
        self.units: list[Unit] = []
        self.archive: list[Archived] = []
        self.effects: list[Effect] = []
        self.people: dict[str, Known] = {}
        self.plans: list[Plan] = []
        self.legs: dict[bytes, e.Base] = {}
        self.stops: list[Incoming] = []
        self.met: set[str] = set()
        self.changed: set[str] = set()


async def route(river: River, records: Sequence[Record]) -> None:
    """Route one batch of the events topic. The caller acknowledges it when this returns."""
    batch = _Batch(river.clock.now_ms())
    await _admit(river, batch, records)
    await _meet(river, batch)
    _plan(river, batch)
    position = river.journal.head
    found = await _find(river, batch)
    _decide(river, batch, found)
    _archive(river, batch)
    if batch.units or batch.archive:
        committed = await river.journal.append(
            Group(
                batch.units,
                batch.archive,
                [river.people.changed(batch.people, batch.changed), *batch.effects],
                look=lambda reader: _look(river, batch, reader, position),
                urgent=any(planned.head.cls in URGENT for planned in batch.plans),
            )
        )
        await _publish(river, batch, committed)
    await _see_to(river, batch)


# Who comes in ------------------------------------------------------------------------------------


async def _admit(river: River, batch: _Batch, records: Sequence[Record]) -> None:
    """Sort the batch into fresh events, events seen before, and what goes to quarantine."""
    incoming: dict[bytes, Incoming] = {}
    for record in records:
        raw, read = _examined(river, record, batch.now_ms)
        if isinstance(read, Refusal):
            batch.units.append(quarantined(river, raw, EVENTS, read))
            continue
        first = incoming.setdefault(read.event.key, read)
        if first is not read and first.digest != read.digest:
            batch.units.append(quarantined(river, raw, EVENTS, OTHER_BYTES, read))
    known = await river.journal.archived(list(incoming))
    for key, read in incoming.items():
        row = known.get(key)
        if row is None:
            batch.fresh.append(read)
        elif row.digest == read.digest:
            batch.again.append(read._replace(event=read.event._replace(at_ms=row.at_ms)))
        else:
            batch.units.append(quarantined(river, read.raw, EVENTS, OTHER_BYTES, read))


SEAL = Refusal("event", "plain JSON, or what this hub has sealed", "a seal that does not fit")


def _examined(river: River, record: Record, now_ms: int) -> tuple[bytes, Incoming | Refusal]:
    """A record's event: our own door seals what it writes, others write it as it is."""
    raw = record.value
    if is_sealed(raw):
        try:
            raw, read = open_event(river.hub_key, raw, river.documents.rules)
        except SealBroken:
            return raw, SEAL
        if read is not None:
            return raw, read
    documents = river.documents
    return raw, examine(raw, documents.catalog, documents.hosts, river.vault.digest, now_ms)


OTHER_BYTES = Refusal(
    "id",
    "what this source sent under it before, or another id",
    "an id used before",
)


async def _meet(river: River, batch: _Batch) -> None:
    """Load everybody the batch is about, and apply what it says about them."""
    catalog = river.documents.catalog
    subjects = {read.event.subject for read in batch.fresh if read.event.subject}
    others = {
        ref
        for read in batch.fresh
        for notice in matching(read.event, catalog)
        if notice.to.startswith("field:")
        for ref in recipients(notice, read.event, None)
    }
    batch.people.update(await river.people.load(sorted(subjects | others)))
    if strangers := (subjects | others) - batch.people.keys():
        batch.people.update(await river.people.meet(sorted(strangers)))
    batch.fresh = [_by_own_reference(batch.people, read) for read in batch.fresh]
    _refuse(river, batch)
    _register(river, batch)
    persons = {
        person.ref
        for read in batch.fresh
        if (known := batch.people.get(read.event.subject)) and known.recipient
        for person in known.recipient.profile.persons
    } - batch.people.keys()
    if persons:
        batch.people.update(await river.people.load(sorted(persons)))
        if strangers := persons - batch.people.keys():
            batch.people.update(await river.people.meet(sorted(strangers)))


def _by_own_reference(people: dict[str, Known], read: Incoming) -> Incoming:
    """Whoever was named by an alias is from here on who they are: choices, caps and history are
    kept by their own reference."""
    known = people.get(read.event.subject)
    if known is None or known.ref == read.event.subject:
        return read
    people.setdefault(known.ref, known)
    return read._replace(event=read.event._replace(subject=known.ref))


ERASED = Refusal("subject", "a recipient that was not erased", "an erased one")


UNREGISTERED = Refusal("data.ref", "a registered recipient", "an unknown one")


def _refuse(river: River, batch: _Batch) -> None:
    """Nothing can be sealed for a person whose key was destroyed, and nothing changed of one who
    is not registered: people decide about it."""
    registered = {r.said.ref for r in batch.fresh if r.said and r.event.type == REGISTERED}
    fresh, batch.fresh = batch.fresh, []
    for read in fresh:
        subject = read.event.subject
        known = batch.people.get(subject)
        if subject and known is None:
            batch.units.append(quarantined(river, read.raw, EVENTS, ERASED, read))
        elif (
            isinstance(read.said, ContactChanged)
            and subject not in registered
            and not (known and known.recipient)
        ):
            batch.units.append(quarantined(river, read.raw, EVENTS, UNREGISTERED, read))
        else:
            batch.fresh.append(read)


def _register(river: River, batch: _Batch) -> None:
    """What events say about their recipients takes effect before anything is decided on them."""
    profiles: dict[str, tuple[Profile, int]] = {}
    for read in batch.fresh:
        said = read.said
        if said is None or (known := batch.people.get(said.ref)) is None:
            continue
        before = known.recipient.profile if known.recipient else None
        after = profile_after(said, before)
        if after == before:
            continue
        batch.met.add(said.ref)
        if after is None:
            profiles.pop(said.ref, None)
            batch.effects.append(river.people.remove(said.ref, read.event.at_ms))
            batch.people[said.ref] = known._replace(recipient=None)
            continue
        profiles[said.ref] = (after, read.event.at_ms)
        batch.people[said.ref] = known._replace(recipient=Recipient(after, known.preferences))
    if profiles:
        batch.effects.append(river.people.register(list(profiles.values())))


# What it asks for --------------------------------------------------------------------------------


def _plan(river: River, batch: _Batch) -> None:
    catalog, policy = river.documents.catalog, river.documents.policy
    for read in batch.fresh:
        notices = matching(read.event, catalog)
        subject = batch.people.get(read.event.subject)
        who = subject.recipient if subject else None
        for notice in notices:
            refs = [
                batch.people[ref].ref if ref in batch.people else ref
                for ref in recipients(notice, read.event, who)
            ]
            profile = who.profile if who else None
            batch.plans.extend(plan(read.event, notice, refs, policy, profile))
        if catalog.stopped_by(read.event.type) and read.event.correlation:
            batch.stops.append(read)
            batch.units.append(_stop(river, read.event))
        elif not notices and read.event.correlation:
            batch.units.append(_noted(river, read.event))


def _stop_of(event: Upstream) -> Stop:
    return Stop(named_stream("stop", event.key), event.type, event.at_ms, event.correlation)


def _stop(river: River, event: Upstream) -> Unit:
    stream = _stop_of(event).stream
    recorded = e.StopRecorded(
        type=event.type, event=event.key, event_ms=event.at_ms, correlation=event.correlation
    )
    case = Lookup(river.index.stops(event.correlation), b"", stream)
    return Unit((entry(stream, 1, recorded),), (case,))


def _noted(river: River, event: Upstream) -> Unit:
    """An event of a case that asks for nothing still belongs on the case's timeline."""
    stream = named_stream("noted", event.key)
    recorded = e.CaseNoted(
        type=event.type, event=event.key, event_ms=event.at_ms, correlation=event.correlation
    )
    case = Lookup(river.index.case(event.correlation), river.index.NOTED, stream)
    return Unit((entry(stream, 1, recorded),), (case,))


# What is known about it --------------------------------------------------------------------------


_Stops = dict[str, list[tuple[str, int]]]
"""By case, the events that settled it: their types and times (ms)."""

_Newest = dict[tuple[str, str, str], int]
"""By recipient, case and family, when the event of the newest status happened (ms)."""


class Found(NamedTuple):
    """What the journal held before the batch: with the stops and the newest statuses, messages
    sent today by cap key, and what was told of these cases."""

    stops: _Stops
    newest: _Newest
    sent: Mapping[bytes, int]
    told: Told


async def _find(river: River, batch: _Batch) -> Found:
    index = river.index
    cases = {p.head.correlation for p in batch.plans if p.head.correlation and p.notice.stops}
    told = {(p.head.recipient, p.head.correlation) for p in batch.plans if p.head.correlation}
    keys = [(index.stops(case), b"") for case in sorted(cases)]
    keys += [(index.recipient(ref), index.within(case)) for ref, case in sorted(told)]
    streams = [s for hits in (await river.journal.lookup(keys)).values() for s in hits]
    rows = await river.journal.read(streams) if streams else {}
    stops: _Stops = defaultdict(list)
    newest: _Newest = {}
    for read in batch.stops:
        stops[read.event.correlation].append((read.event.type, read.event.at_ms))
    _take_in(rows.values(), stops, newest)
    for planned in batch.plans:
        if planned.notice.supersedes:
            _newer(newest, planned.head)
    caps = _cap_keys(river, batch)
    sent = await river.journal.counts(sorted(caps)) if caps else {}
    return Found(stops, newest, sent, await told_before(river, rows))


def _take_in(histories: Iterable[Sequence[Row]], stops: _Stops, newest: _Newest) -> None:
    """Add what streams found under a case or a recipient say in their first rows: each is a stop,
    or a leg."""
    for rows in histories:
        first = decode(rows[0].type, rows[0].data)
        if isinstance(first, e.StopRecorded):
            stops[first.correlation].append((first.type, first.event_ms))
        elif isinstance(first, e.Routed | e.Held | e.Suppressed) and first.head is not None:
            _newer(newest, first.head)


def _newer(newest: _Newest, head: e.Head) -> None:
    name = (head.recipient, head.correlation, head.family)
    newest[name] = max(newest.get(name, 0), head.event_ms)


def _cap_keys(river: River, batch: _Batch) -> set[bytes]:
    keys = (_cap_key(river, batch, p.head) for p in batch.plans)
    return {key for key in keys if key is not None}


def _cap_key(river: River, batch: _Batch, head: e.Head) -> bytes | None:
    return cap_key(river, head, batch.people.get(head.recipient), batch.now_ms)


# Deciding ----------------------------------------------------------------------------------------


def _decide(river: River, batch: _Batch, found: Found) -> None:
    """Decide on every planned leg; what this batch sends counts against its own caps."""
    events = {read.event.key: read.event for read in batch.fresh}
    digests = {read.event.key: read.digest for read in batch.fresh}
    sent: Counter[bytes] = Counter(dict(found.sent))
    for planned in batch.plans:
        head = planned.head
        if head.correlation:
            found.told.add(head, digests[head.event])
        cap = _cap_key(river, batch, head)
        history = History(
            settled_by=settled_by(head, planned.notice.stops, found.stops),
            superseded_by=_superseded_by(planned, found.newest),
            duplicate_of=found.told.before(head, digests[head.event]),
            sent_today=sent[cap] if cap else 0,
        )
        leg = Leg(planned.stream, head, None, history)
        known = batch.people.get(head.recipient)
        judged = judge(river, leg, known, events[head.event], batch.now_ms, head.event)
        batch.units.append(judged.unit)
        batch.legs[planned.stream] = judged.event
        if cap and judged.verdict.kind == "send":
            sent[cap] += 1


def _superseded_by(planned: Plan, newest: _Newest) -> str:
    if not planned.notice.supersedes:
        return ""
    head = planned.head
    newer = newest.get((head.recipient, head.correlation, head.family), 0)
    return f"a status of {newer}" if newer > head.event_ms else ""


def _archive(river: River, batch: _Batch) -> None:
    """Every fresh event is kept, sealed under its subject's key, also one that asks for nothing."""
    for read in batch.fresh:
        event = read.event
        key = batch.people[event.subject].key if event.subject else river.hub_key
        batch.archive.append(
            Archived(
                event.key,
                read.digest,
                event.at_ms,
                event.type,
                event.subject,
                key.seal(read.raw, event.key),
            )
        )


# Looking again, inside the transaction -----------------------------------------------------------


def _look(river: River, batch: _Batch, reader: Reader, position: int) -> Sequence[Unit]:
    """Under the head lock, after the rows are in: what this batch stops, and what stops it."""
    stops = [_stop_of(read.event) for read in batch.stops]
    settled = stop_open_legs(river, reader, stops, batch.now_ms)
    replaced = _replace_older(river, reader, batch)
    late = _late_findings(river, reader, batch, position)
    redecided = redecide_open(river, reader, sorted(batch.met), batch.now_ms, batch.legs.keys())
    legs = {p.stream: p.head.recipient for p in batch.plans}
    redecided += redecide_overtaken(river, reader, legs, batch.changed, batch.now_ms)
    units: dict[bytes, Unit] = {}
    going_on = [unit for unit in settled if not unit.rows]
    for unit in (*settled, *replaced, *late):
        if unit.rows:
            units.setdefault(unit.rows[0].stream, unit)
    return [*units.values(), *going_on, *redecided]


def _replace_older(river: River, reader: Reader, batch: _Batch) -> list[Unit]:
    """A newer status of a case ends what is still open of the older ones."""
    newest: _Newest = {}
    for planned in batch.plans:
        if planned.notice.supersedes:
            _newer(newest, planned.head)
    if not newest:
        return []
    told = {(ref, case) for ref, case, _ in newest}
    index = river.index
    states = states_of(reader, [(index.recipient(ref), index.within(c)) for ref, c in sorted(told)])
    units = []
    for stream, state in states.items():
        head = state.head
        assert head is not None
        newer = newest.get((head.recipient, head.correlation, head.family), 0)
        if newer > head.event_ms and (
            unit := cancelling(stream, state, "superseded", f"a status of {newer}")
        ):
            units.append(unit)
    return units


def _late_findings(river: River, reader: Reader, batch: _Batch, position: int) -> list[Unit]:
    """Stops and newer statuses that another worker committed after this batch first looked."""
    index = river.index
    of_cases = [p for p in batch.plans if p.head.correlation]
    keys = {index.stops(p.head.correlation) for p in of_cases if p.notice.stops}
    keys |= {index.recipient(p.head.recipient) for p in of_cases if p.notice.supersedes}
    caps = _cap_keys(river, batch)
    since = reader.lookups_since(position, sorted(keys | caps))
    own = batch.legs.keys()
    foreign = sorted({s for hits in since.values() for s in hits if s not in own})
    if not foreign:
        return []
    stops: _Stops = defaultdict(list)
    newest: _Newest = {}
    _take_in(reader.read(foreign).values(), stops, newest)
    mine = {s: state_of(r) for s, r in reader.read(list(own)).items()}
    units = []
    for planned in batch.plans:
        state = mine.get(planned.stream)
        if state is None:
            continue
        if by := settled_by(planned.head, planned.notice.stops, stops):
            unit = cancelling(planned.stream, state, "case_settled", by)
        elif by := _superseded_by(planned, newest):
            unit = cancelling(planned.stream, state, "superseded", by)
        else:
            continue
        if unit is not None:
            units.append(unit)
    if since.keys() & caps:
        events = {read.event.key: read.event for read in batch.fresh}
        legs = [(p.stream, p.head) for p in batch.plans]
        units += yield_to_others(river, reader, legs, batch.people, events, batch.now_ms)
    return units


# Handing on --------------------------------------------------------------------------------------


async def _publish(river: River, batch: _Batch, committed: Committed) -> None:
    """Publish what won and was not stopped; see to what lost."""
    stopped = {unit.rows[0].stream for unit in committed.looked if unit.rows}
    routed: list[tuple[bytes, e.Routed]] = []
    lost: list[bytes] = []
    for unit, won in zip(batch.units, committed.won, strict=True):
        stream = unit.rows[0].stream
        event = batch.legs.get(stream)
        if event is None or stream in stopped:
            continue
        if not won:
            lost.append(stream)
        elif isinstance(event, e.Routed):
            routed.append((stream, event))
    await publish_routed(river, routed)
    if lost:
        await resume_streams(river, lost)


async def _see_to(river: River, batch: _Batch) -> None:
    """Events that came before: their legs exist; make sure that nothing they need is missing."""
    if not batch.again:
        return
    catalog, policy = river.documents.catalog, river.documents.policy
    people = dict(
        await river.people.load([r.event.subject for r in batch.again if r.event.subject])
    )
    streams: list[bytes] = []
    for read in (_by_own_reference(people, read) for read in batch.again):
        subject = people.get(read.event.subject)
        who = subject.recipient if subject else None
        profile = who.profile if who else None
        for notice in matching(read.event, catalog):
            refs = recipients(notice, read.event, who)
            streams += [p.stream for p in plan(read.event, notice, refs, policy, profile)]
    await resume_streams(river, streams)
