"""What carriers brought, until the hub has it for good; only then do they hear so.

A long text is reported part by part. Where it is remembered that parts belong together, their
receipts are held until all are there, and become one; what is not complete in time is handed on
part by part, for the hub knows from its journal what belongs together.
"""

from collections import deque
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from channels.base import Receipt, Reply
from channels.carrier_batch import BETWEEN
from channels.carrier_session import Brought, Session

KEPT_MAX = 20_000
"""Receipts and replies in hand, handed out or not, of all lanes: some 10 MB. Beyond it carriers
are told to wait."""

CROWDED = KEPT_MAX // 2
"""With so many in hand nothing more is sent: what was written finds room for its reports."""

TAKE_MAX = 1_000
"""At most so many are handed out together: one transaction of the journal."""

PART_WAIT_MS = 30_000
"""How long the first receipts of a long text wait for the last."""

WHOLES_KEPT = 50_000
"""Long texts whose parts are remembered; as many again of those before."""


ALONE_KEPT = 2_000
"""Receipts that may prove to be of a part, and as many before: the answers of a text's parts come
together."""


class _Whole:
    """A long text on its way: which parts are not reported yet, and the receipts held."""

    __slots__ = ("held", "lane", "missing", "ref", "since_ms")

    def __init__(self, lane: str, ref: str) -> None:
        self.lane = lane
        self.ref = ref
        self.missing = set(ref.split(BETWEEN))
        self.held: list[_Kept] = []
        self.since_ms = 0


class _Kept(msgspec.Struct, frozen=True):
    """One thing brought, and to whom to say that it is durable."""

    what: Receipt | Reply | None
    session: Session
    acknowledgement: bytes


class Handed(NamedTuple):
    """What is handed out together; ``token`` acknowledges it, 0 when there is nothing."""

    receipts: tuple[Receipt, ...]
    replies: tuple[Reply, ...]
    token: int


class Inbox:
    """Bounded. Knows no time but what it is told."""

    def __init__(self) -> None:
        self.expects_parts = False
        """Whether a long text was ever written: before that no receipt is of a part."""
        self._waiting: deque[_Kept] = deque()
        self._handed: dict[int, list[_Kept]] = {}
        self._kept = 0
        self._token = 0
        self._parts: dict[tuple[str, str], _Whole] = {}
        self._older: dict[tuple[str, str], _Whole] = {}
        self._alone: set[tuple[str, str]] = set()
        self._alone_before: set[tuple[str, str]] = set()
        """Lately reported, and not known to be a part."""
        self._incomplete: dict[_Whole, None] = {}
        """With receipts in hand, the oldest first."""

    def __len__(self) -> int:
        """How many wait to be handed out."""
        return len(self._waiting)

    @property
    def crowded(self) -> bool:
        """Whether more waits than was journalled in time: each message sent brings more of it."""
        return self._kept >= CROWDED

    def remember(self, lane: str, ref: str) -> None:
        """A long text went under these references. One of which a part was reported before that
        was known goes part by part: its other receipts would wait for one that is gone."""
        parts = {(lane, part) for part in ref.split(BETWEEN)}
        if not (parts.isdisjoint(self._alone) and parts.isdisjoint(self._alone_before)):
            return
        if len(self._parts) >= WHOLES_KEPT:
            self._parts, self._older = {}, self._parts
        whole = _Whole(lane, ref)
        self._parts.update(dict.fromkeys(parts, whole))

    def keep(self, session: Session, brought: Brought) -> bool:
        """Whether there was room for it."""
        if self._kept >= KEPT_MAX:
            return False
        self._kept += 1
        kept = _Kept(brought.what, session, brought.acknowledgement)
        if not self.expects_parts or type(kept.what) is not Receipt:
            self._waiting.append(kept)
            return True
        key = (kept.what.lane, kept.what.ref)
        whole = self._parts.get(key) or self._older.get(key)
        if whole is not None:
            self._join(whole, kept)
            return True
        self._waiting.append(kept)
        if len(self._alone) >= ALONE_KEPT:
            self._alone, self._alone_before = set(), self._alone
        self._alone.add(key)
        return True

    def take(self, now_ms: int) -> Handed:
        """The next of what waits."""
        self._give_up_waiting(now_ms)
        if not self._waiting:
            return Handed((), (), 0)
        taken = [self._waiting.popleft() for _ in range(min(len(self._waiting), TAKE_MAX))]
        self._token += 1
        self._handed[self._token] = taken
        return Handed(
            tuple([kept.what for kept in taken if type(kept.what) is Receipt]),
            tuple([kept.what for kept in taken if type(kept.what) is Reply]),
            self._token,
        )

    def next_ms(self) -> int:
        """When a part has waited long enough; 0 when none waits."""
        for whole in self._incomplete:
            return whole.since_ms + PART_WAIT_MS
        return 0

    def acknowledge(self, token: int) -> None:
        """What was handed out under this token is durable: say so, in one write a link."""
        taken = self._handed.pop(token, ())
        self._kept -= len(taken)
        frames: dict[Session, list[bytes]] = {}
        for kept in taken:
            frames.setdefault(kept.session, []).append(kept.acknowledgement)
        for session, written in frames.items():
            session.write(written)

    def _join(self, whole: _Whole, kept: _Kept) -> None:
        """One more part of it was reported."""
        receipt = kept.what
        assert isinstance(receipt, Receipt)
        whole.missing.discard(receipt.ref)
        whole.held.append(kept)
        if receipt.status != "delivered" or not whole.missing:
            self._release(whole, replace(receipt, ref=whole.ref))
        elif whole not in self._incomplete:
            whole.since_ms = kept.session.heard_ms
            self._incomplete[whole] = None

    def _release(self, whole: _Whole, receipt: Receipt) -> None:
        """It is known what became of it: one receipt stands for all that are held."""
        self._forget(whole)
        *others, last = whole.held
        self._waiting.extend(replace(kept, what=None) for kept in others)
        self._waiting.append(replace(last, what=receipt))

    def _give_up_waiting(self, now_ms: int) -> None:
        while self._incomplete:
            whole = next(iter(self._incomplete))
            if whole.since_ms + PART_WAIT_MS > now_ms:
                return
            self._forget(whole)
            self._waiting.extend(whole.held)

    def _forget(self, whole: _Whole) -> None:
        self._incomplete.pop(whole, None)
        for part in whole.ref.split(BETWEEN):
            self._parts.pop((whole.lane, part), None)
            self._older.pop((whole.lane, part), None)
