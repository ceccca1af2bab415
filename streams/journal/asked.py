"""The half of a store that answers: whatever the database, each question is one of its reads."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from streams.journal.base import Archived, Reader, Row, Timer
from streams.journal.proof import Batch, Head, Inclusion, Ledger, faults, leaf, path
from streams.journal.tail import Tail


class Reads(Reader, Ledger, Protocol):
    """What is asked on one connection: inside a transaction it sees it."""

    def since(self, pos: int, limit: int) -> list[Row]: ...

    def archive_since(self, rowid: int, limit: int) -> list[tuple[int, Archived]]: ...

    def due(self, now_ms: int, limit: int) -> list[Timer]: ...

    def next_due_ms(self) -> int | None: ...

    def archive_keys(self, keys: Sequence[bytes]) -> set[bytes]: ...

    def versions(self, streams: Iterable[bytes]) -> dict[bytes, int]: ...

    def batch_of(self, pos: int) -> tuple[Batch, bytes] | None: ...

    def chains_at(self, pos: int) -> list[bytes]: ...

    def archived_months(self) -> dict[int, int]: ...


class AskedStore(ABC):
    """The reading half of `streams.journal.base.Store`. ``_reading`` lends a connection's reads;
    ``_tail`` has what was written or read last."""

    shard: int
    _tail: Tail

    @abstractmethod
    def _reading(self) -> AbstractContextManager[Reads]:
        """Outside any transaction: each answer is of the last commit."""

    def read(self, streams: Sequence[bytes]) -> dict[bytes, list[Row]]:
        with self._reading() as reads:
            return reads.read(streams)

    def lookup(self, keys: Sequence[tuple[bytes, bytes]]) -> dict[tuple[bytes, bytes], list[bytes]]:
        with self._reading() as reads:
            return reads.lookup(keys)

    def page(
        self, keys: Sequence[bytes], sub: bytes, after: bytes, limit: int
    ) -> dict[bytes, list[bytes]]:
        with self._reading() as reads:
            return reads.page(keys, sub, after, limit)

    def counts(self, keys: Sequence[bytes]) -> dict[bytes, int]:
        with self._reading() as reads:
            return reads.counts(keys)

    def archived(self, keys: Sequence[bytes]) -> dict[bytes, Archived]:
        with self._reading() as reads:
            return reads.archived(keys)

    def since(self, pos: int, limit: int) -> list[Row]:
        with self._reading() as reads:
            return self._tail.since(pos, limit, reads.since)

    def archive_since(self, rowid: int, limit: int) -> list[tuple[int, Archived]]:
        with self._reading() as reads:
            return reads.archive_since(rowid, limit)

    def lookups_since(self, pos: int, keys: Sequence[bytes]) -> dict[bytes, list[bytes]]:
        with self._reading() as reads:
            return reads.lookups_since(pos, keys)

    def due(self, now_ms: int, limit: int) -> list[Timer]:
        with self._reading() as reads:
            return reads.due(now_ms, limit)

    def next_due_ms(self) -> int | None:
        with self._reading() as reads:
            return reads.next_due_ms()

    # proving

    def verify(self) -> Iterator[str]:
        with self._reading() as reads:
            yield from faults(reads, self.shard)

    def standing(self) -> Head:
        """Where the chain stands: what a checkpoint signs."""
        with self._reading() as reads:
            return reads.standing()

    def chains_at(self, pos: int) -> list[bytes]:
        """The chain values of the commits that ended at a position, to hold checkpoints to."""
        with self._reading() as reads:
            return reads.chains_at(pos)

    def archived_months(self) -> dict[int, int]:
        """How many events the archive keeps of each month, in order."""
        with self._reading() as reads:
            return reads.archived_months()

    def prove(self, pos: int) -> Inclusion:
        """That the row at a position belongs to its commit. Raises LookupError without one."""
        with self._reading() as reads:
            found = reads.batch_of(pos)
            if found is None or not found[0].first <= pos:
                raise LookupError(f"no row at position {pos}")
            batch, previous = found
            rows = reads.rows_between(batch.first, batch.last)
        index = pos - batch.first
        return Inclusion(rows[index], path([leaf(row) for row in rows], index), batch, previous)
