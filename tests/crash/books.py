"""The books after a death: the journal and the carrier's ledger, side by side.

books = Books(store, ledger, accepted)
books.unsettled()       # what has still to come, while it is waited for
books.faults()          # what must not be, one sentence each
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import select

from channels.sandbox import read_ledger
from streams.core.codec import decode
from streams.core.events import AttemptIntended, StopRecorded
from streams.core.identity import event_key
from streams.core.lifecycle import NOT_SENT, State, Status, resume
from streams.core.policy import DEFAULT
from streams.journal.base import Row, Store
from streams.journal.projections import checkpoints
from streams.pipeline.river import state_of
from streams.projections import following
from tests.crash.upstream import SOURCE, Reported

PAGE = 5_000
LEGS = {"weather-warning": frozenset({"sms", "voice", "push", "inbox"})}
"""Notices that go out by every channel at once, a leg each; all others have one."""

SENT_AGAIN_MAX = 3
"""How often a message of a class that is repeated may be taken."""

SHOWN = 3
"""Legs whose rows are told of when they were waited for in vain."""

INTENT = "AttemptIntended."

INBOX = "inbox"
"""Keeps no ledger: what it takes is in the journal's own database."""

SENT = frozenset({Status.DELIVERED, Status.UNDELIVERED, Status.ACCEPTED, Status.NO_RECEIPT})

TIMED = frozenset({Status.OPEN, Status.UNKNOWN, Status.BACKOFF, Status.HELD})
"""What only the clock moves on."""


class Books:
    """Everything journalled after ``start``, and the ledger. ``accepted`` are the events that
    upstream was told are safe."""

    def __init__(
        self, store: Store, ledger: Path, accepted: list[Reported], start: int = 0
    ) -> None:
        self._store = store
        self._ledger = ledger
        self.accepted = accepted
        self._pos = start
        self.rows: dict[bytes, list[Row]] = defaultdict(list)
        self.states: dict[bytes, State] = {}

    def read_on(self) -> int:
        """Take in what was journalled since; up to where that is."""
        touched: set[bytes] = set()
        while page := self._store.since(self._pos, PAGE):
            self._pos = page[-1].pos
            for row in page:
                self.rows[row.stream].append(row)
                touched.add(row.stream)
        for stream in touched:
            state = state_of(self.rows[stream])
            if state.head is not None:
                self.states[stream] = state
        return self._pos

    # While it is waited for

    def missing(self) -> list[Reported]:
        """Accepted events of which nothing is journalled so far."""
        known = {state.head.event for state in self.states.values() if state.head}
        return [one for one in self.accepted if event_key(SOURCE, one.id) not in known]

    def unsettled(self, but: frozenset[Status] = frozenset()) -> dict[bytes, State]:
        """Legs that something has still to come of, without those that stand at ``but``."""
        return {
            stream: state
            for stream, state in self.states.items()
            if not state.terminal and state.status not in but
        }

    def next_due_ms(self, but: frozenset[Status] = frozenset()) -> int:
        """When the clock moves one of them on; 0: somebody has to do something first."""
        needs = [
            resume(state, DEFAULT).due_ms if state.status in TIMED else 0
            for state in self.unsettled(but).values()
        ]
        return min(needs, default=0)

    def behind(self) -> dict[str, int]:
        """The read models that have not taken in all of it, and where they stand."""
        return {name: pos for name, pos in checkpoints(self._store).items() if pos < self._pos}

    def __str__(self) -> str:
        """Where everything stands, for whoever waits in vain."""
        waiting = self.unsettled()
        left = Counter(str(state.status) for state in waiting.values())
        first = [
            (stream.hex(), [(row.pos, row.at_ms, row.type) for row in self.rows[stream]])
            for stream in list(waiting)[:SHOWN]
        ]
        return (
            f"{len(self.missing())} events missing, {dict(left)}, behind {self.behind()}: {first}"
        )

    # What must not be

    def faults(self) -> list[str]:
        """One sentence for each; empty when the books agree."""
        self.read_on()
        return [
            *self._lost(), *self._left(), *self._sent(), *self._stopped(), *self._called(),
            *self._refused(), *self._store.verify(), *self._projected(),
        ]  # fmt: skip

    def _lost(self) -> Iterator[str]:
        """Every accepted event has each of its legs once."""
        legs: defaultdict[bytes, Counter[tuple[str, str]]] = defaultdict(Counter)
        for state in self.states.values():
            assert state.head is not None
            legs[state.head.event][state.head.notice, state.head.leg] += 1
        for one in self.accepted:
            planned = {(one.notice, leg): 1 for leg in LEGS.get(one.notice, [""])}
            if (found := legs[event_key(SOURCE, one.id)]) != planned:
                yield f"{one.id}: its legs are {dict(found)}, not {planned}"

    def _left(self) -> Iterator[str]:
        for stream, state in self.unsettled().items():
            yield f"{stream.hex()} is left {state.status}"

    def _sent(self) -> Iterator[str]:
        """What the ledger took is what the journal says was sent, and never twice."""
        taken = self._taken()
        for stream, state in self.states.items():
            assert state.head is not None
            again = DEFAULT.classes[state.head.cls].resend_unknown
            for channel, times in taken[stream].items():
                if times > (SENT_AGAIN_MAX if channel in again else 1):
                    yield f"{stream.hex()} ({state.head.cls}) was sent {times} times by {channel}"
            if state.status in NOT_SENT and taken[stream]:
                yield f"{stream.hex()} is {state.status}, and was sent"
            if state.status in SENT and not state.accepted:
                yield f"{stream.hex()} is {state.status}, and no attempt was accepted"
            for attempt in state.accepted:
                channel = self._channel_of(stream, attempt)
                if channel != INBOX and not taken[stream][channel]:
                    yield f"{stream.hex()} was accepted by {channel}, and was never sent there"

    def _channel_of(self, stream: bytes, attempt: int) -> str:
        """Whose attempt it was: what failed by the last channel may have been taken by another."""
        [intended] = [row for row in self.rows[stream] if row.version == attempt]
        intent = decode(intended.type, intended.data)
        assert isinstance(intent, AttemptIntended)
        return intent.lane.partition("-")[0]

    def _taken(self) -> defaultdict[bytes, Counter[str]]:
        """How often the carrier took each leg, by channel."""
        taken: defaultdict[bytes, Counter[str]] = defaultdict(Counter)
        for entry in read_ledger(self._ledger):
            if entry.outcome == "taken":
                stream, channel = entry.attempt.partition(":")[0], entry.lane.partition("-")[0]
                taken[bytes.fromhex(stream)][channel] += 1
        return taken

    def _stopped(self) -> Iterator[str]:
        """What was settled before its intent was never intended. Of one commit, the stop sees what
        the others wrote, and says that it came too late."""
        stops: dict[str, Row] = {}
        for rows in self.rows.values():
            if isinstance(stop := decode(rows[0].type, rows[0].data), StopRecorded):
                stops[stop.correlation] = rows[0]
        for stream, state in self.states.items():
            assert state.head is not None
            stopped = stops.get(state.head.correlation)
            if stopped is None or state.head.notice == "violation-paid":
                continue
            for row in self.rows[stream]:
                later = row.pos > stopped.pos and row.at_ms > stopped.at_ms
                if later and row.type.startswith(INTENT):
                    yield f"{stream.hex()} was settled at {stopped.pos} and intended at {row.pos}"

    def _called(self) -> Iterator[str]:
        """No carrier was called without an intent, and none past its deadline."""
        deadlines = {
            f"{stream.hex()}:{row.version}": intent.call_before_ms
            for stream, rows in self.rows.items()
            for row in rows
            if isinstance(intent := decode(row.type, row.data), AttemptIntended)
        }
        for entry in read_ledger(self._ledger):
            if bytes.fromhex(entry.attempt.partition(":")[0]) not in self.states:
                continue
            if entry.attempt not in deadlines:
                yield f"{entry.attempt} came to the carrier without an intent"
            elif (late_ms := entry.at_ms - deadlines[entry.attempt]) > 0:
                yield f"{entry.attempt} came to the carrier {late_ms} ms late"

    def _refused(self) -> Iterator[str]:
        """Upstream reports nothing that is refused."""
        for rows in self.rows.values():
            for row in rows:
                if row.type.startswith("Quarantined."):
                    yield f"row {row.pos} is in quarantine: {decode(row.type, row.data)}"

    def _projected(self) -> Iterator[str]:
        """The read models that followed are, byte for byte, those made again from the first row."""
        if behind := self.behind():
            yield f"the read models stand at {behind}, the journal at {self._pos}"
        followed = _read_models(self._store)
        for projection in following.ALL:
            for _ in following.rebuild(self._store, projection.name, PAGE):
                pass
        for table, rows in _read_models(self._store).items():
            if rows != followed[table]:
                yield f"{table} made again differs from the one that followed"


def _read_models(store: Store) -> dict[str, list[str]]:
    """The rows of every table, in an order of their own."""
    tables = [table for projection in following.ALL for table in projection.tables]
    with store.readers.connect() as connection:
        return {
            table.name: sorted(repr(tuple(row)) for row in connection.execute(select(table)))
            for table in tables
        }
