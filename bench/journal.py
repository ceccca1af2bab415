"""`python -m bench.journal [--postgres URL]`: what the journal alone costs a message.

Four rows a message, as the river writes them, in commits of 1,000 rows: each commit routes 250
messages, intends the 250 before them, and so on. Once rows only, as the design measured; once with
what belongs to them: the archived event and 3.5 look-up rows. Random bytes stand for sealed ones.

CPU is that of this process and of all processes of the server, which must be on this machine; the
server's is told from the journal's own sessions and its housekeeping apart. Without an address a
SQLite file is measured.
"""

import argparse
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import text

from bench.world import START_MS
from hub import bootstrap
from streams.core.identity import digest, stream_id
from streams.journal.base import Archived, Entry, Group, Lookup, Store, Unit
from streams.journal.postgres import PostgresStore
from streams.journal.postgres_partitions import ensure_partitions
from streams.journal.sqlite import SqliteStore

MESSAGES = 250
"""Of a commit at each of its four steps."""

STEPS = (("Routed.1", 1271), ("AttemptIntended.1", 50), ("Accepted.1", 173), ("Delivered.1", 192))
"""Types and mean sizes of the benchmark of the river: 1.7 kB a message."""

EVENT_BYTES = 374
WARM = 40
"""Commits before the measure begins: the first ask for versions, and statements are prepared."""


class Cost(NamedTuple):
    """CPU µs a message, and wall-clock µs."""

    client: float
    sessions: float
    housekeeping: float
    wall: float

    @property
    def cpu(self) -> float:
        return self.client + self.sessions + self.housekeeping


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--postgres", metavar="URL", default="")
    parser.add_argument("--commits", type=int, default=800)
    chosen = parser.parse_args()
    for alone in (True, False):
        with tempfile.TemporaryDirectory() as folder:
            store = _open(chosen.postgres, Path(folder), shard=int(alone))
            cost = measure(store, chosen.commits, alone)
            faults = list(store.verify())
            store.close()
        what = "rows alone" if alone else "with archive and look-ups"
        print(
            f"{what:26} {cost.cpu:6.1f} µs a message: client {cost.client:.1f},"
            f" server {cost.sessions:.1f} + {cost.housekeeping:.1f}; {cost.wall:.1f} by the clock"
        )
        assert not faults, faults


def _open(url: str, folder: Path, shard: int) -> Store:
    if not url:
        return SqliteStore(folder / "journal.db")
    store = PostgresStore(url, shard=shard)
    with store.transaction() as connection:
        ensure_partitions(connection, START_MS)
    return store


def measure(store: Store, commits: int, alone: bool) -> Cost:
    """Commit after commit; what was prepared for them is not counted."""
    bootstrap.settle()  # as every process of the hub does
    source = random.Random(1)
    work = _commits(source, alone, store.head())
    for _ in range(WARM):
        store.commit([next(work)], START_MS)
    client = wall = 0.0
    sessions, housekeeping = _server_us(store)
    for _ in range(commits):
        group = next(work)
        cpu, start = time.process_time(), time.perf_counter()
        [answer] = store.commit([group], START_MS)
        client += time.process_time() - cpu
        wall += time.perf_counter() - start
        assert all(answer.won), "nobody else writes here"
    after = _server_us(store)
    messages = commits * MESSAGES
    return Cost(
        client * 1e6 / messages,
        (after[0] - sessions) / messages,
        (after[1] - housekeeping) / messages,
        wall * 1e6 / messages,
    )


def _commits(source: random.Random, alone: bool, head: int) -> Iterator[Group]:
    waiting: list[list[bytes]] = []
    number = head
    while True:
        streams = []
        archive = []
        for _ in range(MESSAGES):
            number += 1
            event = digest("event", str(number))
            streams.append(stream_id(START_MS + number // 5, event, "notice", str(number)))
            if not alone:
                data = source.randbytes(EVENT_BYTES)
                archive.append(Archived(event, event, START_MS, "violation", "r-1", data))
        waiting = [streams, *waiting[: len(STEPS) - 1]]
        units = []
        for step, those in enumerate(waiting):
            type_, size = STEPS[step]
            for n, stream in enumerate(those):
                rows = (Entry(stream, step + 1, type_, source.randbytes(size)),)
                units.append(Unit(rows, () if alone else _lookups(source, stream, step, n)))
        yield Group(units, archive)


def _lookups(source: random.Random, stream: bytes, step: int, n: int) -> tuple[Lookup, ...]:
    """By recipient and case when routed, every second one under a cap; by the carrier's reference,
    which counts upwards, when accepted."""
    if step == 0:
        keys = [(source.randbytes(16), b""), (source.randbytes(16), b"n")]
        keys += [(source.randbytes(16), b"")] if n % 2 else []
        return tuple(Lookup(key, sub, stream) for key, sub in keys)
    if step == 2:
        return (Lookup(b"lane" + stream[:6].rjust(12, b"\0"), b"", stream),)
    return ()


def _server_us(store: Store) -> tuple[float, float]:
    """CPU so far of the server's sessions with clients, and of its other processes."""
    if not isinstance(store, PostgresStore):
        return 0.0, 0.0
    query = text("SELECT pid, backend_type = 'client backend' FROM pg_stat_activity")
    with store.readers.connect() as connection:
        found = connection.execute(query).all()
    spent = [0.0, 0.0]
    for pid, is_session in found:
        try:
            told = Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii")
        except OSError:  # it ended between asking and reading
            continue
        spent[0 if is_session else 1] += int(told.split()[0]) / 1_000
    return spent[0], spent[1]


if __name__ == "__main__":
    main()
