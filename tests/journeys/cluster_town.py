"""A town on a cluster: Kafka, PostgreSQL, the carrier and one worker of each kind, all processes.

The journey's own process has the door, the commands and the reader, as `hub web` does. Each journey
has a database, a carrier and workers of its own; the broker, the server and the topics are there
for all of them.
"""

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from itertools import count
from pathlib import Path

from msgspec.structs import replace

from channels.sandbox_model import Faults
from hub.carrier import Carrier
from hub.clock import Rehearsal
from hub.cluster import open_cluster
from hub.settings import load
from streams.kafka_lag import GROUPS
from streams.topics import EVENTS
from tests.cluster.kafka_topics import committed
from tests.cluster.native_kafka import NativeKafka
from tests.cluster.native_postgres import NativePostgres
from tests.journeys.rehearsing import FACTOR, Director, Owing, Served
from tests.journeys.town import TUESDAY, Town
from tests.journeys.worker_host import Host, Working

KINDS = ("router", "dispatcher", "receiver", "timer")

PARTITIONS = 2
"""Two are as good as twelve to be wrong with, and are looked at six times as fast."""

GRID_MS = 10
"""A cluster waits out the carrier's answers; nothing else becomes of them for being sooner."""

KEY = base64.b64encode(bytes(32)).decode()


class Parts:
    """What all journeys share. Their databases are copies of one that `hub migrate` made."""

    def __init__(self, folder: Path, postgres: NativePostgres) -> None:
        self.postgres = postgres
        self.kafka = NativeKafka(folder / "kafka")
        self.host = Host(folder / "logs")
        self._first = "journeys"
        self._numbers = count(1)

    def start(self) -> None:
        self.kafka.start()
        settings = self.settings(self.postgres.create_database(self._first))
        for command in ("migrate", "topics"):
            self.host.run((command,), settings)
        for group in GROUPS:
            committed(self.kafka, group, EVENTS)  # returns once the broker knows its groups
        self.served = Served(self.kafka.bootstrap)

    def stop(self) -> None:
        self.served.close()
        self.kafka.stop()

    @contextmanager
    def database(self) -> Iterator[str]:
        """The address of an empty, migrated database."""
        name = f"{self._first}_{next(self._numbers)}"
        try:
            yield self.postgres.create_database(name, template=self._first)
        finally:
            self.postgres.drop_database(name)

    def settings(self, database: str) -> dict[str, str]:
        return {
            "HUB_DATABASE": database,
            "HUB_KAFKA": self.kafka.bootstrap,
            "HUB_PARTITIONS": str(PARTITIONS),
            "HUB_KEK": KEY,
            "HUB_INDEX_KEY": KEY,
            "HUB_LINK_KEY": KEY,
        }


@contextmanager
def running(parts: Parts, settings: Mapping[str, str]) -> Iterator[Working]:
    """One worker of each kind; each has ended in order when this returns."""
    workers = parts.host.start([("worker", kind) for kind in KINDS], settings)
    try:
        yield workers
    finally:
        workers.end()
        parts.served.leave_behind()
    workers.ended_well()


@asynccontextmanager
async def carrying(ledger: Path, faults: Faults) -> AsyncIterator[int]:
    """The sandbox carrier; its port."""
    carrier = Carrier("127.0.0.1", 0, ledger, Owing.options(faults))
    await carrier.start()
    try:
        yield carrier.port
    finally:
        await carrier.end()


@asynccontextmanager
async def cluster_town(
    parts: Parts, folder: Path, start: datetime = TUESDAY, faults: Faults | None = None
) -> AsyncIterator[Town]:
    """A town at ``start``; its carrier has no faults unless given."""
    faults = replace(faults or Faults(), grid_ms=GRID_MS)
    clock, ledger = folder / "clock", folder / "ledger.jsonl"
    Rehearsal.set(clock, int(start.timestamp() * 1000), FACTOR)
    with parts.database() as database:
        async with carrying(ledger, faults) as port:
            settings = parts.settings(database)
            settings |= {"HUB_SANDBOX_PORT": str(port), "HUB_CLOCK": str(clock)}
            with running(parts, settings) as workers:
                ending = asyncio.Event()
                hub = await open_cluster(load(settings), Rehearsal(clock), ending, patient=False)
                owing = Owing(ledger, faults)
                try:
                    yield Town(hub, Director(hub, parts.served, owing, clock, workers.check))
                finally:
                    await hub.close()
