"""Composition: the one place where real things are chosen and put together."""

import gc
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from random import Random

from channels.base import Channel
from channels.binding import Binding
from channels.finding import Finder
from channels.http_channel import HttpChannel
from channels.inbox import InboxChannel, InboxStore, Open, Seal
from channels.lanes import Lanes
from channels.lanes_file import LanesError
from channels.sandbox import SandboxChannel
from channels.sms_cmpp import CmppChannel
from channels.sms_smpp import SmppChannel
from channels.wechat import WechatChannel
from hub.failpoints import (
    around_channels,
    around_followed,
    around_journal,
    around_topics,
    point_of,
)
from hub.folder import JOURNAL, TOPICS
from hub.lanes_file import CMPP, HTTP, SMPP, SMTP, WECHAT, LanesFile, read_lanes
from hub.mail import open_mail, unsubscribing_of, wrong_of
from hub.migrating import check_postgres, migrate_folder
from hub.settings import KEYS_OF_ROWS, Settings, SettingsError, secret_of, secrets_of
from preferences import store as preference_store
from preferences.links import Pushed, Signer, pushed_token
from preferences.vault import Entropy, Keys, Pooled, SubjectKey, Vault
from streams import lane_owner, sweeps
from streams.clock import Clock
from streams.commands import Commands
from streams.core.identity import Index
from streams.core.policy import DEFAULT
from streams.documents import Refresher, load
from streams.event_record import rules_of
from streams.journal.base import Store
from streams.journal.group import GroupCommit, at_once
from streams.journal.postgres import PostgresStore
from streams.journal.sqlite import SqliteStore
from streams.local import PACE, Bells, LocalBed, Pace
from streams.local_topics import SqliteTopics
from streams.people import SqlPeople
from streams.pipeline.river import Documents, River
from streams.projections import following
from streams.reading import Reading
from templates.catalog_files import SEED, Catalog, read_catalog
from templates.segments import split
from templates.wording_versions import load_wording

YOUNG = 20_000
"""Values made before the collector looks at them: those of a batch or two, a few MB."""

SWITCH_S = 0.0005
"""A commit asks for the interpreter a handful of times; at Python's own 5 ms each it would wait
longer than the disk takes."""


PROOF_MS = 60 * 86_400_000
"""How long a browser may say that a push was opened: a push service keeps one for four weeks, and a
notification stays on the screen until somebody touches it."""


@dataclass
class Hub:
    """Everything one process runs on. ``close`` lets go of it in order."""

    settings: Settings
    clock: Clock
    store: Store
    journal: GroupCommit
    topics: SqliteTopics
    vault: Vault
    river: River
    bed: LocalBed
    inbox: InboxStore
    channels: Mapping[str, Channel]
    commands: Commands
    reading: Reading
    entropy: Entropy
    lanes_file: LanesFile

    def backlog(self) -> Mapping[str, tuple[int, int]]:
        return self.topics.backlog()

    def ring(self) -> None:
        self.bed.ring()

    def wrong(self) -> Sequence[str]:
        """Nothing is elsewhere."""
        return ()

    def absent(self) -> Sequence[str]:
        """All of its work is done in this process."""
        return ()

    def notes(self) -> Sequence[str]:
        """What people should look at although the hub goes on."""
        return notes_of(self.lanes_file, self.river.documents.lanes, self.channels)

    async def close(self) -> None:
        for channel in self.channels.values():
            await channel.close()
        await self.topics.close()
        await self.journal.close()
        self.store.close()


def settle() -> None:
    """Once all is open: what lives as long as the process is looked at no more, and a batch's
    thousands of short-lived values are looked at once a batch, not once every seven hundred. The
    thread that confirms commits gets the interpreter soon when it asks."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 10_000)
    sys.setswitchinterval(SWITCH_S)


def open_store(settings: Settings, *, synced: bool = True) -> Store:
    """The journal's database, with every table as this hub needs it: the cluster's, which somebody
    has migrated, or the folder's."""
    if settings.database:
        check_postgres(settings.database_url())
        return PostgresStore(settings.database_url())
    migrate_folder(settings.data_dir)
    return SqliteStore(settings.data_dir / JOURNAL, synced=synced)


def check_keys(settings: Settings, store: Store) -> None:
    """Keys that were lost are not made anew beside rows that only they can read. Raises
    :class:`SettingsError`."""
    lost = settings.lost(KEYS_OF_ROWS)
    if lost and store.head():
        raise SettingsError(
            f"{', '.join(lost)}: not in {settings.data_dir / 'keys'}, and what is journalled "
            "cannot be read without; put it back, or set it"
        )


def check_kek(store: Store, vault: Vault) -> None:
    """Another key than the one that wrapped what is here would make everybody look damaged, one by
    one. Raises :class:`SettingsError`."""
    with store.transaction() as connection:  # which says it in our words when it is away
        fault = preference_store.unopened(connection, vault)
    if fault:
        raise SettingsError(f"kek: opens no recipient's key ({fault}); kek_id and kek_spare tell")


def open_vault(settings: Settings) -> Vault:
    return Vault(vault_keys(settings), Pooled(os.urandom))


def vault_keys(settings: Settings) -> Keys:
    """What recipients' keys are wrapped with, and what indexes are made with."""
    kek, index_key = settings.key("kek"), settings.key("index_key")
    return Keys(kek, index_key, settings.kek_id, settings.spare())


def hub_key(settings: Settings) -> SubjectKey:
    """Seals what has no subject: topics, quarantine, events about nobody."""
    return SubjectKey(vault_keys(settings).derive("hub"), Pooled(os.urandom))


def documents(
    settings: Settings, catalog: Catalog | None = None, lanes: Lanes | None = None
) -> Documents:
    """What is in force: the seed, until the journal says otherwise."""
    catalog = catalog or read_catalog(SEED)
    hosts = frozenset(settings.allowed_link_hosts)
    wordings = {
        name: load_wording(name, files, hosts=hosts) for name, files in catalog.files.items()
    }
    lanes = lanes or read_lanes(settings)
    rules = rules_of(catalog, hosts)
    return Documents(catalog, wordings, DEFAULT, lanes, settings.language, hosts, rules)


def check_passwords(lanes: Lanes) -> None:
    """Whoever sends needs every account's. Raises :class:`SettingsError`."""
    for lane in lanes:
        for variable in lane.account.environment() if lane.account is not None else ():
            if not secret_of(variable):
                raise SettingsError(
                    f"lane {lane.name}: {variable} must hold the account's password, "
                    f"or {variable}_FILE name its file"
                )


def carriers_of(
    settings: Settings, clock: Clock, lanes: Lanes, allowed: Callable[[str], bool]
) -> dict[str, Channel]:
    """Who carries, by the protocol's name as lanes give it: the sandbox carrier's process, a mail
    server and Twilio where they are set, and the carriers where lanes have an account. ``allowed``
    says which lanes may take numbers of the mainland abroad."""
    carriers: dict[str, Channel] = {
        "sandbox": SandboxChannel(clock, settings.sandbox_host, settings.sandbox_port)
    }
    if settings.smtp_host:
        carriers[SMTP] = open_mail(settings, clock)
    passwords = {
        lane.name: secret_of(lane.account.password_env)
        for lane in lanes
        if lane.via in (SMPP, *CMPP, WECHAT)
    }
    if smpp := {lane.name: lane.account for lane in lanes if lane.via == SMPP}:
        carriers[SMPP] = SmppChannel(clock, smpp, passwords, split, Random())
    for name in CMPP:
        if cmpp := {lane.name: lane.account for lane in lanes if lane.via == name}:
            carriers[name] = CmppChannel(clock, cmpp, passwords, split, Random(), name)
    for name in HTTP:
        if http := {lane.name: lane.account for lane in lanes if lane.via == name}:
            secrets = {lane: secrets_of(account) for lane, account in http.items()}
            carriers[name] = HttpChannel(clock, http, secrets, settings.public_url, name)
    if wechat := {lane.name: lane.account for lane in lanes if lane.via == WECHAT}:
        carriers[WECHAT] = WechatChannel(clock, wechat, passwords)
    if account := settings.twilio():
        from channels.sms_twilio import SmsTwilio  # only then: its library is large
        from channels.voice_twilio import VoiceTwilio

        for channel in (SmsTwilio, VoiceTwilio):
            made: Channel = channel(clock, account, allowed)
            carriers[made.name] = made
    if sender := settings.web_push():
        from channels.push_web import PushWeb  # only then, as above

        carriers["push_web"] = PushWeb(clock, sender, proofs(settings, clock))
    if apple := settings.apns():
        if find_spec("h2") is None:
            raise SettingsError("apns_key is set, and this Python has no HTTP/2: the extra apns")
        from channels.push_apns import PushApns  # only then, as above

        carriers["push_apns"] = PushApns(clock, apple)
    return carriers


def notes_of(lanes_file: LanesFile, lanes: Lanes, channels: Mapping[str, Channel]) -> list[str]:
    """A lanes file that cannot be used, carriers that do not let us in, mailboxes out of reach."""
    notes = [lanes_file.wrong] if lanes_file.wrong else []
    for lane in lanes:
        channel = channels[lane.via]
        refused = channel.not_bound(lane.name) if isinstance(channel, Binding) else None
        if refused is not None:
            notes.append(f"lane {lane.name} is not bound: {refused.reason}")
    return [*notes, *wrong_of(channels)]


def proofs(settings: Settings, clock: Clock) -> Callable[[str, str], str]:
    """Where a browser says, by lane and attempt, what became of a push: below wherever it was
    subscribed."""
    signer = Signer({0: settings.key("link_key")}, current=0)

    def proof(lane: str, attempt: str) -> str:
        expires_ms = clock.now_ms() + PROOF_MS
        return f"/pushed/{pushed_token(signer, Pushed(lane, attempt), expires_ms)}"

    return proof


def finders(carriers: Mapping[str, Channel]) -> dict[str, Finder]:
    """Those that can be asked what they have."""
    return {name: one for name, one in carriers.items() if isinstance(one, Finder)}


def check_providers(lanes: Lanes, channels: Mapping[str, Channel]) -> None:
    """Raises :class:`LanesError` for a lane that goes by what this hub does not have."""
    for lane in lanes:
        if lane.via not in channels:
            known = ", ".join(sorted(channels))
            raise LanesError(
                f"lane {lane.name}: provider must be one that is set up ({known}), not {lane.via}"
            )


def open_hub(
    settings: Settings,
    clock: Clock,
    *,
    store: Store | None = None,
    carriers: Mapping[str, Channel] | None = None,
    lanes: Lanes | None = None,
    catalog: Catalog | None = None,
    pace: Pace = PACE,
    synced: bool = True,
) -> Hub:
    """The one-process hub. ``store`` is the journal's database, its tables made; left out, it is
    the folder's file. ``carriers`` are by provider's name as the lanes file gives it; left
    out, it is the sandbox carrier's process that ``settings`` names. The inbox is always there.

    ``pace`` and ``synced`` are for time that is only played: see the demonstration."""
    if store is None:
        store = open_store(settings, synced=synced)
        check_keys(settings, store)
    journal = GroupCommit(store, clock)
    topics = SqliteTopics(settings.data_dir / TOPICS, synced=synced)
    point = point_of(settings.failpoint)
    bells = Bells(around_topics(topics, point))
    vault = open_vault(settings)
    check_kek(store, vault)
    people = SqlPeople(store.readers, vault, journal, at_once)
    index = Index(settings.key("index_key"))
    seed = documents(settings, catalog, lanes)
    inbox = InboxStore(store.engine, *inbox_seals(store, vault))

    def allowed(lane: str) -> bool:
        return lane in river.documents.transfers

    if carriers is None:
        check_passwords(seed.lanes)
        carriers = carriers_of(settings, clock, seed.lanes, allowed)
    channels = around_channels(
        {**carriers, "inbox": InboxChannel(clock, inbox, call=at_once)}, point
    )
    check_providers(seed.lanes, channels)
    river = River(
        around_journal(journal, point),
        bells,
        people,
        vault,
        index,
        clock,
        load(store, index, seed),
        hub_key(settings),
        finders(carriers),
        unsubscribing_of(settings),
    )
    followed = around_followed(store, point)
    # lanes that were handed in are no file's
    lanes_file = LanesFile(settings, seed.lanes)
    refresher = Refresher(store, river, seed, lanes_file.look if lanes is None else lambda: None)
    follower = following.Follower(followed)
    swept = sweeps.SqlSweeps(store)
    owned = lane_owner.Ownership(store.transaction)
    bed = LocalBed(
        river, bells, store, channels, follower, swept, owned, journal.timers, clock,
        refresher.refresh, pace,
    )  # fmt: skip
    commands = Commands(river, inbox, bed.ring, at_once)
    reading = Reading(store, vault, index, lambda: river.documents, topics.backlog)
    return Hub(
        settings, clock, store, journal, topics, vault, river, bed, inbox, channels,
        commands, reading, os.urandom, lanes_file,
    )  # fmt: skip


def inbox_seals(store: Store, vault: Vault) -> tuple[Seal, Open]:
    """How an inbox seals its messages and opens them, by recipient."""

    def key(ref: str) -> SubjectKey | None:
        with store.readers.connect() as connection:
            loaded = preference_store.load_many(connection, vault, [ref]).get(ref)
        return loaded.key if loaded else None

    def seal(ref: str, plain: bytes) -> bytes:
        found = key(ref)
        assert found is not None, "a routed recipient has a key"
        return found.seal(plain, b"inbox")

    def open_sealed(ref: str, sealed: bytes) -> bytes | None:
        found = key(ref)
        return found.open(sealed, b"inbox") if found else None

    return seal, open_sealed
