"""Proof that the journal is what it was: leaves, roots, the chain, and checkpoints outside.

Every row is a leaf of its commit's Merkle tree (RFC 6962), every commit's root is a link of the
shard's chain. The chain finds what was altered later by someone who does not rewrite all of it;
signed checkpoints, kept where the database's owner cannot write, find who does.
"""

import base64
import hashlib
import os
import struct
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import NamedTuple, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from streams.journal.base import Archived, Row

GENESIS = bytes(32)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# The first bytes of each leaf are kept with its commit, only to name the row that was altered;
# what proves it is the root. Four miss one alteration in four thousand million.
MARK_BYTES = 4
KINDS_KEPT = 256  # names of types, versions included

Stored = tuple[int, bytes, int, str, int, bytes]
"""A `streams.journal.base.Row`, or the plain tuple of its fields: faster to make."""

_sha256 = hashlib.sha256
# signed and wide, so that whatever an altered column holds can still be hashed
_row_head = struct.Struct(">cqqqII").pack
_archive_head = struct.Struct(">cqqIIII").pack
_link = struct.Struct(">ch6q").pack


class Batch(NamedTuple):
    """One commit: the rows and archive rows it wrote, inclusive; none when last = first - 1."""

    number: int
    first: int
    last: int
    archive_first: int
    archive_last: int
    at_ms: int
    root: bytes
    archive_root: bytes
    marks: bytes
    archive_marks: bytes
    chain: bytes


class Head(NamedTuple):
    """Where a shard stands, and the rows that are in fact there (0 when there are none)."""

    pos: int
    archive: int
    chain: bytes
    row_min: int = 0
    row_max: int = 0
    archive_max: int = 0


class Inclusion(NamedTuple):
    """That ``row`` belongs to ``batch``, for whoever holds a checkpoint but not the journal."""

    row: Row
    path: tuple[bytes, ...]
    batch: Batch
    previous: bytes
    """The chain before the batch."""


# Trees


def leaf(row: Stored) -> bytes:
    """The RFC 6962 leaf of a row as it is stored."""
    pos, stream, version, type_, at_ms, data = row
    kind = _bytes_of(type_)
    head = _row_head(b"\0", pos, version, at_ms, len(stream), len(kind))
    return _sha256(head + stream + kind + data).digest()


@lru_cache(KINDS_KEPT)
def _bytes_of(kind: str) -> bytes:
    return kind.encode(errors="surrogatepass")  # an altered row need not be UTF-8


def archive_leaf(number: int, row: Archived) -> bytes:
    """The leaf of an archived event."""
    kind = row.type.encode(errors="surrogatepass")
    recipient = row.recipient.encode(errors="surrogatepass")
    lengths = len(row.key), len(row.digest), len(kind), len(recipient)
    head = _archive_head(b"\0", number, row.at_ms, *lengths)
    return _sha256(head + row.key + row.digest + kind + recipient + row.data).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """The RFC 6962 root: pairs from the left, an odd one out goes up as it is."""
    level = leaves
    while len(level) > 1:
        level = _above(level)
    return level[0] if level else _sha256(b"").digest()


def path(leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """The hashes that lead from one leaf to the root, the lowest first."""
    level, found = leaves, []
    while len(level) > 1:
        if (sibling := index ^ 1) < len(level):
            found.append(level[sibling])
        level, index = _above(level), index // 2
    return tuple(found)


def climb(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """The root this path leads to; ValueError when its length does not fit the tree."""
    rest = iter(path)
    node, last = leaf, size - 1
    while last > 0:
        if index % 2:
            node = _sha256(b"\1" + next(rest, b"") + node).digest()
        elif index < last:
            node = _sha256(b"\1" + node + next(rest, b"")).digest()
        index, last = index // 2, last // 2
    if next(rest, None) is not None:
        raise ValueError("the path is longer than the tree is high")
    return node


def _above(level: Sequence[bytes]) -> list[bytes]:
    nodes = [
        _sha256(b"\1" + left + right).digest()
        for left, right in zip(level[::2], level[1::2], strict=False)
    ]
    if len(level) % 2:
        nodes.append(level[-1])
    return nodes


# The chain


def month_of(at_ms: int) -> int:
    """The UTC month of a commit, as 202611: archive rows are removed by whole months of commits."""
    at = EPOCH + timedelta(milliseconds=at_ms)
    return at.year * 100 + at.month


def seal(
    previous: bytes,
    shard: int,
    number: int,
    firsts: tuple[int, int],
    leaves: Sequence[bytes],
    archive_leaves: Sequence[bytes],
    at_ms: int,
) -> Batch:
    """Close a commit: its roots, and the link after ``previous``."""
    first, archive_first = firsts
    batch = Batch(
        number,
        first,
        first + len(leaves) - 1,
        archive_first,
        archive_first + len(archive_leaves) - 1,
        at_ms,
        root(leaves),
        root(archive_leaves),
        b"".join([leaf[:MARK_BYTES] for leaf in leaves]),
        b"".join([leaf[:MARK_BYTES] for leaf in archive_leaves]),
        b"",
    )
    return batch._replace(chain=link(previous, shard, batch))


def link(previous: bytes, shard: int, batch: Batch) -> bytes:
    """The chain after this batch."""
    head = _link(b"\2", shard, *batch[:6])
    return _sha256(head + batch.root + batch.archive_root + previous).digest()


def includes(proof: Inclusion, shard: int, chain: bytes) -> bool:
    """Whether the proof shows its row to be under this chain value."""
    batch, row = proof.batch, proof.row
    if not batch.first <= row.pos <= batch.last:
        return False
    size = batch.last - batch.first + 1
    try:
        top = climb(leaf(row), row.pos - batch.first, size, proof.path)
    except ValueError:
        return False
    return top == batch.root and link(proof.previous, shard, batch) == chain


class Ledger(Protocol):
    """What `faults` reads. Batches and rows come in order."""

    def standing(self) -> Head: ...

    def batches_since(self, number: int, limit: int) -> list[Batch]: ...

    def rows_between(self, first: int, last: int) -> list[Row]: ...

    def archive_between(self, first: int, last: int) -> list[tuple[int, Archived]]: ...

    def month_removed(self, month: int) -> bool: ...


BATCHES_AT_ONCE = 64  # each holds up to some thousand rows; only its marks are in memory with it


def faults(ledger: Ledger, shard: int) -> Iterator[str]:
    """Walk the chain up to the head as it is now; one sentence per fault, naming the position.

    Yields nothing for a journal that is whole. Holds one commit in memory.
    """
    head = ledger.standing()
    before = Batch(0, 0, 0, 0, 0, 0, b"", b"", b"", b"", GENESIS)
    while batches := ledger.batches_since(before.number, BATCHES_AT_ONCE):
        for batch in batches:
            if batch.last > head.pos or batch.archive_last > head.archive:
                break  # written since
            yield from _faults_between(before, batch, shard)
            yield from _faults_inside(ledger, batch)
            before = batch
        else:
            continue
        break
    yield from _faults_at_end(head, before)


def _faults_between(before: Batch, batch: Batch, shard: int) -> Iterator[str]:
    where = f"the commit of {_span(batch)}"
    if batch.number != before.number + 1:
        yield f"{where} is number {batch.number}, after number {before.number}: commits are missing"
    if batch.first != before.last + 1:
        yield f"rows {before.last + 1} to {batch.first - 1} belong to no commit"
    if batch.archive_first != before.archive_last + 1:
        yield (
            f"archive rows {before.archive_last + 1} to {batch.archive_first - 1}"
            " belong to no commit"
        )
    if link(before.chain, shard, batch) != batch.chain:
        yield f"{where} does not follow the chain before it"


def _faults_inside(ledger: Ledger, batch: Batch) -> Iterator[str]:
    rows = {row.pos: leaf(row) for row in ledger.rows_between(batch.first, batch.last)}
    span = range(batch.first, batch.last + 1)
    yield from _faults_of("row", span, rows, batch.marks, batch.root)
    archived = {
        number: archive_leaf(number, row)
        for number, row in ledger.archive_between(batch.archive_first, batch.archive_last)
    }
    span = range(batch.archive_first, batch.archive_last + 1)
    if len(archived) == len(span) or not ledger.month_removed(month_of(batch.at_ms)):
        noun = "archive row"
        yield from _faults_of(noun, span, archived, batch.archive_marks, batch.archive_root)


def _faults_of(
    noun: str, span: range, leaves: dict[int, bytes], marks: bytes, expected: bytes
) -> Iterator[str]:
    missing = [number for number in span if number not in leaves]
    if not missing and root([leaves[number] for number in span]) == expected:
        return
    for number in missing:
        yield f"{noun} {number} is missing"
    altered = [
        number
        for number, start in zip(span, range(0, len(marks), MARK_BYTES), strict=False)
        if number in leaves and leaves[number][:MARK_BYTES] != marks[start : start + MARK_BYTES]
    ]
    for number in altered:
        yield f"{noun} {number} was altered"
    if not missing and not altered:
        yield f"{noun}s {span.start} to {span.stop - 1} do not give the root of their commit"


def _faults_at_end(head: Head, last: Batch) -> Iterator[str]:
    if (head.pos, head.archive, head.chain) != (last.last, last.archive_last, last.chain):
        yield (
            f"the head stands at row {head.pos} and archive row {head.archive},"
            f" but the last commit that fits ends at {last.last} and {last.archive_last}"
        )
    if head.row_max > head.pos:
        yield f"row {head.row_max} lies beyond the head, which stands at {head.pos}"
    if head.row_min < 0 or (head.row_max and head.row_min == 0):
        yield f"row {head.row_min} lies before the first"
    if head.archive_max > head.archive:
        yield f"archive row {head.archive_max} lies beyond the head, at {head.archive}"


def _span(batch: Batch) -> str:
    if batch.last >= batch.first:
        return f"rows {batch.first} to {batch.last}"
    return f"archive rows {batch.archive_first} to {batch.archive_last}"


# Checkpoints

_ORIGIN = "fenghuo/journal"
_SIGNER = "fenghuo"


def write_checkpoint(path: Path, shard: int, head: Head, key: Ed25519PrivateKey) -> None:
    """Append a signed note of where the shard stands, durably, to a file outside the database.

    The note has the form of C2SP's checkpoint: origin, size, chain; an empty line; the signature.
    Raises OSError when the file cannot be written.
    """
    chain = base64.b64encode(head.chain).decode()
    text = f"{_ORIGIN}/{shard}\n{head.pos}\n{chain}\n"
    signature = _key_id(key.public_key()) + key.sign(text.encode())
    note = f"{text}\n— {_SIGNER} {base64.b64encode(signature).decode()}\n\n"
    with path.open("a", encoding="utf-8") as file:
        file.write(note)
        file.flush()
        os.fsync(file.fileno())


def check_checkpoints(
    path: Path,
    shard: int,
    key: Ed25519PublicKey,
    chains_at: Callable[[int], Collection[bytes]],
) -> Iterator[str]:
    """Hold every checkpoint of the file against the journal; one sentence per fault.

    ``chains_at`` answers with the chain values of the commits that end at a position. The chain
    itself is checked by `faults`: together they leave nothing before a checkpoint unproven.
    """
    with path.open(encoding="utf-8", errors="backslashreplace") as file:
        for number, note in enumerate(_notes(file), 1):
            match _read_note(note, shard, key):
                case str(fault):
                    yield f"checkpoint {number} {fault}"
                case pos, chain if chain not in chains_at(pos):
                    yield f"the journal is not what checkpoint {number} saw at row {pos}"


def _notes(file: Iterator[str]) -> Iterator[list[str]]:
    """Five lines each, and an empty one between them."""
    while lines := list(islice(file, 6)):
        yield [line.rstrip("\n") for line in lines]


def _read_note(note: list[str], shard: int, key: Ed25519PublicKey) -> tuple[int, bytes] | str:
    if len(note) < 5 or note[0] != f"{_ORIGIN}/{shard}":
        return "is not a note of this shard"
    signature = note[4].removeprefix(f"— {_SIGNER} ")
    try:
        signed = base64.b64decode(signature, validate=True)
        key.verify(signed[4:], ("\n".join(note[:3]) + "\n").encode())
        if signed[:4] != _key_id(key):
            return "is signed with another key"
        return int(note[1]), base64.b64decode(note[2], validate=True)
    except (ValueError, InvalidSignature):
        return "has no valid signature"


def _key_id(key: Ed25519PublicKey) -> bytes:
    """C2SP's key id: a hash of the name, the algorithm (1: Ed25519) and the key."""
    return _sha256(_SIGNER.encode() + b"\n\x01" + key.public_bytes_raw()).digest()[:4]
