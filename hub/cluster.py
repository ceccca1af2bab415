"""Composition of the processes of a cluster: PostgreSQL keeps the journal, Kafka carries."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from channels.base import Channel
from channels.inbox import InboxChannel, InboxStore
from hub.bootstrap import (
    carriers_of,
    check_kek,
    check_providers,
    documents,
    finders,
    hub_key,
    inbox_seals,
    notes_of,
    open_vault,
)
from hub.failpoints import FailPoint, around_channels, around_journal, around_topics, point_of
from hub.lanes_file import LanesFile
from hub.mail import unsubscribing_of, wrong_of
from hub.migrating import check_postgres
from hub.settings import Settings
from preferences.vault import Entropy, Vault
from streams.clock import Clock
from streams.commands import Commands
from streams.core.identity import Index
from streams.documents import Refresher, load
from streams.journal.group import Aside, GroupCommit
from streams.journal.postgres import READERS, PostgresStore
from streams.kafka_lag import Lag
from streams.kafka_topics import KafkaTopics
from streams.patience import Patience, PatientCommit, patiently
from streams.people import SqlPeople
from streams.pipeline.river import River
from streams.reading import Reading

ANSWER_S = 10
"""How long a page or a door waits for brokers that are away, before it says so."""


@dataclass
class ClusterHub:
    """What one process of a cluster runs on. ``close`` lets go of it in order."""

    settings: Settings
    clock: Clock
    store: PostgresStore
    urgent: PostgresStore | None
    journal: GroupCommit
    topics: KafkaTopics
    vault: Vault
    river: River
    inbox: InboxStore
    channels: Mapping[str, Channel]
    commands: Commands
    reading: Reading
    refresher: Refresher
    entropy: Entropy
    lanes_file: LanesFile
    lag: Lag
    patience: Patience
    reads: Aside
    point: FailPoint | None
    threads: ThreadPoolExecutor

    def backlog(self) -> Mapping[str, tuple[int, int]]:
        return self.lag.waiting()

    def ring(self) -> None:
        """Whoever follows the journal is another process, and looks every second."""

    def wrong(self) -> Sequence[str]:
        found = (self.patience.wrong, self.topics.wrong, self.lag.wrong)
        return [*(sentence for sentence in found if sentence), *wrong_of(self.channels)]

    def absent(self) -> Sequence[str]:
        return self.lag.absent

    def notes(self) -> Sequence[str]:
        """What people should look at although the hub goes on."""
        return notes_of(self.lanes_file, self.river.documents.lanes, self.channels)

    async def close(self) -> None:
        for channel in self.channels.values():
            await channel.close()
        await self.topics.close()
        await self.journal.close()
        self.lag.close()
        self.threads.shutdown()
        if self.urgent is not None:
            self.urgent.close()
        self.store.close()


async def open_cluster(
    settings: Settings, clock: Clock, ending: asyncio.Event, *, patient: bool
) -> ClusterHub:
    """One process of the cluster. ``patient``: its steps wait for a database that is away until
    ``ending`` is set; whoever serves people says so instead."""
    threads = ThreadPoolExecutor(READERS)
    loop = asyncio.get_running_loop()

    async def aside(ask: Any, /, *args: Any) -> Any:
        return await loop.run_in_executor(threads, ask, *args)

    check_postgres(settings.database_url())
    store = PostgresStore(settings.database_url())
    urgent = PostgresStore(settings.database_url(), goes_first=True) if patient else None
    patience = Patience(ending)
    reads = patiently(aside, patience) if patient else aside
    journal = (
        PatientCommit(store, clock, reads, urgent, patience=patience)
        if patient
        else GroupCommit(store, clock, reads)
    )
    topics = KafkaTopics(settings.kafka, clock, patience_s=None if patient else ANSWER_S)
    vault = open_vault(settings)
    check_kek(store, vault)
    index = Index(settings.key("index_key"))
    seed = documents(settings)
    inbox = InboxStore(store.engine, *inbox_seals(store, vault))
    point = point_of(settings.failpoint)

    def allowed(lane: str) -> bool:
        return lane in river.documents.transfers

    named = carriers_of(settings, clock, seed.lanes, allowed)
    carriers = {**named, "inbox": InboxChannel(clock, inbox, call=reads)}
    check_providers(seed.lanes, carriers)
    channels = around_channels(carriers, point)
    river = River(
        around_journal(journal, point),
        around_topics(topics, point),
        SqlPeople(store.readers, vault, journal, reads),
        vault,
        index,
        clock,
        load(store, index, seed),
        hub_key(settings),
        finders(named),
        unsubscribing_of(settings),
    )
    lag = Lag(settings.kafka)
    reading = Reading(store, vault, index, lambda: river.documents, lag.waiting)

    lanes_file = LanesFile(settings, seed.lanes)
    refresher = Refresher(store, river, seed, lanes_file.look)

    def nobody() -> None:
        """Followers are other processes."""

    return ClusterHub(
        settings, clock, store, urgent, journal, topics, vault, river, inbox, channels,
        Commands(river, inbox, nobody, aside), reading, refresher, os.urandom, lanes_file, lag,
        patience, reads, point, threads,
    )  # fmt: skip
