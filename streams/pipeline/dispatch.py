"""dispatch(batch): what is ready on one lane is handed to its carrier, each attempt once.

An intent is committed before the call and names the attempt; a record whose version is taken is
left to :func:`resume`. No transaction is open during a call, nothing is retried inside one, and no
call starts after its intent's deadline. The answers are facts and are appended whatever happened
meanwhile.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import islice

import msgspec
from msgspec.structs import replace

from channels.base import (
    Accepted,
    Channel,
    Message,
    NotSent,
    Outcome,
    Permanent,
    Throttled,
    Unknown,
)
from channels.breaker import Breaker
from channels.lanes import cost_of
from channels.pacer import Pacer
from preferences.store import Keyed
from streams.core import events as e
from streams.core.codec import encode
from streams.core.lifecycle import CATEGORY, Status
from streams.core.notices import URGENT
from streams.journal.base import Entry, Group, Timer, Unit
from streams.lane_owner import Claim, LaneLost
from streams.pipeline.answers import Answer, record_answers
from streams.pipeline.choosing import offer_of
from streams.pipeline.deciding import REDECIDE, RELEASE
from streams.pipeline.resuming import resume_streams
from streams.pipeline.river import (
    Attempt,
    Dispatch,
    River,
    decode_dispatch,
    encode_dispatch,
    entry,
    found_by,
    open_content,
)
from streams.pipeline.shifting import Drip, Key, key_of, paused_per_s, shift, stop_wording
from streams.pipeline.stopping import held_against
from streams.pipeline.turns import AT_ONCE, Turns
from streams.pipeline.unreadable import readable
from streams.topics import Record, dispatch_topic

CLOSE_MS = 1_000
"""A batch waits this long for its slowest answers; one lost answer must not stop a lane."""

URGENT_CLOSE_MS = 250
"""Of a handful one slow answer holds up all the others, until theirs is journalled."""

BATCH = 500
"""Messages handed over at once: large enough that a commit costs little each, small enough that a
crash leaves at most so many attempts unknown."""


REACH_MIN = 20
"""Messages handed over at once however little a batch got round to."""

NAP_MS = 1_000
"""A lane that must wait looks up this often: whoever wants to leave does not wait for a breaker."""


CONTENT_MAX = 3
"""Refusals of one wording's content, and none of it taken between them, before it is stopped on a
lane: one may be the fault of what was filled in."""


def _nothing() -> None:
    """Nobody tends the lane."""


class LaneWork:
    """One topic of one lane and what paces it. ``leaving`` makes its worker drop what it has not
    begun: it comes again. ``claim`` is what its owner holds, where there may be several.
    ``troubled`` is called when its breaker changes; ``partitions`` are its topic's."""

    def __init__(
        self,
        name: str,
        channel: Channel,
        pacer: Pacer,
        breaker: Breaker,
        urgent: bool,
        turns: Turns = AT_ONCE,
        partitions: int = 1,
        troubled: Callable[[], None] = _nothing,
    ) -> None:
        self.name = name
        self.channel = channel
        self.pacer = pacer
        self.breaker = breaker
        self.urgent = urgent
        self.topic = dispatch_topic(name, urgent)
        self.turns = turns
        self.claim: Claim | None = None
        self.leaving = False
        self.partitions = partitions
        self.troubled = troubled
        self.drip = Drip(0)
        self.refused: Counter[str] = Counter()
        self.reach = BATCH
        """How many a batch gets round to: each that is left over costs two rows and a record."""


class _Call(msgspec.Struct, frozen=True, gc=False):
    """An attempt whose intent won: what is said, and where its row stands."""

    record: Dispatch
    intent: int
    message: Message
    known: Keyed
    """The recipient as read before the intent: what they chose since counts for a second try."""


async def dispatch(river: River, lane: LaneWork, records: Sequence[Record]) -> bool:
    """Hand one slice over. The caller acknowledges it when this returns, unless it says that
    something was left undone."""
    waiting = await readable(river, lane.topic, records, decode_dispatch)
    fixed: set[Key] = set()
    while waiting and not lane.leaving:
        now_ms = river.clock.now_ms()
        barred = _barred(river, lane.name, waiting)
        stale = [r for r in waiting if _past(r, now_ms) or r.notice in barred]
        if stale:
            waiting = [r for r in waiting if not (_past(r, now_ms) or r.notice in barred)]
            await _decide_again(river, stale)
        allowed = _allowed(river, lane, now_ms, waiting)
        if allowed < 1:
            moved = await _shift(river, lane, waiting, now_ms, fixed)
            waiting = [r for r in waiting if key_of(r) not in moved]
            if waiting and not moved:
                permit_ms = lane.pacer.next_ms(now_ms, _calls(waiting[0]))
                next_ms = max(permit_ms, lane.breaker.next_ms(now_ms))
                # neither holds it up: an operator does, or answers that do not come
                nap_ms = next_ms - now_ms if next_ms > now_ms else NAP_MS
                await river.clock.sleep_ms(min(nap_ms, NAP_MS))
            continue
        batch, waiting = waiting[:allowed], waiting[allowed:]
        lane.pacer.take(sum(map(_calls, batch)))
        try:
            async with lane.turns.turn():
                with river.attempts.handing(lane.name):
                    await _hand_over(river, lane, batch)
        except LaneLost:  # what is left is its new owner's
            lane.leaving = True
            return False
    return not waiting


def _calls(record: Dispatch) -> int:
    """What the carrier counts a message as: each part of a long text is a call of its own."""
    return max(record.segments, 1)


def _allowed(river: River, lane: LaneWork, now_ms: int, waiting: Sequence[Dispatch]) -> int:
    """How many of ``waiting`` may be handed over now: by the operators, the contract as it is now,
    what the carrier has not answered yet, and the breaker."""
    lanes = river.documents.lanes
    if lane.name in lanes:
        contract = lanes[lane.name]
        lane.pacer.keep_to(contract.rate_per_s, contract.urgent_percent, now_ms)
        if lanes.is_paused(lane.name):
            return 0
    was = lane.breaker.state
    if silent := river.unanswered.overdue(lane.name, now_ms):
        lane.breaker.record(now_ms, silent, silent)
    most = min(lane.turns.most(BATCH), lane.reach, river.unanswered.room(lane.name))
    fitting = lane.pacer.fit(now_ms, map(_calls, islice(waiting, most)))
    allowed = lane.breaker.allow(now_ms, fitting)
    if lane.breaker.state != was:
        lane.troubled()
    return allowed


async def _shift(
    river: River, lane: LaneWork, waiting: Sequence[Dispatch], now_ms: int, fixed: set[Key]
) -> set[Key]:
    """Some of what waits for a lane that takes nothing goes by others; the records that do."""
    lanes = river.documents.lanes
    if lane.name not in lanes or not waiting:
        return set()
    if lane.breaker.state == "closed" and not lanes.is_paused(lane.name):
        return set()
    standing = lanes.standing(lane.name)
    per_s = standing.urgent_per_s if lane.urgent else standing.per_s
    if lanes.is_paused(lane.name):
        per_s = paused_per_s(lanes, lane.name, lane.urgent)
    may = lane.drip.allow(now_ms, per_s * 1_000 // lane.partitions)
    if not may:
        return set()
    moved = await shift(river, lane.name, waiting, may, fixed)
    lane.drip.take(len(moved))
    return moved


def _barred(river: River, name: str, waiting: Sequence[Dispatch]) -> set[str]:
    """The notices among these whose wording may not go by this lane any more."""
    documents = river.documents
    lanes = documents.lanes
    if name not in lanes or not (lanes[name].wording or lanes.standing(name).stopped):
        return set()
    wordings = documents.wordings
    return {
        notice
        for notice in {r.notice for r in waiting}
        if notice in wordings and not lanes.is_registered(name, notice, wordings[notice].name)
    }


def _past(record: Dispatch, now_ms: int) -> bool:
    """Its window or its validity ended while it waited its turn."""
    return now_ms >= record.expiry_ms or 0 < record.window_end_ms <= now_ms


async def _decide_again(river: River, stale: Sequence[Dispatch]) -> None:
    """What reaches its turn inside quiet hours, or too late, is decided again by tick."""
    now_ms = river.clock.now_ms()
    timers = tuple(Timer(now_ms, r.stream, REDECIDE) for r in stale)
    await river.journal.append(Group([Unit((), (), timers)]))


async def _hand_over(river: River, lane: LaneWork, batch: Sequence[Dispatch]) -> None:
    calls, lost = await _intend(river, lane, batch)
    if lost:
        await resume_streams(river, lost)
    if not calls:
        return
    close_ms = URGENT_CLOSE_MS if lane.urgent else CLOSE_MS
    outcomes = await lane.channel.send(lane.name, [c.message for c in calls], close_ms)
    _learn(river, lane, calls, outcomes)
    await _record(river, lane, calls, outcomes)
    await _stop_wordings(river, lane, calls, outcomes)


async def _intend(
    river: River, lane: LaneWork, batch: Sequence[Dispatch]
) -> tuple[list[_Call], list[bytes]]:
    """Commit the intents; the attempts that won, and the streams of those that did not."""
    people = await river.people.keys(sorted({r.recipient for r in batch}))
    batch = await _without_erased(river, batch, people)
    before_ms = river.clock.now_ms() + river.documents.policy.call_before_ms
    deadlines = [min(before_ms, _last_ms(r)) for r in batch]
    units = _intents(lane, batch, deadlines)
    owned = [lane.claim.check] if lane.claim else []
    committed = await river.journal.append(Group(units, effects=owned, urgent=lane.urgent))
    lanes = river.documents.lanes
    sender = lanes[lane.name].sender if lane.name in lanes else ""
    links = _links(river, batch)
    calls, lost = [], []
    for record, call_before_ms, won in zip(batch, deadlines, committed.won, strict=True):
        if not won:
            lost.append(record.stream)
            continue
        known = people[record.recipient]
        content = open_content(known.key, record.sealed, record.stream)
        message = Message(
            attempt=f"{record.stream.hex()}:{record.version + 1}",
            to=content.to,
            text=content.text,
            call_before_ms=call_before_ms,
            subject=content.subject,
            html=content.html,
            sender=sender or content.sender,
            segments=record.segments,
            expiry_ms=record.expiry_ms,
            unsubscribe=links(record, known.ref),
            cls=record.cls,
        )
        calls.append(_Call(record, record.version + 1, message, known))
    return calls, lost


def _links(river: River, batch: Sequence[Dispatch]) -> Callable[[Dispatch, str], str]:
    """The link that ends it, for mails of a category that may be refused; "" for the others."""
    link = river.unsubscribing
    if link is None or all(r.channel != "email" for r in batch):
        return lambda record, ref: ""
    notices, kept = river.documents.catalog.notices, offer_of(river.documents).kept
    now_ms = river.clock.now_ms()

    def of(record: Dispatch, ref: str) -> str:
        notice = notices.get(record.notice)
        if record.channel != "email" or notice is None or notice.category in kept:
            return ""
        return link(ref, notice.category, record.channel, now_ms)

    return of


async def _without_erased(
    river: River, batch: Sequence[Dispatch], people: Mapping[str, Keyed]
) -> Sequence[Dispatch]:
    """Nothing can be opened for a person whose key was destroyed meanwhile: cancel it."""
    gone = [r for r in batch if r.recipient not in people]
    if not gone:
        return batch
    event = e.Cancelled(reason="erased", by="the recipient's erasure", moved=None)
    units = [
        Unit((entry(r.stream, r.version + 1, replace(event, moved=_sending(r))),)) for r in gone
    ]
    await river.journal.append(Group(units))
    return [r for r in batch if r.recipient in people]


def _last_ms(record: Dispatch) -> int:
    """The last moment at which this may be handed over: a worker can be stopped for minutes after
    it looked at the clock, so the window and the validity go with the call itself."""
    ends_ms = min(record.expiry_ms, record.window_end_ms or record.expiry_ms)
    return ends_ms - 1


def _intents(lane: LaneWork, batch: Sequence[Dispatch], deadlines_ms: Sequence[int]) -> list[Unit]:
    """The intents of a batch. Nearly all say the same, which is encoded once."""
    said = {
        ms: encode(e.AttemptIntended(lane=lane.name, call_before_ms=ms)) for ms in set(deadlines_ms)
    }
    units = []
    for r, ms in zip(batch, deadlines_ms, strict=True):
        name, data = said[ms]
        units.append(Unit((Entry(r.stream, r.version + 1, name, data),)))
    return units


def _learn(
    river: River, lane: LaneWork, calls: Sequence[_Call], outcomes: Sequence[Outcome | None]
) -> None:
    """What the answers say about the lane itself. A call that was not answered says nothing yet,
    and nothing at all what we did not get round to."""
    now_ms = river.clock.now_ms()
    errors = accounts = ours = 0
    silent: list[str] = []
    for call, outcome in zip(calls, outcomes, strict=True):
        match outcome:
            case Accepted():  # nearly all: looked for first
                pass
            case None:
                silent.append(call.message.attempt)
            case Throttled():
                lane.pacer.throttled(now_ms)
            case NotSent(ours=True):
                ours += 1
            case NotSent() | Unknown():
                errors += 1
            case Permanent(scope="sender" | "account"):
                errors += 1
                accounts += 1
            case _:
                pass
    lane.reach = max(len(outcomes) - ours, REACH_MIN) if ours else min(2 * lane.reach, BATCH)
    river.unanswered.wait(lane.name, silent, now_ms)
    answered = len(outcomes) - len(silent) - ours
    was = lane.breaker.state
    lane.breaker.record(now_ms, answered, errors)
    if accounts and 2 * accounts >= answered and lane.breaker.state == "closed":
        lane.breaker.trip(now_ms, "account")
    if lane.breaker.state != was:
        lane.troubled()


async def _stop_wordings(
    river: River, lane: LaneWork, calls: Sequence[_Call], outcomes: Sequence[Outcome | None]
) -> None:
    """A wording whose content the carrier keeps refusing does not go this way again."""
    for call, outcome in zip(calls, outcomes, strict=True):
        notice = call.record.notice
        if isinstance(outcome, Accepted):
            lane.refused.pop(notice, None)
        elif isinstance(outcome, Permanent) and outcome.scope == "content":
            lane.refused[notice] += 1
            if lane.refused[notice] >= CONTENT_MAX:
                del lane.refused[notice]
                await stop_wording(river, lane.name, notice, outcome.code)


async def _record(
    river: River, lane: LaneWork, calls: Sequence[_Call], outcomes: Sequence[Outcome | None]
) -> None:
    """Append what was answered. An acceptance straight after its intent needs no fold; the rest
    is read, folded and decided on."""
    units: list[Unit] = []
    quick: list[tuple[_Call, Accepted | NotSent | Throttled | None]] = []
    slow: list[Answer] = []
    turns: list[_Call] = []
    late_ms = river.clock.now_ms() + river.documents.policy.answer_ms
    call_cost = cost_of(river.documents.lanes, lane.name, 1)
    for call, outcome in zip(calls, outcomes, strict=True):
        match outcome:
            case Accepted(ref):
                units.append(_accepted(river, call, ref, call_cost))
            case None:
                due_ms = max(call.message.call_before_ms, late_ms)
                units.append(Unit((), (), (Timer(due_ms, call.record.stream, RELEASE),)))
            case NotSent() | Throttled():
                units.append(_kept_turn(call, outcome))
                turns.append(call)
            case _:
                slow.append(Answer(call.record.stream, call.intent, outcome, lane.name))
                continue
        quick.append((call, outcome))
    committed = await river.journal.append(_answered(river, lane, units, turns))
    held = {unit.rows[0].stream for unit in committed.looked if unit.rows}
    again: list[Dispatch] = []
    for (call, outcome), won in zip(quick, committed.won, strict=True):
        if outcome is None:
            continue
        if not won:
            slow.append(Answer(call.record.stream, call.intent, outcome, lane.name))
        elif isinstance(outcome, Accepted):
            river.attempts.remember(lane.name, outcome.ref, _attempt(call))
        elif call.record.stream not in held:
            again.append(call.record)
    if again:
        await _queue_again(river, again)
    if slow:
        await record_answers(river, slow)


def _answered(river: River, lane: LaneWork, units: Sequence[Unit], turns: Sequence[_Call]) -> Group:
    """The answers; what keeps its turn is held against what its recipient chose meanwhile."""
    if not turns:
        return Group(units, urgent=lane.urgent)
    seen = {c.record.recipient: c.known for c in turns}
    legs = {c.record.stream: c.record.recipient for c in turns}
    now_ms = river.clock.now_ms()
    return held_against(river, units, seen, legs, now_ms, urgent=lane.urgent)


def _accepted(river: River, call: _Call, ref: str, call_cost: int) -> Unit:
    r = call.record
    event = e.Accepted(
        attempt=call.intent, ref=ref, segments=r.segments, cost=call_cost * _calls(r),
        moved=_sending(r),
    )  # fmt: skip
    return Unit((entry(r.stream, call.intent + 1, event),), found_by(river, r.lane, ref, r.stream))


def _sending(r: Dispatch) -> e.Moved:
    """Where a record's leg stands until something is known of it."""
    return e.Moved(
        was=CATEGORY[Status.READY], channel=r.channel, lane=r.lane, carrier=r.carrier,
        notice=r.notice, cls=r.cls, region=r.region,
    )  # fmt: skip


def _kept_turn(call: _Call, outcome: NotSent | Throttled) -> Unit:
    event: e.Base
    if isinstance(outcome, Throttled):
        event = e.Throttled(attempt=call.intent, code=outcome.code)
    else:
        event = e.NotSent(attempt=call.intent, reason=outcome.reason)
    return Unit((entry(call.record.stream, call.intent + 1, event),))


def _attempt(call: _Call) -> Attempt:
    r = call.record
    return Attempt(r.stream, call.intent, r.notice, r.cls, r.region, r.channel, r.lane, r.carrier)


async def _queue_again(river: River, records: Sequence[Dispatch]) -> None:
    """Throttled or never sent: the same message, two rows later, keeps its turn."""
    batches: dict[str, list[Record]] = {}
    for r in records:
        later = Dispatch(
            r.stream, r.version + 2, r.notice, r.cls, r.recipient, r.region, r.channel, r.lane,
            r.carrier, r.expiry_ms, r.window_end_ms, r.segments, r.sealed,
        )  # fmt: skip
        topic = dispatch_topic(r.lane, r.cls in URGENT)
        batches.setdefault(topic, []).append(Record(r.recipient.encode(), encode_dispatch(later)))
    await river.topics.publish(batches)
