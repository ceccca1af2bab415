"""What every step is handed: the journal, the topics, the people, and the documents in force.

A bed (one process, Kafka, the simulator) makes a :class:`River` and calls the steps; nothing in a
step knows which bed it lies in. Every await is a point where a bed may stop it for ever.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

import msgspec

from channels.finding import Finder
from channels.lanes import Lanes
from preferences.recipient import Preferences, Profile, Recipient
from preferences.store import Keyed
from preferences.vault import SubjectKey, Vault
from streams.clock import Clock
from streams.core import codec
from streams.core.events import Base, Head, Route
from streams.core.identity import Index
from streams.core.lifecycle import Journalled, State, fold
from streams.core.policy import Policy
from streams.journal.base import Entry, Journal, Lookup, Row
from streams.pipeline.unanswered import Unanswered
from streams.topics import Publishing
from templates.catalog_files import Catalog
from templates.links import OFFICIAL
from templates.render import Wording

Effect = Callable[[Any], None]

Unsubscribing = Callable[[str, str, str, int], str]
"""The link by which a recipient (by reference) switches a category off in a channel, when it is
sent (ms)."""


class Known(NamedTuple):
    """Somebody the hub has a key for; ``recipient`` is None until upstream registers them,
    ``ref`` their own reference, whatever alias they were asked for by, and ``preferences`` what
    they chose, which may be before they are registered."""

    key: SubjectKey
    recipient: Recipient | None
    ref: str
    preferences: Preferences
    profile_ms: int = 0
    """When the event happened that the profile comes from."""
    as_of: int = -1
    """How often anybody's profile or choices had changed when this was read."""

    @property
    def chosen(self) -> int:
        """The version of their preferences."""
        return self.preferences.version


class People(Protocol):
    """Recipients as the steps need them: loaded in batches, changed inside the journal's own
    transaction (an :data:`Effect` runs there)."""

    async def load(self, refs: Sequence[str]) -> Mapping[str, Known]:
        """Who is known, by reference or alias; the others, and the erased, are absent."""

    async def keys(self, refs: Sequence[str]) -> Mapping[str, Keyed]:
        """The keys of those known, by their own references: for opening what was sealed before."""

    async def meet(self, refs: Sequence[str]) -> Mapping[str, Known]:
        """Keys for references nothing is known of yet; absent for the erased."""

    def register(self, profiles: Sequence[tuple[Profile, int]]) -> Effect:
        """Keep what upstream says about recipients, each with the time of its event (ms)."""

    def erase(self, ref: str, at_ms: int) -> Effect:
        """Destroy the key and all that hangs on it, for good."""

    def remove(self, ref: str, at_ms: int) -> Effect:
        """Forget the profile; the key stays, so that the history can still be read."""

    async def find(self, kind: str, address: str) -> Sequence[str]:
        """Who registered this contact point, by their own references, in their order."""

    def changed(self, seen: Mapping[str, Known | Keyed], found: set[str]) -> Effect:
        """Adds to ``found`` who is registered otherwise, or chose otherwise, than was ``seen``."""

    def learn_carrier(self, address: str, carrier: str) -> Effect:
        """A number was found to belong to another carrier than its prefix says."""

    def suppress(self, kind: str, address: str, reason: str) -> Effect:
        """An address was refused for good."""

    def restore(self, kind: str, address: str) -> Effect:
        """It works again, for all who have it."""


class Documents(NamedTuple):
    """What people publish: catalog, wording and policy in force, lanes as they stand.

    Replaced as a whole, so that a batch sees one version of everything.
    """

    catalog: Catalog
    wordings: Mapping[str, Wording]
    policy: Policy
    lanes: Lanes
    language: str = "zh"
    hosts: frozenset[str] = OFFICIAL
    """The hosts that links may lead to."""
    rules: bytes = b""
    """Names what events are checked by: see `streams.event_record`; nobody's when empty."""
    transfers: frozenset[str] = frozenset()
    """Lanes that may take numbers of the mainland abroad."""


class River:
    """The world of one worker."""

    def __init__(
        self,
        journal: Journal,
        topics: Publishing,
        people: People,
        vault: Vault,
        index: Index,
        clock: Clock,
        documents: Documents,
        hub_key: SubjectKey,
        finders: Mapping[str, Finder] = {},
        unsubscribing: Unsubscribing | None = None,
    ) -> None:
        self.journal = journal
        self.topics = topics
        self.people = people
        self.vault = vault
        self.index = index
        self.clock = clock
        self.documents = documents
        self.hub_key = hub_key
        self.finders = finders
        """Providers that can be asked what they have, by name as lanes give it."""
        self.unsubscribing = unsubscribing
        self.attempts = Attempts()
        self.unanswered = Unanswered()


class Content(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What is sealed in a route: where to, and the words."""

    to: str
    text: str
    subject: str = ""
    html: str = ""
    sender: str = ""


class Dispatch(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A record on a lane's topic: one message ready to go, named by stream and version.

    A worker that finds another version journalled drops it: the version is the claim.
    """

    stream: bytes
    version: int
    notice: str
    cls: str
    recipient: str
    region: str
    channel: str
    lane: str
    carrier: str
    expiry_ms: int
    window_end_ms: int
    segments: int
    sealed: bytes


class Attempt(msgspec.Struct, frozen=True, gc=False):
    """What a receipt needs to know of the attempt it is about."""

    stream: bytes
    intent: int
    notice: str
    cls: str
    region: str
    channel: str
    lane: str
    carrier: str


class Attempts:
    """The dispatcher's memory of what it handed over lately, by (lane, reference).

    A receipt found here needs no look-up and no fold; one that is not takes the long way. Bounded:
    the oldest half is dropped when full.
    """

    KEPT = 100_000
    """About 40 MB, and minutes of a busy hour; carriers report within seconds."""

    def __init__(self) -> None:
        self._new: dict[tuple[str, str], Attempt] = {}
        self._old: dict[tuple[str, str], Attempt] = {}
        self._handed: dict[int, str] = {}
        self._batch = 0

    @contextmanager
    def handing(self, lane: str) -> Iterator[None]:
        """While a batch is handed over, until its outcomes are journalled: receipts may overtake
        them."""
        self._batch += 1
        batch = self._batch
        self._handed[batch] = lane
        try:
            yield
        finally:
            del self._handed[batch]

    def on_the_way(self, lanes: Collection[str]) -> set[int]:
        """The batches of these lanes that are being handed over now."""
        return {batch for batch, lane in self._handed.items() if lane in lanes}

    def is_handing(self, batches: Collection[int]) -> bool:
        """Whether one of these batches still is."""
        return any(batch in self._handed for batch in batches)

    def remember(self, lane: str, ref: str, attempt: Attempt) -> None:
        if len(self._new) >= self.KEPT // 2:
            self._new, self._old = {}, self._new
        self._new[lane, ref] = attempt

    def take(self, lane: str, ref: str) -> Attempt | None:
        """The attempt, once: the next receipt about it goes the long way."""
        key = (lane, ref)
        return self._new.pop(key, None) or self._old.pop(key, None)


_dispatch_decoder = msgspec.msgpack.Decoder(Dispatch)
_content_decoder = msgspec.msgpack.Decoder(Content)
_encoder = msgspec.msgpack.Encoder()


def encode_dispatch(record: Dispatch) -> bytes:
    return _encoder.encode(record)


def decode_dispatch(value: bytes) -> Dispatch:
    return _dispatch_decoder.decode(value)


def seal_content(key: SubjectKey, content: Content, stream: bytes) -> bytes:
    """The content under the recipient's key, bound to its stream."""
    return key.seal(_encoder.encode(content), stream)


def open_content(key: SubjectKey, sealed: bytes, stream: bytes) -> Content:
    return _content_decoder.decode(key.open(sealed, stream))


def dispatch_of(stream: bytes, version: int, head: Head, route: Route) -> Dispatch:
    """The record of a stream that is ready, built from what is journalled and nothing else."""
    return Dispatch(
        stream,
        version,
        head.notice,
        head.cls,
        head.recipient,
        head.region,
        route.channel,
        route.lane,
        route.carrier,
        head.expiry_ms,
        route.window_end_ms,
        route.segments,
        route.sealed,
    )


def entry(stream: bytes, version: int, event: Base) -> Entry:
    """A row to be written."""
    name, data = codec.encode(event)
    return Entry(stream, version, name, data)


def found_by(river: River, lane: str, ref: str, stream: bytes) -> tuple[Lookup, ...]:
    """A stream's look-up rows under the reference its attempt was accepted with: one for each part
    of a long text, for each is reported by itself."""
    if " " not in ref:  # nearly all
        return (Lookup(river.index.provider_ref(lane, ref), b"", stream),)
    refs = ref.split() or [ref]
    return tuple([Lookup(river.index.provider_ref(lane, one), b"", stream) for one in refs])


def found_by_kind(river: River, kind: str, stream: bytes) -> Lookup:
    """The look-up row of a stream among all of its kind."""
    return Lookup(river.index.kind(kind), b"", stream)


def state_of(rows: Sequence[Row]) -> State:
    """The fold of a stream's rows as read."""
    return fold(Journalled(r.version, r.at_ms, codec.decode(r.type, r.data)) for r in rows)
