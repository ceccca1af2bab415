"""What the benchmark runs on: recipients, events of several services, lanes, the carrier."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, timezone
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection

from channels.lanes import Lanes
from channels.lanes_file import load_lanes
from channels.sandbox_model import Faults
from preferences import store as preference_store
from preferences.recipient import ContactPoint, Profile
from preferences.vault import Vault
from streams.journal.base import Group, Journal, Store
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

REGISTERED_AT_ONCE = 1_000

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

VOICE = """
[[lane]]
name = "voice"
channel = "voice"
provider = "sandbox"
carriers = ["*"]
rate_per_s = 40000
weight = 1
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
    for group in _registering(vault, 0, count):
        await journal.append(group)


def save_recipients(store: Store, vault: Vault, known: int, count: int) -> Iterator[int]:
    """The same for those after the first ``known``, on the store itself; how many are known now,
    as it goes on."""
    for group in _registering(vault, known, count):
        store.commit([group], START_MS)
        known = min(known + REGISTERED_AT_ONCE, count)
        yield known


def _registering(vault: Vault, first: int, count: int) -> Iterator[Group]:
    everybody = ((profile, START_MS) for profile in islice(profiles(count), first, None))
    while batch := list(islice(everybody, REGISTERED_AT_ONCE)):

        def save(connection: Connection, rows: list[tuple[Profile, int]] = batch) -> None:
            preference_store.save_profiles(connection, vault, rows)

        yield Group(effects=(save,))


class Shapes:
    """What upstream systems send, in their shares: (type, sample data, the field of the case)."""

    def __init__(self, shapes: Sequence[tuple[str, dict[str, Any], str]]) -> None:
        self._shapes = shapes

    def event(self, number: int, subject: str, at_ms: int, case: int) -> bytes:
        """One event, as an upstream system would write it."""
        kind, sample, field = self._shapes[number * 7919 % len(self._shapes)]
        data = dict(sample)
        if field:
            data[field] = f"{case:0{min(len(str(sample[field])), 16)}d}"
        at = datetime.fromtimestamp(at_ms / 1000, SHANGHAI)
        return msgspec.json.encode(
            {
                "specversion": "1.0",
                "id": f"e{number}",
                "source": "bench",
                "type": kind,
                "subject": subject,
                "time": at.isoformat(timespec="milliseconds"),
                "data": data,
            }
        )


def shapes(
    services: Sequence[tuple[str, int]] = SERVICES, catalog: Catalog | None = None
) -> Shapes:
    """Of notices of the catalog, each as often as its share says."""
    catalog = catalog or read_catalog(SEED)
    found = []
    for name, share in services:
        notice = catalog.notices[name]
        case = catalog.event_types[notice.triggers[0]].correlation
        found += [(notice.triggers[0], dict(catalog.samples[name].data), case)] * share
    return Shapes(found)


def events(count: int, recipients: int) -> Iterator[bytes]:
    """One event a recipient, of several services: five of them happen in a millisecond."""
    made = shapes()
    for i in range(count):
        yield made.event(i, f"B{i % recipients}", START_MS + i // 5, i)


def start_carrier(ledger: Path) -> tuple[subprocess.Popen[str], int]:
    """The sandbox carrier in its own process; it and its port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.carrier", str(ledger)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, int(process.stdout.readline())
