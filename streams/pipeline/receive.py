"""receive(batch): what carriers report later joins its attempt and becomes a fact.

A report is joined from the dispatcher's memory, else by (lane, reference), else by the attempt it
echoes. One that joins nothing may simply be early: it is parked durably before it is acknowledged,
tried again until its day has passed, and then journalled as unmatched, never dropped. While its
lane is handing a batch over, a report waits for that batch's outcomes: they are on their way.

A long text is reported part by part where its channel forgot what belongs together: what is known
of its parts waits, parked, until all are there.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from channels.base import LateAnswer, Receipt, Reply
from preferences.changes import SwitchCategory
from streams.core import events as e
from streams.core.identity import named_stream
from streams.core.lifecycle import CATEGORY, Status
from streams.journal.base import Group, Unit
from streams.pipeline.answers import Answer, record_answers
from streams.pipeline.choosing import choose
from streams.pipeline.river import Attempt, River, entry, found_by_kind, state_of
from streams.pipeline.unreadable import readable
from streams.topics import INBOUND, PARKED, Record

PARK_MS = 24 * 3_600_000
"""Longer than any dispatcher may be paused before its outcome is written."""

RETRY_MS = 1_000

COMPLAINT = "email:complaint"
"""Who chose it, as the history of somebody's choices names it."""

HOLD_MS = 5
"""How often a report that overtook its batch's outcomes looks for them."""


class Parked(msgspec.Struct, frozen=True, array_like=True):
    """A report waiting for the outcome that names its reference."""

    receipt: Receipt
    since_ms: int
    next_ms: int
    tries: int
    whole: str = ""
    """The reference of the message that this is a part of: its key, so that parts meet."""


class _Stranger(NamedTuple):
    """A report that cannot be recorded yet; ``whole`` as above."""

    receipt: Receipt
    whole: str = ""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Parked).decode


class Overtook(NamedTuple):
    """Reports that came before the outcomes of the batches under way on their lanes."""

    strangers: list[_Stranger]
    batches: set[int]

    def waits(self, river: River) -> bool:
        """Whether one of these batches is not journalled yet."""
        return river.attempts.is_handing(self.batches)


async def receive(
    river: River, receipts: Sequence[Receipt], late: Sequence[LateAnswer] = ()
) -> None:
    """Journal a batch of reports and late answers: all of it is durable when this returns."""
    overtook = await take_up(river, receipts, late)
    if overtook is not None:
        while overtook.waits(river):
            await river.clock.sleep_ms(HOLD_MS)
        await join_again(river, [overtook])


async def take_up(
    river: River, receipts: Sequence[Receipt], late: Sequence[LateAnswer] = ()
) -> Overtook | None:
    """The same, but for what has to wait: None when nothing does, and all of it is durable."""
    for answer in late:
        river.unanswered.answered(answer.lane, answer.attempt)
    with river.unanswered.busy(river.clock):
        strangers = await _join(river, receipts)
        if late:
            answers = [Answer(*_named(x.attempt), x.outcome, x.lane) for x in late]
            await record_answers(river, answers)
        for receipt in receipts:
            if receipt.status == "complaint" and receipt.attempt:
                await _heed(river, receipt)
        batches = river.attempts.on_the_way({x.receipt.lane for x in strangers})
        if batches:
            return Overtook(strangers, batches)
        await _park_anew(river, strangers)
    return None


async def join_again(river: River, overtook: Iterable[Overtook]) -> None:
    """Reports whose batches are journalled now; all of it is durable when this returns."""
    with river.unanswered.busy(river.clock):
        strangers = await _join(river, [x.receipt for some in overtook for x in some.strangers])
        await _park_anew(river, strangers)


async def _heed(river: River, complaint: Receipt) -> None:
    """Who complains about a mail gets no more of its category by that channel. What is sent by law
    stays on: the complaint is on its timeline."""
    stream, attempt = _named(complaint.attempt)
    rows = (await river.journal.read([stream])).get(stream, [])
    state = state_of([row for row in rows if row.version <= attempt])
    if state.head is not None and state.route is not None:
        choice = SwitchCategory(state.head.category, state.route.channel, on=False)
        await choose(river, state.head.recipient, choice, COMPLAINT)


async def receive_parked(river: River, records: Sequence[Record]) -> int:
    """Try parked reports again; those still unmatched are parked anew, or journalled as such.

    Returns when the next of them is due (0: none is waiting). The caller acknowledges."""
    now_ms = river.clock.now_ms()
    waiting = _each_once(await readable(river, PARKED, records, _decode))
    wholes = {p.whole for p in waiting if p.next_ms <= now_ms} - {""}
    due = [p for p in waiting if p.next_ms <= now_ms or p.whole in wholes]
    again = [p for p in waiting if p.next_ms > now_ms and p.whole not in wholes]
    strangers = {id(r): whole for r, whole in await _join(river, [p.receipt for p in due])}
    given_up = []
    for p in due:
        whole = strangers.get(id(p.receipt))
        if whole is None:
            continue
        if now_ms - p.since_ms >= PARK_MS:
            given_up.append(p.receipt)
        else:
            again.append(
                replace(p, next_ms=now_ms + _rest_ms(p.tries), tries=p.tries + 1, whole=whole)
            )
    await _give_up(river, given_up)
    await _park(river, again)
    return min((p.next_ms for p in again), default=0)


async def receive_replies(river: River, replies: Sequence[Reply]) -> None:
    """Keep what citizens wrote, sealed, for whoever serves the topic. The caller acknowledges the
    carrier when this returns."""
    if not replies:
        return
    records = [
        Record(
            river.index.writer(reply.source),
            river.hub_key.seal(_encode(reply), INBOUND.encode()),
        )
        for reply in replies
    ]
    await river.topics.publish({INBOUND: records})


def _rest_ms(tries: int) -> int:
    return RETRY_MS << min(tries, 12)


def _each_once(parked: Iterable[Parked]) -> list[Parked]:
    """What is parked anew and then comes again, because its record was not acknowledged, would
    double with every restart: of several the one that waits longest stands for all."""
    last: dict[Receipt, Parked] = {}
    for p in parked:
        if p.receipt not in last or last[p.receipt].next_ms < p.next_ms:
            last[p.receipt] = p
    return list(last.values())


async def _join(river: River, receipts: Sequence[Receipt]) -> list[_Stranger]:
    """Record what can be joined; return what cannot yet."""
    quick: list[tuple[Receipt, Attempt]] = []
    slow: list[Receipt] = []
    for receipt in receipts:
        attempt = river.attempts.take(receipt.lane, receipt.ref)
        if attempt is not None and _is_plain(receipt, attempt):
            quick.append((receipt, attempt))
        else:
            slow.append(receipt)
    slow += await _append_quick(river, quick)
    return await _join_slowly(river, slow)


def _is_plain(receipt: Receipt, attempt: Attempt) -> bool:
    """Delivered, by the carrier it was sent through: nothing to decide and nothing to learn."""
    return receipt.status == "delivered" and receipt.carrier in ("", attempt.carrier)


async def _append_quick(river: River, quick: Sequence[tuple[Receipt, Attempt]]) -> list[Receipt]:
    """Delivered straight after accepted, which is nearly all: no read, no fold. The version
    decides whether that was true; what lost goes the long way."""
    if not quick:
        return []
    units = []
    for receipt, a in quick:
        moved = e.Moved(
            was=CATEGORY[Status.ACCEPTED], channel=a.channel, lane=a.lane, carrier=a.carrier,
            notice=a.notice, cls=a.cls, region=a.region,
        )  # fmt: skip
        event = e.Delivered(attempt=a.intent, code=receipt.code, at_ms=receipt.at_ms, moved=moved)
        after_accepted = a.intent + 2
        units.append(Unit((entry(a.stream, after_accepted, event),)))
    committed = await river.journal.append(Group(units))
    return [r for (r, _), won in zip(quick, committed.won, strict=True) if not won]


async def _join_slowly(river: River, receipts: Sequence[Receipt]) -> list[_Stranger]:
    """By the attempt the carrier echoes, else by its reference; every hit is checked against the
    journal, for carriers use references again."""
    if not receipts:
        return []
    keys = {_key(river, r): r for r in receipts if not r.attempt}
    found = await river.journal.lookup(list(keys)) if keys else {}
    streams = sorted({s for hits in found.values() for s in hits})
    states = {s: state_of(rows) for s, rows in (await river.journal.read(streams)).items()}
    answers: list[Answer] = []
    strangers: list[_Stranger] = []
    parts: dict[tuple[bytes, int, str], list[Receipt]] = {}
    for receipt in receipts:
        if receipt.attempt:
            answers.append(Answer(*_named(receipt.attempt), receipt, receipt.lane))
            continue
        hits = found.get(_key(river, receipt), [])
        named = [
            (s, attempt, ref)
            for s in hits
            if s in states
            for attempt, ref in states[s].refs.items()
            if ref == receipt.ref or receipt.ref in ref.split()
        ]
        if not named:
            strangers.append(_Stranger(receipt))
            continue
        stream, attempt, ref = max(named)  # reused: the newest stream is meant
        if ref == receipt.ref or receipt.status != "delivered":
            answers.append(Answer(stream, attempt, receipt, receipt.lane))
        else:
            parts.setdefault((stream, attempt, ref), []).append(receipt)
    for (stream, attempt, ref), reported in parts.items():
        state = states[stream]
        known = attempt in state.delivered or attempt in state.undelivered
        if known or {r.ref for r in reported} == set(ref.split()):
            answers.append(Answer(stream, attempt, reported[-1], reported[-1].lane))
        else:
            strangers += [_Stranger(r, ref) for r in reported]
    await record_answers(river, answers)
    return strangers


def _key(river: River, receipt: Receipt) -> tuple[bytes, bytes]:
    """Under which a report is looked for: the whole of a message is found by its first part."""
    return river.index.provider_ref(receipt.lane, receipt.ref.partition(" ")[0]), b""


def _named(attempt: str) -> tuple[bytes, int]:
    stream, _, version = attempt.partition(":")
    return bytes.fromhex(stream), int(version)


async def _park_anew(river: River, strangers: Sequence[_Stranger]) -> None:
    now_ms = river.clock.now_ms()
    await _park(river, [Parked(r, now_ms, now_ms + RETRY_MS, 0, whole) for r, whole in strangers])


async def _park(river: River, parked: Sequence[Parked]) -> None:
    if parked:
        records = [Record((p.whole or p.receipt.ref).encode(), _encode(p)) for p in parked]
        await river.topics.publish({PARKED: records})


async def _give_up(river: River, receipts: Sequence[Receipt]) -> None:
    """Journal as unmatched what joined nothing in its day."""
    units = []
    for r in receipts:
        stream = named_stream("receipt", r.lane, r.ref, r.status, str(r.at_ms))
        event = e.ReceiptUnmatched(lane=r.lane, ref=r.ref, status=r.status, at_ms=r.at_ms)
        kind = found_by_kind(river, "receipt", stream)
        units.append(Unit((entry(stream, 1, event),), (kind,)))
    if units:
        await river.journal.append(Group(units))
