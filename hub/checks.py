"""What ``hub doctor`` looks at: everything that has to be right before a hub can run well.

Each check answers with what it found; none changes anything but a file it removes again. What only
a cluster has is imported by its checks: `hub health sandbox` asks here every few seconds.
"""

import asyncio
import importlib
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NamedTuple

from channels.sandbox import LineDown, LineLost, SandboxChannel
from hub.carrier import CHECKOUT
from hub.clock import Real, clock_of
from hub.folder import JOURNAL, owner
from hub.health import ask
from hub.settings import KEYS, KEYS_OF_ROWS, Settings, SettingsError

PACKAGES = ("streams", "templates", "channels", "preferences", "web", "hub")

FREE_BAD_MB = 200
FREE_LOW_MB = 2_000
"""A busy day writes a gigabyte or two; below the first figure a disk is full within the hour."""

CLOCK_FROM, CLOCK_TO = 2025, 2100
"""Years between which a clock may be right; a machine without a battery wakes in 1970."""

SKEW_MS = 60_000
"""The newest row may be this far ahead of the clock: several processes share no tick."""

SANDBOX_S = 2

State = Literal["good", "note", "bad"]


class Check(NamedTuple):
    """What one check found. A note is nothing that keeps a hub from running."""

    name: str
    state: State
    says: str


def examine(settings: Settings) -> Iterator[Check]:
    """Every check, in the order in which they build on each other."""
    for check in OF_A_CLUSTER if settings.database else OF_A_FOLDER:
        yield check(settings)
    if settings.mail_inbox:
        yield _mailbox(settings)


def _python(settings: Settings) -> Check:
    return Check("python", "good", f"{sys.version.split()[0]} at {sys.executable}")


def _packages(settings: Settings) -> Check:
    """Other projects ship a package of the same name, and theirs may come first."""
    for name in PACKAGES:
        file = Path(importlib.import_module(name).__file__ or "")
        if not file.is_relative_to(CHECKOUT):
            return Check("packages", "bad", f"{name} comes from {file.parent}, not {CHECKOUT}")
    return Check("packages", "good", f"from {CHECKOUT}")


def _folder(settings: Settings) -> Check:
    place = settings.data_dir.absolute()
    there = next(folder for folder in (place, *place.parents) if folder.exists())
    try:
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(b"x")
            file.flush()
    except OSError as error:
        return Check("data folder", "bad", f"{there} cannot be written: {error.strerror}")
    free_mb = shutil.disk_usage(there).free // 1_000_000
    says = f"{place}{'' if there == place else ', not made yet'}, {free_mb:,} MB free"
    if free_mb < FREE_BAD_MB:
        return Check("data folder", "bad", says)
    return Check("data folder", "note" if free_mb < FREE_LOW_MB else "good", says)


def _keys(settings: Settings) -> Check:
    """Those that a start would make are not made here; beside a journal they are lost, and it
    cannot be read by others that were made anew."""
    place = settings.data_dir / "keys"
    own = [name for name in KEYS if getattr(settings, name) is None]
    missing = settings.lost(KEYS)
    try:
        for name in KEYS:
            if name not in missing:
                settings.key(name)
    except (SettingsError, OSError) as error:
        return Check("keys", "bad", str(error))
    lost = ", ".join(settings.lost(KEYS_OF_ROWS))
    if lost and not settings.database and _newest_ms(settings.data_dir / JOURNAL):
        return Check("keys", "bad", f"{lost}: not in {place}; the journal cannot be read without")
    if missing:
        return Check("keys", "good", f"{', '.join(missing)}: made at the first start, in {place}")
    if own:
        return Check("keys", "good", f"{', '.join(own)} in {place}")
    return Check("keys", "good", "as the settings say")


def _clock(settings: Settings) -> Check:
    now_ms = Real().now_ms()
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    if not CLOCK_FROM <= now.year < CLOCK_TO:
        return Check("clock", "bad", f"says {now:%Y-%m-%d}")
    newest_ms = 0 if settings.database else _newest_ms(settings.data_dir / JOURNAL)
    if newest_ms > now_ms + SKEW_MS:
        ahead = datetime.fromtimestamp(newest_ms / 1000, UTC)
        return Check("clock", "bad", f"{now:%F %T} UTC, behind the journal's {ahead:%F %T}")
    return Check("clock", "good", f"{now:%F %T} UTC")


def _newest_ms(journal: Path) -> int:
    if not journal.is_file():
        return 0
    try:
        with sqlite3.connect(f"{journal.absolute().as_uri()}?mode=ro", uri=True) as connection:
            row = connection.execute("SELECT max(at_ms) FROM journal_batch").fetchone()
    except sqlite3.Error:
        return 0
    return row[0] or 0


def _database(settings: Settings) -> Check:
    from hub.bootstrap import open_store
    from hub.migrating import SchemaNew, SchemaOld
    from streams.journal.errors import JournalError
    from streams.journal.postgres_partitions import missing_partitions

    where = settings.database.rpartition("@")[2]
    try:
        store = open_store(settings)
    except (SchemaOld, SchemaNew, JournalError) as error:
        return Check("database", "bad", f"{where}: {error}")
    try:
        head = store.head()
        with store.transaction() as connection:
            missing = missing_partitions(connection, clock_of(settings.clock).now_ms())
    finally:
        store.close()
    says = f"{where}, {head:,} rows"
    if missing:
        return Check("database", "note", f"{says}; `hub migrate` makes {', '.join(missing)}")
    return Check("database", "good", says)


def _topics(settings: Settings) -> Check:
    from hub.topics import wrong
    from streams.topic_admin import TopicAdmin
    from streams.topics import TopicsUnavailable

    try:
        with TopicAdmin(settings.kafka) as brokers:
            found = wrong(settings, brokers)
    except TopicsUnavailable as error:
        return Check("topics", "bad", str(error))
    told = [f"{name}: {sentence}" for name, those in found.items() for sentence in those]
    if told:
        return Check("topics", "bad", f"{'; '.join(told)}. `hub topics` mends what it can")
    return Check("topics", "good", f"{len(found)} at {settings.kafka}, as they must be")


def _pages(settings: Settings) -> Check:
    """They may well be on another machine."""
    wrong = ask(settings.host, settings.port)
    says = "; ".join(wrong) or f"ready at {settings.host}:{settings.port}"
    return Check("pages", "note" if wrong else "good", says)


def _lanes(settings: Settings) -> Check:
    """Who carries, and whether their accounts have what they sign in with."""
    from channels.lanes_file import LanesError
    from hub.bootstrap import check_passwords
    from hub.lanes_file import read_lanes

    try:
        lanes = read_lanes(settings)
    except (LanesError, SettingsError) as error:
        return Check("lanes", "bad", str(error))
    try:
        check_passwords(lanes)
    except SettingsError as error:  # whoever sends may know more than this shell
        return Check("lanes", "note", f"not known here: {error}")
    by = ", ".join(sorted({lane.via for lane in lanes}))
    return Check("lanes", "good", f"{len(list(lanes))}, by {by}")


def _port(settings: Settings) -> Check:
    running = owner(settings.data_dir)
    if running and running.url:
        return Check("hub", "good", f"running at {running.url} (process {running.pid})")
    where = f"{settings.host}:{settings.port}"
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((settings.host, settings.port))
        except OSError as error:
            return Check("hub", "bad", f"not running, and {where} cannot be had: {error.strerror}")
    return Check("hub", "good", f"not running; {where} is free")


def _sandbox(settings: Settings) -> Check:
    where = f"{settings.sandbox_host}:{settings.sandbox_port}"
    try:
        asyncio.run(ask_sandbox(settings))
    except LineDown:
        return Check("sandbox", "note", f"nobody at {where}; `hub up` starts it")
    except (LineLost, TimeoutError):
        return Check("sandbox", "bad", f"somebody else is at {where}; HUB_SANDBOX_PORT moves it")
    return Check("sandbox", "good", f"answers at {where}")


async def ask_sandbox(settings: Settings) -> None:
    """Raises LineDown where nobody listens; LineLost or TimeoutError where somebody else does."""
    channel = SandboxChannel(Real(), settings.sandbox_host, settings.sandbox_port)
    try:
        async with asyncio.timeout(SANDBOX_S):
            await channel.tally()
    finally:
        await channel.close()


def _mailbox(settings: Settings) -> Check:
    """Where bounces and replies come to."""
    from hub.mail import inbox_fault

    if fault := inbox_fault(settings):
        return Check("mailbox", "bad", f"{settings.mail_inbox}: {fault}")
    return Check("mailbox", "good", f"{settings.mail_inbox} can be read")


def _fonts(settings: Settings) -> Check:
    """Only for people who look at pages on this machine."""
    browser = next((b for b in ("chromium", "google-chrome", "firefox") if shutil.which(b)), "")
    lister = shutil.which("fc-list")
    fonts = b""
    if lister:
        fonts = subprocess.run([lister, ":lang=zh"], check=False, capture_output=True).stdout  # noqa: S603
    chinese = "Chinese fonts" if fonts.strip() else "no Chinese font found"
    return Check("display", "note", f"{chinese}; {browser or 'no browser found'}")


OF_A_FOLDER: tuple[Callable[[Settings], Check], ...] = (
    _python,
    _packages,
    _folder,
    _keys,
    _clock,
    _lanes,
    _port,
    _sandbox,
    _fonts,
)

OF_A_CLUSTER: tuple[Callable[[Settings], Check], ...] = (
    _python,
    _packages,
    _keys,
    _clock,
    _lanes,
    _database,
    _topics,
    _pages,
    _sandbox,
)
