"""receive(batch): what carriers report later joins its attempt and becomes a fact.

A report is joined from the dispatcher's memory, else by (lane, reference), else by the attempt it
echoes. One that joins nothing may simply be early: it is parked durably before it is acknowledged,
tried again until its day has passed, and then journalled as unmatched, never dropped.
"""

from collections.abc import Iterable, Sequence

import msgspec

from channels.base import LateAnswer, Receipt
from streams.core import events as e
from streams.core.identity import named_stream
from streams.core.lifecycle import CATEGORY, Status
from streams.journal.base import Group, Lookup, Unit
from streams.pipeline.answers import Answer, record_answers
from streams.pipeline.river import Attempt, River, entry, state_of
from streams.topics import PARKED, Record

PARK_MS = 24 * 3_600_000
"""Longer than any dispatcher may be paused before its outcome is written."""

RETRY_MS = 1_000


class Parked(msgspec.Struct, frozen=True, array_like=True):
    """A report waiting for the outcome that names its reference."""

    receipt: Receipt
    since_ms: int
    next_ms: int
    tries: int


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Parked).decode


async def receive(
    river: River, receipts: Sequence[Receipt], late: Sequence[LateAnswer] = ()
) -> None:
    """Journal a batch of reports and late answers. The caller acknowledges the carrier when this
    returns."""
    strangers = await _join(river, receipts)
    if late:
        for answer in late:
            river.unanswered.answered(answer.lane, answer.attempt)
        await record_answers(river, [Answer(*_named(x.attempt), x.outcome, x.lane) for x in late])
    if strangers:
        now_ms = river.clock.now_ms()
        parked = [Parked(r, now_ms, now_ms + RETRY_MS, 0) for r in strangers]
        await _park(river, parked)


async def receive_parked(river: River, records: Sequence[Record]) -> int:
    """Try parked reports again; those still unmatched are parked anew, or journalled as such.

    Returns when the next of them is due (0: none is waiting). The caller acknowledges."""
    now_ms = river.clock.now_ms()
    waiting = _each_once(map(_decode, (r.value for r in records)))
    due = [p for p in waiting if p.next_ms <= now_ms]
    strangers = set(map(id, await _join(river, [p.receipt for p in due])))
    again = [p for p in waiting if p.next_ms > now_ms]
    given_up = []
    for p in due:
        if id(p.receipt) not in strangers:
            continue
        if now_ms - p.since_ms >= PARK_MS:
            given_up.append(p.receipt)
        else:
            again.append(
                Parked(p.receipt, p.since_ms, now_ms + (RETRY_MS << min(p.tries, 12)), p.tries + 1)
            )
    await _give_up(river, given_up)
    await _park(river, again)
    return min((p.next_ms for p in again), default=0)


def _each_once(parked: Iterable[Parked]) -> list[Parked]:
    """What is parked anew and then comes again, because its record was not acknowledged, would
    double with every restart: of several the one that waits longest stands for all."""
    last: dict[Receipt, Parked] = {}
    for p in parked:
        if p.receipt not in last or last[p.receipt].next_ms < p.next_ms:
            last[p.receipt] = p
    return list(last.values())


async def _join(river: River, receipts: Sequence[Receipt]) -> list[Receipt]:
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
        units.append(Unit((entry(a.stream, a.version + 1, event),)))
    committed = await river.journal.append(Group(units))
    return [r for (r, _), won in zip(quick, committed.won, strict=True) if not won]


async def _join_slowly(river: River, receipts: Sequence[Receipt]) -> list[Receipt]:
    """By the attempt the carrier echoes, else by its reference; every hit is checked against the
    journal, for carriers use references again."""
    if not receipts:
        return []
    keys = {(river.index.provider_ref(r.lane, r.ref), b""): r for r in receipts if not r.attempt}
    found = await river.journal.lookup(list(keys)) if keys else {}
    streams = sorted({s for hits in found.values() for s in hits})
    states = {s: state_of(rows) for s, rows in (await river.journal.read(streams)).items()}
    answers, strangers = [], []
    for receipt in receipts:
        if receipt.attempt:
            answers.append(Answer(*_named(receipt.attempt), receipt, receipt.lane))
            continue
        hits = found.get((river.index.provider_ref(receipt.lane, receipt.ref), b""), [])
        named = [
            (s, attempt)
            for s in hits
            if s in states
            for attempt, ref in states[s].refs.items()
            if ref == receipt.ref
        ]
        if named:
            stream, attempt = max(named)  # reused: the newest stream is meant
            answers.append(Answer(stream, attempt, receipt, receipt.lane))
        else:
            strangers.append(receipt)
    await record_answers(river, answers)
    return strangers


def _named(attempt: str) -> tuple[bytes, int]:
    stream, _, version = attempt.partition(":")
    return bytes.fromhex(stream), int(version)


async def _park(river: River, parked: Sequence[Parked]) -> None:
    if parked:
        records = [Record(p.receipt.ref.encode(), _encode(p)) for p in parked]
        await river.topics.publish({PARKED: records})


async def _give_up(river: River, receipts: Sequence[Receipt]) -> None:
    """Journal as unmatched what joined nothing in its day."""
    units = []
    for r in receipts:
        stream = named_stream("receipt", r.lane, r.ref, r.status, str(r.at_ms))
        event = e.ReceiptUnmatched(lane=r.lane, ref=r.ref, status=r.status, at_ms=r.at_ms)
        kind = Lookup(river.index.kind("receipt"), b"", stream)
        units.append(Unit((entry(stream, 1, event),), (kind,)))
    if units:
        await river.journal.append(Group(units))
