"""The sandbox carrier: one that fails in every way a real one does, and the same way each time.

Pure: time comes with every call, and what befalls a message is hashed from the seed and its
attempt id, never drawn from the order of calls. The same message meets the same fate in whichever
batch it comes, in the simulator as behind a socket. As a real carrier does, it has no idempotency:
a message submitted twice is taken twice, and the ledger shows it.

Destinations whose last eight characters (before an ``@``) are one of ``SPECIAL`` have a fixed
fate, so that anybody can see one from a keyboard: ``138 9999 0001`` is never reached, and neither
is ``99990001@example.com``.
"""

from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from heapq import heappop, heappush
from struct import Struct
from typing import Literal, NamedTuple

import msgspec

from channels.base import (
    Accepted,
    Collected,
    Message,
    NotSent,
    Outcome,
    Permanent,
    Receipt,
    ReportStatus,
    Throttled,
    Transient,
    Unknown,
)
from channels.carriers import CARRIERS, carrier_of

NEVER = 0
"""The due time of an answer that never comes."""

PENDING_MAX = 1_000_000
"""Receipts kept for a hub that is away; what is submitted beyond them is throttled. About 300
bytes each."""

UNACKNOWLEDGED_MAX = 100_000
"""Receipts out and not acknowledged; like a carrier's window, it stops the flow of more."""

WINDOW_MS = 100
"""When to ask again after so many were out."""

COLLECT_MAX = 2_000
"""Receipts in one answer: a frame of some 200 kB."""

THROTTLED_ONCE_MAX = 10_000
"""How many streams the special number that throttles once remembers."""

TAKEN_ANYWAY = 1 << 31
"""Half of what was under way when a connection was reset had been taken."""


class Faults(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How probable each fault is for one message (0 to 1), and how long things take (ms).

    Not taken: ``not_sent`` (connection refused), ``throttled``, ``transient``, ``bad_recipient``,
    ``bad_content``, ``bad_account``; ``ported`` numbers are refused with code 9 by a lane named
    after a carrier that is not their own. Taken, in doubt: ``answer_lost``; ``answer_late`` (after
    the batch has closed); ``reset`` (this message and the rest of its batch are unknown, and half
    of them were taken). Taken and answered: ``slow`` (within the second), ``undelivered``,
    ``receipt_lost``, ``receipt_repeated``, ``receipt_late`` (after younger ones),
    ``receipt_early`` (before the answer), ``conflicting`` (a second report says the contrary).
    """

    not_sent: float = 0.0
    throttled: float = 0.0
    transient: float = 0.0
    bad_recipient: float = 0.0
    bad_content: float = 0.0
    bad_account: float = 0.0
    ported: float = 0.0
    reset: float = 0.0
    answer_lost: float = 0.0
    answer_late: float = 0.0
    slow: float = 0.0
    undelivered: float = 0.0
    receipt_lost: float = 0.0
    receipt_repeated: float = 0.0
    receipt_late: float = 0.0
    receipt_early: float = 0.0
    conflicting: float = 0.0

    answer_ms: int = 20
    slow_ms: int = 800
    late_ms: int = 5_000
    receipt_ms: int = 1_000
    grid_ms: int = 10
    """Due times are put on multiples of this, so that what comes together is handled together."""


FAULTS: tuple[str, ...] = tuple(
    field.name for field in msgspec.structs.fields(Faults) if field.type is float
)
_DRAWN = tuple(fault for fault in FAULTS if fault != "ported")
"""What befalls an attempt; being ported befalls a number."""

ROUGH = Faults(
    not_sent=0.01,
    throttled=0.01,
    transient=0.02,
    bad_recipient=0.005,
    bad_content=0.002,
    bad_account=0.0005,
    ported=0.02,
    reset=0.001,
    answer_lost=0.005,
    answer_late=0.01,
    slow=0.05,
    undelivered=0.03,
    receipt_lost=0.02,
    receipt_repeated=0.03,
    receipt_late=0.05,
    receipt_early=0.03,
    conflicting=0.01,
)
"""A bad day with every kind of fault in it."""

SPECIAL: dict[str, str] = {
    "99990001": "undelivered",
    "99990002": "bad_recipient",
    "99990003": "answer_lost",
    "99990004": "throttled",  # once a notification, then accepted
    "99990005": "ported",
    "99990006": "transient",
    "99990007": "answer_late",
    "99990008": "receipt_lost",
    "99990009": "receipt_repeated",
    "99990010": "receipt_early",
    "99990011": "conflicting",
    "99990012": "not_sent",
    "99990013": "bad_content",
    "99990014": "bad_account",
    "99990015": "receipt_late",
    "99990016": "reset",
    "99990017": "slow",
}

REFUSALS: dict[str, Outcome] = {
    "throttled": Throttled("8", 200),
    "transient": Transient("69"),
    "bad_recipient": Permanent("13", "recipient"),
    "bad_content": Permanent("MI:0020", "content"),
    "bad_account": Permanent("11", "account"),
}
"""Answers to what is not taken, in the words of the carriers' protocols. The first that befalls a
message is the answer."""

_AFTER_TAKING: frozenset[str] = frozenset(
    (
        "answer_lost",
        "answer_late",
        "slow",
        "undelivered",
        "receipt_lost",
        "receipt_repeated",
        "receipt_late",
        "receipt_early",
        "conflicting",
    )
)
"""Faults of a message that was taken, counted when it is."""

NOT_SENT = NotSent("connection refused")
WRONG_CARRIER = Permanent("9", "lane")
RESET = Unknown("reset by peer")
FULL = Throttled("queue full", 1_000)


class Entry(msgspec.Struct, frozen=True):
    """One line of the ledger: what came over the wire, and what was done with it.

    ``to`` is a hash of the destination; ``faults`` and ``carrier`` say what will become of it, so
    that its receipts can be worked out again from the line alone.
    """

    seq: int
    at_ms: int
    lane: str
    attempt: str
    to: str
    ref: str
    segments: int
    outcome: Literal["taken", "refused"]
    code: str = ""
    faults: tuple[str, ...] = ()
    carrier: str = ""


class Answer(NamedTuple):
    """What comes of one message, and when; an outcome of None never comes (due ``NEVER``)."""

    outcome: Outcome | None
    due_ms: int


class _Fate(NamedTuple):
    """What befalls one attempt. ``spread`` and ``taken`` are draws of 32 bits each."""

    faults: tuple[str, ...]
    spread: int
    taken: int


class _Pending(NamedTuple):
    """A receipt with its identity: which report (0, 1 or 2) about which ledger entry."""

    seq: int
    report: int
    receipt: Receipt


_DRAWS = Struct(f"<{len(_DRAWN)}H2I")
"""Sixteen bits for each fault, so that one's probability does not move another's victims."""


class Sandbox:
    """The carrier. Every call brings the hub's time; nothing happens between calls.

    ``hits`` counts how often each fault struck, ``taken`` and ``refused`` what became of the rest.
    """

    def __init__(self, seed: int, faults: Faults = Faults()) -> None:  # noqa: B008 frozen value
        self.faults = faults
        self.hits: Counter[str] = Counter()
        self._key = seed.to_bytes(8, "little", signed=True)
        self._limits = [
            (index, fault, round(getattr(faults, fault) * 0x10000))
            for index, fault in enumerate(_DRAWN)
            if getattr(faults, fault) > 0
        ]
        self._ported_limit = round(faults.ported * 0x10000)
        self._seq = 0
        self._entries: list[Entry] = []
        self._throttled_once: OrderedDict[str, None] = OrderedDict()
        self._pending: dict[int, deque[_Pending]] = {}
        self._pending_count = 0
        self._due: list[int] = []
        self._token = 0
        self._out: dict[int, list[_Pending]] = {}
        self._out_count = 0

    def submit(self, lane: str, messages: Sequence[Message], now_ms: int) -> list[Answer]:
        """Take or refuse each message; the answers stand in the order of ``messages``."""
        answers: list[Answer] = []
        broken = False
        for message in messages:
            fate = self._fate(message)
            if not broken and "reset" in fate.faults:
                broken = True
                self.hits["reset"] += 1
            if broken:
                if fate.taken < TAKEN_ANYWAY:
                    self._answer(lane, message, fate, now_ms)  # nobody hears it
                answers.append(Answer(RESET, self._grid(now_ms)))
            else:
                answers.append(self._answer(lane, message, fate, now_ms))
        return answers

    def collect(self, now_ms: int, limit: int = COLLECT_MAX) -> Collected:
        """The receipts due by now, oldest first, at most ``limit``, under a token of their own."""
        room = min(limit, UNACKNOWLEDGED_MAX - self._out_count)
        if not room:
            return Collected((), (), 0, now_ms + WINDOW_MS)
        out: list[_Pending] = []
        while len(out) < room and self._due and self._due[0] <= now_ms:
            bucket = self._pending[self._due[0]]
            while bucket and len(out) < room:
                out.append(bucket.popleft())
            if not bucket:
                del self._pending[heappop(self._due)]
        self._pending_count -= len(out)
        self._out_count += len(out)
        token = 0
        if out:
            token = self._token = self._token + 1
            self._out[token] = out
        receipts = tuple(pending.receipt for pending in out)
        return Collected(receipts, (), token, self._due[0] if self._due else 0)

    def acknowledge(self, token: int) -> list[tuple[int, int]]:
        """The receipts of this token are durable with the hub. Answers their (seq, report)."""
        out = self._out.pop(token, [])
        self._out_count -= len(out)
        return [(pending.seq, pending.report) for pending in out]

    def disconnect(self, tokens: Iterable[int] | None = None) -> None:
        """A connection ended: its unacknowledged receipts (all, unless told) come again."""
        for token in sorted(self._out if tokens is None else tokens):
            out = self._out.pop(token, [])
            self._out_count -= len(out)
            for pending in out:
                self._expect(pending)

    def drain(self) -> list[Entry]:
        """The ledger entries since the last call: to be written before anything is answered."""
        entries, self._entries = self._entries, []
        return entries

    def restore(self, entry: Entry, acknowledged: Callable[[int, int], bool]) -> None:
        """Read one ledger line back in: its receipts are due again, save what was acknowledged."""
        self._seq = max(self._seq, entry.seq)
        if entry.outcome == "taken":
            for pending in self._receipts(entry):
                if not acknowledged(pending.seq, pending.report):
                    self._expect(pending)

    def _fate(self, message: Message) -> _Fate:
        *draws, spread, taken = _DRAWS.unpack(
            blake2b(message.attempt.encode(), key=self._key, digest_size=_DRAWS.size).digest()
        )
        special = _special(message.to)
        if special is not None:
            return _Fate((special,), spread, taken)
        faults = tuple(fault for index, fault, limit in self._limits if draws[index] < limit)
        return _Fate(faults, spread, taken)

    def _answer(self, lane: str, message: Message, fate: _Fate, now_ms: int) -> Answer:
        due_ms = self._grid(now_ms + self.faults.answer_ms)
        if "not_sent" in fate.faults:
            self.hits["not_sent"] += 1
            return Answer(NOT_SENT, self._grid(now_ms))
        refusal = self._refusal(lane, message, fate)
        if refusal is not None:
            code = getattr(refusal, "code", "")
            self._write(lane, message, now_ms, "", "refused", code)
            return Answer(refusal, due_ms)
        entry = self._take(lane, message, fate, now_ms)
        if "answer_lost" in fate.faults:
            return Answer(None, NEVER)
        return Answer(Accepted(entry.ref), self._answer_due(fate, now_ms))

    def _refusal(self, lane: str, message: Message, fate: _Fate) -> Outcome | None:
        for fault, outcome in REFUSALS.items():
            if fault in fate.faults and not (fault == "throttled" and self._was_throttled(message)):
                self.hits[fault] += 1
                return outcome
        network = lane.rpartition("-")[2]
        if network in CARRIERS and self._network_of(message.to) not in ("", network):
            self.hits["ported"] += 1
            return WRONG_CARRIER
        if self._pending_count >= PENDING_MAX:
            return FULL
        return None

    def _was_throttled(self, message: Message) -> bool:
        """Whether the number that throttles once has done so for this stream (and now it has)."""
        if not _special(message.to):
            return False
        stream = message.attempt.partition(":")[0]
        if stream in self._throttled_once:
            return True
        self._throttled_once[stream] = None
        if len(self._throttled_once) > THROTTLED_ONCE_MAX:
            self._throttled_once.popitem(last=False)
        return False

    def _network_of(self, to: str) -> str:
        """The network a ported number has gone to, "" for one that has stayed where it was."""
        special = _special(to) == "ported"
        if not special and not self._ported_limit:
            return ""
        draw = blake2b(to.encode(), key=self._key, person=b"ported", digest_size=4).digest()
        if not special and int.from_bytes(draw[:2], "little") >= self._ported_limit:
            return ""
        issuer = carrier_of(to)
        others = [carrier for carrier in CARRIERS if carrier != issuer]
        return others[draw[3] % len(others)] if issuer in CARRIERS else ""

    def _take(self, lane: str, message: Message, fate: _Fate, now_ms: int) -> Entry:
        entry = self._write(
            lane,
            message,
            now_ms,
            f"{self._seq + 1:012x}",
            "taken",
            faults=fate.faults,
            carrier=self._network_of(message.to),
        )
        for fault in fate.faults:
            if fault in _AFTER_TAKING:
                self.hits[fault] += 1
        for pending in self._receipts(entry):
            self._expect(pending)
        return entry

    def _write(
        self,
        lane: str,
        message: Message,
        now_ms: int,
        ref: str,
        outcome: Literal["taken", "refused"],
        code: str = "",
        faults: tuple[str, ...] = (),
        carrier: str = "",
    ) -> Entry:
        self._seq += 1
        to = blake2b(message.to.encode(), key=self._key, digest_size=8).hexdigest()
        entry = Entry(
            self._seq,
            now_ms,
            lane,
            message.attempt,
            to,
            ref,
            message.segments,
            outcome,
            code,
            faults,
            carrier,
        )
        self._entries.append(entry)
        return entry

    def _receipts(self, entry: Entry) -> list[_Pending]:
        """The reports about a message that was taken: none, one, or up to three."""
        faults, found = self.faults, entry.faults
        if "receipt_lost" in found:
            return []
        status: ReportStatus = "undelivered" if "undelivered" in found else "delivered"
        due_ms = entry.at_ms + faults.receipt_ms
        if "receipt_early" in found:
            due_ms = entry.at_ms
        elif "receipt_late" in found:
            due_ms += faults.late_ms
        reports = [self._receipt(entry, status, due_ms)]
        if "receipt_repeated" in found:
            reports.append(reports[0])
        if "conflicting" in found:
            contrary: ReportStatus = "delivered" if status == "undelivered" else "undelivered"
            reports.append(self._receipt(entry, contrary, due_ms + faults.receipt_ms))
        return [_Pending(entry.seq, index, receipt) for index, receipt in enumerate(reports)]

    def _receipt(self, entry: Entry, status: ReportStatus, due_ms: int) -> Receipt:
        code = "DELIVRD" if status == "delivered" else "UNDELIV"
        due_ms = self._grid(due_ms)
        return Receipt(entry.lane, entry.ref, status, code, due_ms, entry.attempt, entry.carrier)

    def _expect(self, pending: _Pending) -> None:
        due_ms = pending.receipt.at_ms
        bucket = self._pending.get(due_ms)
        if bucket is None:
            self._pending[due_ms] = bucket = deque()
            heappush(self._due, due_ms)
        bucket.append(pending)
        self._pending_count += 1

    def _answer_due(self, fate: _Fate, now_ms: int) -> int:
        faults = self.faults
        due_ms = now_ms + faults.answer_ms
        if "answer_late" in fate.faults:
            due_ms += faults.late_ms + (faults.late_ms * fate.spread >> 32)
        elif "slow" in fate.faults or "receipt_early" in fate.faults:
            due_ms += faults.slow_ms * fate.spread >> 32
        return self._grid(due_ms)

    def _grid(self, ms: int) -> int:
        return -(-ms // self.faults.grid_ms) * self.faults.grid_ms


def _special(to: str) -> str | None:
    return SPECIAL.get(to.partition("@")[0][-8:])
