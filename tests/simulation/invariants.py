"""The invariants I1 to I19: what is watched while a seed runs, and what must hold at its end.

Each is one method, counts how often it had something to check (``hits``) and says what is wrong
in one sentence. The carrier's ledger, the scenario and the journal's rows are the witnesses; the
hub's own view of itself is believed only where another witness can contradict it.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Sequence

from channels.base import Collected, Message
from channels.sandbox_model import Entry
from preferences import store as preference_store
from preferences.keywords import keyword
from streams.core import events as e
from streams.core.identity import event_key
from streams.core.lifecycle import CATEGORY, NOT_SENT, TERMINAL, Status
from streams.pipeline.receive import _decode as decode_parked
from streams.pipeline.replies import BY
from streams.pipeline.replies import _decode as decode_reply
from streams.pipeline.river import decode_dispatch, open_content
from streams.pipeline.shifting import SHIFTED
from streams.pipeline.stopping import STOP
from streams.topics import INBOUND, PARKED, ROUTED, Record
from tests.simulation.book import Line
from tests.simulation.catalog import ANSWER, ASKED, CLASS, LEGS, OCCASIONS, POLICY, STOPS
from tests.simulation.provider import Provider
from tests.simulation.replies import Words
from tests.simulation.topics import PARTITIONS, Partition
from tests.simulation.world import World

SLACK_MS = 2 * 3_600_000
"""In a storm nobody may be alive and awake for an hour; the sweep, which must not be needed, is
later still."""

PAUSED_MS = 5_000
"""How long after a worker knows of a pause the calls may last that it had begun."""

_ANSWERS = (e.Accepted, e.NotSent, e.Throttled, e.Refused)

ENDED = frozenset(Status(s) for s in CATEGORY if CATEGORY[s] not in (
    "", "held", "sending", "unknown", "accepted"))  # fmt: skip

CHINA_MS = 8 * 3_600_000
DAY_MS = 86_400_000


ENOUGH = 200
"""Violations after which a seed ends: a broken protocol may go round in a circle for ever."""


class Watch:
    """What is checked while the seed runs; it keeps what the checks at the end need."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.book = world.book
        self.hits: Counter[str] = Counter()
        self.violations: list[str] = []
        self.called: dict[str, int] = {}
        self.calls: defaultdict[tuple[str, bool], list[int]] = defaultdict(list)
        self.taken: defaultdict[bytes, list[Entry]] = defaultdict(list)
        self.told: list[tuple[str, str, str]] = []
        self.stops: list[Line] = []
        self.ended_before: set[tuple[bytes, bytes]] = set()
        """Stops that go on, and legs that ended before it was their turn."""
        self.preferences: defaultdict[str, list[tuple[int, int, int]]] = defaultdict(list)
        self.choices: defaultdict[str, list[tuple[int, object]]] = defaultdict(list)
        self.intents: defaultdict[tuple[str, str, str], list[int]] = defaultdict(list)
        self.sends: defaultdict[tuple[str, str, int], set[bytes]] = defaultdict(set)
        self.standing: Counter[tuple[str, str]] = Counter()
        self.opened: Counter[str] = Counter()
        self._keys: dict[str, object] = {}
        self.words = Words(self)
        world.on_commit = self.on_commit
        world.provider.on_receipts = self.on_receipts
        world.topics.on_acknowledge = self.on_acknowledge
        world.provider.on_call = self.on_call
        world.provider.on_entry = self.on_entry

    def wrong(self, name: str, text: str) -> None:
        self.violations.append(f"{name}: {text}")
        self.world.scheduler.say(f"VIOLATION {name}: {text}")
        if len(self.violations) >= ENOUGH:
            self.world.scheduler.give_up()

    # at every commit

    def on_commit(self) -> None:
        for line in self.book.fresh:
            event = line.event
            if isinstance(event, e.StopRecorded):
                self.stops.append(line)
            elif isinstance(event, e.Shifted):
                self.hits["lanes given up" if event.share == 0 else "lanes given back"] += 1
            elif isinstance(event, e.PreferenceChanged):
                self.choices[event.recipient].append((line.commit, self._chosen(line, event)))
            elif isinstance(event, e.ReplyReceived):
                self.words.on_reply(line, event)
            head = self.book.heads.get(line.row.stream)
            if head is None:
                continue
            self._account(line, head)
            self._in_time(line, head)
            self._ended(line, head)
            if isinstance(event, e.Routed | e.Released | e.Escalated):
                self.sends[self._cap_key(line, head)].add(line.row.stream)
            if isinstance(event, e.Held | e.Suppressed):
                self._capped(line, head, event)
                self._unknown(line, event)
            if isinstance(event, e.Suppressed):
                self.words.on_suppressed(head, event)
            if isinstance(event, e.AttemptIntended):
                self._intended(line, head)
            if isinstance(event, e.Released) and event.reason == SHIFTED:
                self._shifted(line, event)

    def _chosen(self, line: Line, event: e.PreferenceChanged) -> object:
        """What somebody ticked, or what their word made of what they had ticked before."""
        if event.by != BY:
            self.words.on_choice(event.recipient)
            return self.world.chosen[line.row.stream, line.row.version]
        with self.world.store.readers.connect() as connection:
            loaded = preference_store.load_many(connection, self.world.vault, [event.recipient])
        after = loaded[event.recipient].preferences
        before = self.choices[event.recipient][-1:]
        self.words.on_switched(event.recipient, before[0][1] if before else None, after)
        return after

    def _account(self, line: Line, head: e.Head) -> None:
        """I14, row by row: a read model that only adds and subtracts what rows say of themselves;
        I17: its sums are the legs there are."""
        category = CATEGORY[line.after]
        if line.row.version == 1:
            self.opened[head.notice] += 1
            self.standing[head.notice, category] += 1
        else:
            self.hits["I14"] += 1
            moved = getattr(line.event, "moved", None)
            said = moved.was if moved else category
            if said != CATEGORY[line.before]:
                kind = type(line.event).__name__
                self.wrong(
                    "I14", f"{name_of(line)} {kind} says it leaves {said!r}, it was {line.before}"
                )
            self.standing[head.notice, said] -= 1
            self.standing[head.notice, category] += 1
        self.hits["I17"] += 1
        total = sum(n for (notice, _), n in self.standing.items() if notice == head.notice)
        if total != self.opened[head.notice] or min(self.standing.values()) < 0:
            self.wrong("I17", f"{head.notice} does not add up: {dict(self.standing)}")

    def _in_time(self, line: Line, head: e.Head) -> None:
        """I7: nothing stays open or unknown past its horizon."""
        if line.before not in ("open", "unknown"):
            return
        self.hits["I7"] += 1
        rows = self.book.streams[line.row.stream]
        before = rows[-2]
        if line.before == "open":
            intent = next(x for x in reversed(rows[:-1]) if isinstance(x.event, e.AttemptIntended))
            due_ms = intent.event.call_before_ms + POLICY.answer_ms  # type: ignore[attr-defined]
        else:
            due_ms = before.row.at_ms + POLICY.classes[head.cls].horizon_ms
        if isinstance(line.event, e.Unknown) and line.event.evidence.startswith("no answer"):
            self.hits["I7 given up"] += 1
            if line.row.at_ms < due_ms:
                self.wrong("I7", f"{name_of(line)} is given up before its time-out")
        if line.row.at_ms > due_ms + SLACK_MS:
            late = (line.row.at_ms - due_ms) // 1000
            self.wrong("I7", f"{name_of(line)} was {line.before} for {late} s past its horizon")

    def _unknown(self, line: Line, event: e.Held | e.Suppressed) -> None:
        """I1: who was known when a leg was decided on is not waited for as a stranger later."""
        if event.facts.known or line.row.version == 1:
            return
        self.hits["I1 known"] += 1
        before = [getattr(x.event, "facts", None) for x in self.book.streams[line.row.stream][:-1]]
        if any(facts is not None and facts.known for facts in before):
            self.wrong("I1", f"{name_of(line)} waits for somebody who was known before")

    def _cap_key(self, line: Line, head: e.Head) -> tuple[str, str, int]:
        return head.recipient, head.cls, (line.row.at_ms + CHINA_MS) // DAY_MS

    def _capped(self, line: Line, head: e.Head, event: e.Held | e.Suppressed) -> None:
        """I10: who is held for a cap was really sent that many. Two workers that route the same
        events at once count a message twice, and one more may wait for the morning."""
        if not event.reason.startswith("frequency_cap"):
            return
        self.hits["I10 cap held"] += 1
        sent = self.sends[self._cap_key(line, head)] - {line.row.stream}
        own = event.facts.cap
        cap = own if own >= 0 else POLICY.classes[head.cls].cap
        faults = self.world.scheduler.faults
        twice = min(faults["crash"] + faults["pause"] + faults["move"], 1)
        if len(sent) < cap - twice:
            self.wrong("I10", f"{name_of(line)} is held by a cap of {cap}, {len(sent)} were sent")

    def _intended(self, line: Line, head: e.Head) -> None:
        state = self.book.states[line.row.stream]
        assert state.route is not None
        self.hits["I9"] += 1
        if line.before != "ready":
            self.wrong("I9", f"{name_of(line)} an intent on a leg that is {line.before}")
        for stop in self.stops:
            if stop.commit < line.commit and settles(stop.event, head):
                if self._goes_on_to(stop, line.row.stream):
                    continue
                self.wrong("I9", f"{name_of(line)} an intent although {stop.event.type} came first")
        self._not_refused(line, head, state.route.channel)
        self.words.on_intent(line, head)
        if head.family:
            self.hits["I12"] += 1
            past = self.intents[head.recipient, head.correlation, head.family]
            if past and max(past) > head.event_ms:
                self.wrong("I12", f"{name_of(line)} an older status after a newer one")
            past.append(head.event_ms)

    def _ended(self, line: Line, head: e.Head) -> None:
        """I9: a leg comes to an end by a stop that goes on, or before that has come to it."""
        if line.after not in ENDED:
            return
        for stop in self.stops:
            if settles(stop.event, head) and self._goes_on_to(stop, line.row.stream):
                if isinstance(line.event, e.Cancelled):
                    self.hits["I9 stop goes on"] += 1
                else:
                    self.ended_before.add((stop.row.stream, line.row.stream))

    def _goes_on_to(self, stop: Line, leg: bytes) -> bool:
        """Whether a stop of more legs than its own transaction cancels will still come to this one,
        which was there before it: a timer that says so is all that excuses it."""
        if self.book.streams[leg][0].commit > stop.commit:
            return False
        kinds = self.world.store.execute("SELECT kind FROM timer WHERE stream = ?", stop.row.stream)
        return any(bytes.fromhex(kind.removeprefix(STOP)) < leg for (kind,) in kinds)

    def _not_refused(self, line: Line, head: e.Head, channel: str) -> None:
        """I10: no intent for what the recipient had switched off."""
        choices = [c for commit, c in self.choices[head.recipient] if commit < line.commit]
        if not choices or not POLICY.classes[head.cls].opt_out:
            return
        self.hits["I10 opt-out"] += 1
        off = choices[-1].off  # type: ignore[attr-defined]
        if {f"{head.category}/{channel}", f"{head.category}/*", f"*/{channel}", "*/*"} & set(off):
            self.wrong("I10", f"{name_of(line)} an intent by {channel} after it was switched off")

    # at every call

    def on_call(self, lane: str, message: Message, overtaken_pos: int | None, owner: str) -> None:
        """I4: an intent was committed before, says this lane and these words, and is in time;
        I8: nobody calls an attempt twice, and who lost the partition calls only what it had
        intended before."""
        self.hits["I4"] += 1
        self.hits["I8"] += 1
        stream, version = bytes.fromhex(message.attempt[:32]), int(message.attempt[33:])
        lines = self.book.streams.get(stream, [])
        intent = lines[version - 1] if version <= len(lines) else None
        name = message.attempt[20:]
        if message.attempt in self.called:
            self.wrong("I8", f"{name} is called twice")
        self.called[message.attempt] = self.world.scheduler.now_ms
        if intent is None or not isinstance(intent.event, e.AttemptIntended):
            self.wrong("I4", f"{name} is called without a committed intent")
            return
        now_ms = self.world.scheduler.now_ms
        if now_ms > intent.event.call_before_ms:
            self.wrong("I4", f"{name} is called past its deadline")
        route = next(r for x in reversed(lines[:version]) if (r := getattr(x.event, "route", None)))
        head = self.book.heads[stream]
        if not intent.event.lane == lane == route.lane:
            self.wrong(
                "I4", f"{name} goes by {lane}, journalled are {intent.event.lane}, {route.lane}"
            )
        content = open_content(self._key(head.recipient), route.sealed, stream)  # type: ignore[arg-type]
        if (content.to, content.text) != (message.to, message.text):
            self.wrong("I4", f"{name} says other words than were journalled")
        if overtaken_pos is not None:
            self.hits["I8 overtaken"] += 1
            if intent.row.pos > overtaken_pos:
                self.wrong("I8", f"{name} is intended by who had lost the lane")
        self.calls[lane, head.cls in ("emergency", "code")].append(now_ms)
        self._not_paused(name, lane, owner, now_ms)
        self._awake(name, head, intent, now_ms)

    def _not_paused(self, name: str, lane: str, owner: str, now_ms: int) -> None:
        """A lane that an operator paused is called by nobody who has known it for seconds."""
        worker = next(w for w in self.world.workers if w.process.name == owner)
        learned_ms = worker.learned.get(lane)
        if learned_ms is None or worker.process.paused_until_ms > learned_ms:
            self.hits["lanes open"] += learned_ms is None
            return
        self.hits["lanes paused"] += 1
        if now_ms - learned_ms > PAUSED_MS:
            self.wrong("lanes", f"{name} is called on {lane}, paused {now_ms - learned_ms} ms ago")

    def _shifted(self, line: Line, event: e.Released) -> None:
        """What moves to another lane was never handed over without an answer, and is no lane's
        open attempt."""
        self.hits["lanes shifted"] += 1
        lines = self.book.streams[line.row.stream]
        attempts = {x.row.version for x in lines if isinstance(x.event, e.AttemptIntended)}
        known = {x.event.attempt for x in lines if isinstance(x.event, _ANSWERS)}
        if line.before != "ready" or attempts - known:
            self.wrong("lanes", f"{name_of(line)} is moved, and was {line.before}")
        before = next(x.event.route for x in reversed(lines[:-1]) if hasattr(x.event, "route"))
        if before.lane == event.route.lane:
            self.wrong("lanes", f"{name_of(line)} is moved from {before.lane} to itself")

    def _key(self, ref: str) -> object:
        if ref not in self._keys:
            with self.world.store.readers.connect() as connection:
                loaded = preference_store.load_many(connection, self.world.vault, [ref])
            self._keys[ref] = loaded[ref].key
        return self._keys[ref]

    def _awake(self, name: str, head: e.Head, intent: Line, now_ms: int) -> None:
        """I10: nobody is called in quiet hours, or past the expiry."""
        if now_ms >= head.expiry_ms:
            self.wrong("I10", f"{name} is called past its expiry")
        rule = POLICY.classes[head.cls]
        if rule.quiet_from < 0 or head.notice == ANSWER:  # whoever writes is awake
            return
        self.hits["I10 quiet"] += 1
        start, end = rule.quiet_from, rule.quiet_to
        choices = [c for commit, c in self.choices[head.recipient] if commit < intent.commit]
        if choices and choices[-1].quiet_from >= 0:  # type: ignore[attr-defined]
            start, end = choices[-1].quiet_from, choices[-1].quiet_to  # type: ignore[attr-defined]
        minute = (now_ms + CHINA_MS) % DAY_MS // 60_000
        if start <= minute < end or (start > end and not end <= minute < start):
            self.wrong("I10", f"{name} is called at minute {minute}, quiet from {start} to {end}")

    def on_entry(self, entry: Entry) -> None:
        """I5: the classes that say never are taken once a channel."""
        if entry.outcome != "taken":
            return
        stream = bytes.fromhex(entry.attempt[:32])
        self.taken[stream].append(entry)
        head = self.book.heads.get(stream)
        channel = channel_of(entry)
        if head is None or channel in POLICY.classes[head.cls].resend_unknown:
            return
        self.hits["I5"] += 1
        same = [x for x in self.taken[stream] if channel_of(x) == channel]
        if len(same) > 1:
            self.wrong("I5", f"{entry.attempt[20:]} was taken {len(same)} times by {channel}")

    # at every acknowledgement

    def on_receipts(self, told: Collected) -> None:
        """I3 for reports: each is in its stream, or waits durably, before it is acknowledged."""
        for receipt in told.receipts:
            self.hits["I3 receipts"] += 1
            self.told.append((receipt.lane, receipt.ref, receipt.status))
            if not self._reported(receipt.lane, receipt.ref, receipt.status) and not any(
                decode_parked(r.value).receipt == receipt
                for number in range(PARTITIONS)
                for r in self.world.topics.partitions[PARKED, number].records
            ):
                self.wrong("I3", f"a report on {receipt.ref} is acknowledged and nowhere")

    def _reported(self, lane: str, ref: str, status: str) -> bool:
        """Whether this report is a fact of the stream its reference leads to."""
        entry = self.by_ref.get((lane, ref))
        return entry is not None and any(
            isinstance(x.event, e.Delivered if status == "delivered" else e.Undelivered)
            and x.event.attempt == int(entry.attempt[33:])
            for x in self.book.streams[bytes.fromhex(entry.attempt[:32])]
        )

    @property
    def by_ref(self) -> dict[tuple[str, str], Entry]:
        return {(x.lane, x.ref): x for x in self.world.provider.ledger if x.outcome == "taken"}

    def on_acknowledge(self, partition: Partition, records: Sequence[Record]) -> None:
        """I3: what a record asks for is journalled, or waits durably, before it is let go."""
        if partition.topic in ROUTED:
            for record in records:
                self.hits["I3 events"] += 1
                self._kept(record)
        elif partition.topic == INBOUND:
            for record in records:
                self.hits["I3 replies"] += 1
                self._on_record(record)
        elif partition.topic != PARKED:
            for record in records:
                self.hits["I3 dispatch"] += 1
                self._moved_on(record)

    def _on_record(self, record: Record) -> None:
        """I3: a reply is journalled before its record is let go."""
        reply = decode_reply(self.world.vault.hub.open(record.value, INBOUND.encode()))
        if not any(
            isinstance(x.event, e.Quarantined) or keyword(reply.text) == x.event.asked
            for x in self.book.lines
            if isinstance(x.event, e.Quarantined | e.ReplyReceived)
        ):
            self.wrong("I3", f"{reply.text!r} is acknowledged and nowhere")

    def _kept(self, record: Record) -> None:
        raw = json.loads(self.world.vault.hub.open(record.value, b"events"))
        name = raw["id"]
        archived = self.world.store.archived([event_key(raw["source"], name)])
        if not archived:
            self.wrong("I3", f"event {name} is acknowledged and not archived")

    def _moved_on(self, record: Record) -> None:
        dispatch = decode_dispatch(record.value)
        state = self.book.states.get(dispatch.stream)
        if state is not None and (state.version > dispatch.version or state.terminal):
            return
        timers = self.world.store.execute(
            "SELECT count(*) FROM timer WHERE stream = ?", dispatch.stream
        )
        if not timers[0][0]:
            name = dispatch.stream[10:].hex()
            self.wrong("I3", f"{name}:{dispatch.version} is acknowledged untouched")


def name_of(line: Line) -> str:
    return f"{line.row.stream[10:].hex()}:{line.row.version}"


def channel_of(entry: Entry) -> str:
    return entry.lane.partition("-")[0]


def settles(stop: e.Base, head: e.Head) -> bool:
    """Whether a stop is about this leg: same case, of a type that settles it, not before it."""
    assert isinstance(stop, e.StopRecorded)
    return (
        STOPS.get(stop.type[4:-3]) == head.notice
        and stop.correlation == head.correlation
        and stop.event_ms >= head.event_ms
    )


__all__ = ["ASKED", "CLASS", "LEGS", "NOT_SENT", "OCCASIONS", "TERMINAL", "Provider", "Watch"]
