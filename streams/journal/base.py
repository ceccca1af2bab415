"""The journal's contract: what every store of it keeps, whatever the database.

The journal is append-only. A *stream* is one leg of a notification (or one recipient's
preferences, one notice's wording, one stop); a row is ``(stream, version)``; ``pos`` is gap-free
within a shard and in commit order. Appending at an expected version is the compare-and-set on
which every promise of the hub rests.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from sqlalchemy import Connection, Engine

if TYPE_CHECKING:  # proofs are made of the rows defined here
    from streams.journal.proof import Head, Inclusion

STREAM_BYTES = 16
KEY_BYTES = 16


class Row(NamedTuple):
    """One journalled event. ``data`` is the JSON of the event named by ``type``."""

    pos: int
    stream: bytes
    version: int
    type: str
    at_ms: int
    data: bytes


class Entry(NamedTuple):
    """A row to be written: its version is the one expected to be free."""

    stream: bytes
    version: int
    type: str
    data: bytes


class Lookup(NamedTuple):
    """An index row: ``stream`` is found by ``key``, narrowed by ``sub`` (b"" for none)."""

    key: bytes
    sub: bytes
    stream: bytes


class Timer(NamedTuple):
    """At ``due_ms`` the step named by ``kind`` looks at ``stream`` again."""

    due_ms: int
    stream: bytes
    kind: str


class Archived(NamedTuple):
    """One accepted upstream event: ``key`` = H(source, id), ``data`` the sealed bytes.

    ``digest`` is over the canonical plain bytes, keyed, so that the same id with other bytes is
    recognised without opening anything. ``recipient`` is the subject's opaque reference.
    """

    key: bytes
    digest: bytes
    at_ms: int
    type: str
    recipient: str
    data: bytes


class Unit(NamedTuple):
    """Rows of one stream that win or lose together, with what belongs to them.

    Rows follow each other without a gap. A unit without rows always wins: it only sees to it that
    its timers exist. ``given`` is the archive key of the event the unit comes from: when the
    group's own archive row of it loses, another worker routed the event, and the unit loses with
    it. ``effects`` are read models of these rows: called with the open SQLAlchemy
    connection when the unit won, and only then.
    """

    rows: tuple[Entry, ...]
    lookups: tuple[Lookup, ...] = ()
    timers: tuple[Timer, ...] = ()
    effects: tuple[Callable[[Any], None], ...] = ()
    given: bytes = b""


class Reader(Protocol):
    """Reads. Inside a transaction they see it; outside, the last commit."""

    def read(self, streams: Sequence[bytes]) -> dict[bytes, list[Row]]:
        """The rows of each stream in version order; unknown streams are absent."""

    def lookup(self, keys: Sequence[tuple[bytes, bytes]]) -> dict[tuple[bytes, bytes], list[bytes]]:
        """Streams by (key, sub); an empty ``sub`` finds all of the key. Absent when none."""

    def page(
        self, keys: Sequence[bytes], sub: bytes, after: bytes, limit: int
    ) -> dict[bytes, list[bytes]]:
        """By key, up to ``limit`` of the streams found by (key, sub) that follow ``after``, in
        order: for what may have a million of them. Absent when none."""

    def counts(self, keys: Sequence[bytes]) -> dict[bytes, int]:
        """How many look-up rows each key has; absent when none."""

    def archived(self, keys: Sequence[bytes]) -> dict[bytes, Archived]:
        """Archived events by key; absent when unknown."""

    def lookups_since(self, pos: int, keys: Sequence[bytes]) -> dict[bytes, list[bytes]]:
        """Look-up rows of ``keys`` committed after ``pos``: one range query, normally empty."""


class Group(NamedTuple):
    """What one caller wants written in one transaction.

    ``effects`` are read models that change with the transaction, whatever wins in it: each is
    called with the open SQLAlchemy connection. ``look`` runs after the rows are in, under
    the head lock, and answers with further units decided on what it sees (a stop that cancels
    open streams): write first, then look.
    """

    units: Sequence[Unit] = ()
    archive: Sequence[Archived] = ()
    effects: Sequence[Callable[[Any], None]] = ()
    look: Callable[[Reader], Sequence[Unit]] | None = None
    urgent: bool = False


class Committed(NamedTuple):
    """The answer to one group: which units and archive rows won, and what ``look`` added."""

    won: tuple[bool, ...]
    archived: tuple[bool, ...]
    looked: tuple[Unit, ...]
    pos: int
    """The last position of the shard after this commit."""


class JournalStore(Reader, Protocol):
    """The synchronous store; one writer at a time."""

    def begin(self, groups: Sequence[Group], at_ms: int) -> Callable[[], list[Committed]]:
        """The first half of `commit`: what Python alone does. The second, which it answers with,
        must be called next, by any thread; either rolls everything back when it raises."""

    def commit(self, groups: Sequence[Group], at_ms: int) -> list[Committed]:
        """Write several callers' groups in one transaction, one batch root over all rows.

        A unit loses when the first of its versions exists or its predecessor does not; nothing of
        it is written then. Positions are given to the rows written only. An effect or ``look``
        that raises rolls the whole transaction back.
        """

    def head(self) -> int:
        """The last position written (0: none)."""

    def since(self, pos: int, limit: int) -> list[Row]:
        """Rows after ``pos`` in order."""

    def archive_since(self, rowid: int, limit: int) -> list[tuple[int, Archived]]:
        """Archived events after ``rowid`` in the order they were accepted."""

    def due(self, now_ms: int, limit: int) -> list[Timer]:
        """Timers due, oldest first."""

    def next_due_ms(self) -> int | None:
        """When the next timer falls due."""

    def delete_timers(self, timers: Sequence[Timer]) -> None:
        """Remove timers that were served."""

    def deletion(self, timers: Sequence[Timer]) -> Callable[[Any], None]:
        """The same as an effect, which rides with a group."""

    def verify(self) -> Iterator[str]:
        """Walk the chain; yields one sentence per fault, each naming the position."""


class Store(JournalStore, Protocol):
    """What the hub needs of a journal's database: the store, and what is kept beside it."""

    @property
    def shard(self) -> int:
        """Whose rows these are."""

    @property
    def engine(self) -> Engine:
        """For who writes beside the journal, and for those of ``transaction``."""

    @property
    def readers(self) -> Engine:
        """For reading, never in the way of a writer."""

    def transaction(self) -> AbstractContextManager[Connection]:
        """A transaction beside the journal, for what is read from it."""

    def standing(self) -> "Head":
        """Where the chain stands: what a checkpoint signs."""

    def chains_at(self, pos: int) -> list[bytes]:
        """The chain values of the commits that ended at a position, to hold checkpoints to."""

    def prove(self, pos: int) -> "Inclusion":
        """That the row at a position belongs to its commit. Raises LookupError without one."""

    def remove_month(self, month: int, at_ms: int, most: int) -> int:
        """Remove archived events accepted in a month (as 202611), ``most`` of them, so that commits
        get between. Returns how many: fewer once none is left. That the month is removed is
        recorded before its first event goes; the chain still verifies. Whoever calls journals the
        order that was given for it."""

    def archived_months(self) -> dict[int, int]:
        """How many events the archive keeps of each month, in order. Reads all their keys."""

    def close(self) -> None:
        """Let go of the database."""


class Journal(Protocol):
    """The steps' own view: the store behind group commit. Every call is a named point."""

    async def append(self, group: Group) -> Committed: ...

    async def read(self, streams: Sequence[bytes]) -> dict[bytes, list[Row]]: ...

    async def lookup(
        self, keys: Sequence[tuple[bytes, bytes]]
    ) -> Mapping[tuple[bytes, bytes], list[bytes]]: ...

    async def page(
        self, keys: Sequence[bytes], sub: bytes, after: bytes, limit: int
    ) -> dict[bytes, list[bytes]]: ...

    async def counts(self, keys: Sequence[bytes]) -> Mapping[bytes, int]: ...

    async def archived(self, keys: Sequence[bytes]) -> Mapping[bytes, Archived]: ...

    async def lookups_since(
        self, pos: int, keys: Sequence[bytes]
    ) -> Mapping[bytes, list[bytes]]: ...

    async def due(self, now_ms: int, limit: int) -> list[Timer]: ...

    async def delete_timers(self, timers: Sequence[Timer]) -> None: ...

    @property
    def head(self) -> int: ...
