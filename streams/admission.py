"""Admission: upstream events come in through one door, whoever brings them.

Each is examined, compared with what came before, and published; what cannot come in goes to
quarantine with its original bytes. ``route`` asks the same again, since a topic can be written by
others: an event published twice is harmless there, one never published is lost, so that an event
counts as known here only once it is durable.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Literal, NamedTuple

from preferences.intake import ContactChanged
from streams.core.codec import MAX_EVENT_BYTES, Refusal
from streams.core.notices import is_urgent
from streams.door import Incoming, examine
from streams.event_record import seal_event
from streams.journal.base import Group, Unit
from streams.pipeline.quarantining import quarantined
from streams.pipeline.river import River
from streams.pipeline.route import ERASED, OTHER_BYTES, UNREGISTERED
from streams.topics import EVENTS, EVENTS_URGENT, Record

DOOR = "door"
"""Where an event was refused that never reached a topic."""

REMEMBERED = 100_000
"""Events published lately that ``route`` may not have archived yet: about 15 MB, and more than it
is ever behind by while upstream still repeats itself."""


class Received(NamedTuple):
    """What became of one event at the door. ``key`` is its archive key in hex, "" when it could
    not be read; the other three say what was wrong. An event refused is in quarantine."""

    status: Literal["accepted", "duplicate", "refused"]
    key: str = ""
    field: str = ""
    expected: str = ""
    got: str = ""


class Admission:
    """The door of one process."""

    def __init__(self, river: River) -> None:
        self._river = river
        self._recent = Recent(REMEMBERED)

    async def accept(self, raws: Sequence[bytes]) -> list[Received]:
        """Structured CloudEvents in, one answer each, in order. What is answered ``accepted`` or
        ``duplicate`` is durable. Raises what the journal and the topics raise; then the same
        events may be brought again."""
        read = [self._examine(raw) for raw in raws]
        known = await self._known([one for one in read if isinstance(one, Incoming)])
        answers: list[Received] = []
        fresh: dict[bytes, Incoming] = {}
        refused: list[Unit] = []
        for raw, one in zip(raws, read, strict=True):
            if isinstance(one, Refusal):
                refused.append(quarantined(self._river, raw[:MAX_EVENT_BYTES], DOOR, one))
                answers.append(_refused(one))
                continue
            key = one.event.key
            digest = known.get(key)
            if digest is None:
                known[key] = one.digest
                fresh[key] = one
                answers.append(Received("accepted", key.hex()))
            elif digest == one.digest:
                answers.append(Received("duplicate", key.hex()))
            else:
                refused.append(quarantined(self._river, raw, DOOR, OTHER_BYTES, one))
                answers.append(_refused(OTHER_BYTES, one))
        if refused:
            await self._river.journal.append(Group(refused))
        await self._publish(fresh.values())
        return answers

    async def accept_again(self, raw: bytes) -> Received:
        """Bring in what was in quarantine. It is asked more than at first, all that ``route`` will
        ask: refused there once more it would be in quarantine unseen."""
        one = self._examine(raw)
        if isinstance(one, Refusal):
            return _refused(one)
        key = one.event.key
        # the archive only: what was published lately may be what is in quarantine now
        row = (await self._river.journal.archived([key])).get(key)
        if row is not None and row.digest == one.digest:
            return Received("duplicate", key.hex())
        refusal = OTHER_BYTES if row is not None else await self._stranger(one)
        if refusal is not None:
            return _refused(refusal, one)
        await self._publish([one])
        return Received("accepted", key.hex())

    def _examine(self, raw: bytes) -> Incoming | Refusal:
        river = self._river
        now_ms = river.clock.now_ms()
        documents = river.documents
        return examine(raw, documents.catalog, documents.hosts, river.vault.digest, now_ms)

    async def _known(self, read: Sequence[Incoming]) -> dict[bytes, bytes]:
        """Digests of those of these events that came before, by key."""
        known: dict[bytes, bytes] = {}
        asked: list[bytes] = []
        for one in read:
            digest = self._recent.get(one.event.key)
            if digest is None:
                asked.append(one.event.key)
            else:
                known[one.event.key] = digest
        if asked:
            archived = await self._river.journal.archived(asked)
            known.update({key: row.digest for key, row in archived.items()})
        return known

    async def _stranger(self, one: Incoming) -> Refusal | None:
        subject = one.event.subject
        if not subject:
            return None
        people = await self._river.people.load([subject])
        if subject not in people and not await self._river.people.meet([subject]):
            return ERASED
        found = people.get(subject)
        if isinstance(one.said, ContactChanged) and not (found and found.recipient):
            return UNREGISTERED
        return None

    async def _publish(self, fresh: Collection[Incoming]) -> None:
        if not fresh:
            return
        key, rules = self._river.hub_key, self._river.documents.rules
        batches: dict[str, list[Record]] = defaultdict(list)
        for one in fresh:
            record = Record(partition_key(one), seal_event(key, one, rules))
            urgent = is_urgent(one.event.type, self._river.documents.catalog)
            batches[EVENTS_URGENT if urgent else EVENTS].append(record)
        await self._river.topics.publish(batches)
        for one in fresh:
            self._recent.add(one.event.key, one.digest)


class Recent:
    """Digests by key, at most so many: the older half is dropped when full."""

    def __init__(self, kept: int) -> None:
        self._half = kept // 2
        self._new: dict[bytes, bytes] = {}
        self._old: dict[bytes, bytes] = {}

    def get(self, key: bytes) -> bytes | None:
        return self._new.get(key) or self._old.get(key)

    def add(self, key: bytes, digest: bytes) -> None:
        if len(self._new) >= self._half:
            self._new, self._old = {}, self._new
        self._new[key] = digest


def partition_key(one: Incoming) -> bytes:
    """All about one recipient in one partition; what is about nobody, anywhere."""
    return one.event.subject.encode() or one.event.key.hex().encode()


def _refused(refusal: Refusal, one: Incoming | None = None) -> Received:
    return Received("refused", one.event.key.hex() if one else "", *refusal)
