"""What the benchmark runs on: recipients, events of several services, lanes, the carrier."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from itertools import islice
from pathlib import Path

from sqlalchemy import Connection

from channels.lanes import Lanes, load_lanes
from channels.sandbox_model import Faults
from preferences import store as preference_store
from preferences.recipient import ContactPoint, Profile
from preferences.vault import Vault
from streams.journal.base import Group, Journal
from templates.catalog_files import SEED, Catalog, read_catalog

START_MS = 1_795_485_600_000
"""2026-11-24 10:00 in Shanghai: the benchmark's own clock starts in the middle of the day."""

SHANGHAI = timezone(timedelta(hours=8))

SERVICES: tuple[tuple[str, int], ...] = (
    ("violation-recorded", 60),
    ("violation-paid", 15),
    ("document-ready", 15),
    ("material-missing", 10),
)
"""Notices that go out at once, in the shares of a usual day (percent)."""

PREFIXES = ("138", "139", "130", "186", "133", "189", "150", "177")

LANES = """
[[lane]]
name = "sms-{carrier}"
channel = "sms"
provider = "sandbox"
carriers = ["{carrier}"]
rate_per_s = 40000
weight = 10
segments_max = 10
"""

INBOX = """
[[lane]]
name = "inbox"
channel = "inbox"
provider = "inbox"
carriers = ["*"]
rate_per_s = 40000
weight = 1
segments_max = 0
"""

FAULTS = Faults(
    throttled=0.002, transient=0.003, undelivered=0.01, receipt_repeated=0.002, slow=0.01,
    receipt_ms=1_000,
)  # fmt: skip
"""Ordinary trouble, no lost answers: what stays unknown would only be waited for."""


def lanes() -> Lanes:
    """Contract rates far above what one machine does, so that the hub is what is measured."""
    carriers = ("cmcc", "cucc", "ctcc", "cbn")
    return load_lanes("".join(LANES.format(carrier=c) for c in carriers) + INBOX)


def profiles(count: int) -> Iterator[Profile]:
    """Synthetic recipients, a phone each."""
    for i in range(count):
        phone = f"+86{PREFIXES[i % len(PREFIXES)]}{i:08d}"
        contacts = (ContactPoint("phone", phone), ContactPoint("inbox", f"B{i}"))
        yield Profile(f"B{i}", "person", f"测试{i % 1000}", contacts, region=f"35{i % 9:02d}00")


async def load_recipients(vault: Vault, journal: Journal, count: int) -> None:
    """Register everybody, in groups of 1,000."""
    everybody = ((profile, START_MS) for profile in profiles(count))
    while batch := list(islice(everybody, 1_000)):

        def save(connection: Connection, rows: list[tuple[Profile, int]] = batch) -> None:
            preference_store.save_profiles(connection, vault, rows)

        await journal.append(Group(effects=(save,)))


def events(count: int, recipients: int, catalog: Catalog | None = None) -> Iterator[bytes]:
    """One event a recipient, of several services, as an upstream system would post it: five of
    them happen in a millisecond."""
    catalog = catalog or read_catalog(SEED)
    start = datetime.fromtimestamp(START_MS / 1000, SHANGHAI)
    shapes = []
    for name, share in SERVICES:
        notice = catalog.notices[name]
        sample = dict(catalog.samples[name].data)
        case = catalog.event_types[notice.triggers[0]].correlation
        shapes += [(notice.triggers[0], sample, case)] * share
    for i in range(count):
        kind, sample, case = shapes[i * 7919 % len(shapes)]
        data = dict(sample)
        if case:
            data[case] = f"{i:0{min(len(str(sample[case])), 16)}d}"
        yield json.dumps(
            {
                "specversion": "1.0",
                "id": f"e{i}",
                "source": "bench",
                "type": kind,
                "subject": f"B{i % recipients}",
                "time": (start + timedelta(milliseconds=i // 5)).isoformat(),
                "data": data,
            },
            ensure_ascii=False,
            separators=(",", ":"),
        ).encode()


def start_carrier(ledger: Path) -> tuple[subprocess.Popen[str], int]:
    """The sandbox carrier in its own process; it and its port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.carrier", str(ledger)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, int(process.stdout.readline())
