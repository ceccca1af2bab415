"""The demonstration: three days of the six services in under a minute, with every fault there is.

The river, the carrier's process and the journal are the real ones; only time is ours. It moves
from one thing that is due to the next, and only when every worker rests: however slow the machine,
the same things happen at the same times.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from channels.lanes import DEFAULT_LANES, Lanes
from channels.lanes_file import load_lanes
from channels.sandbox import SandboxChannel
from channels.sandbox_model import Faults
from hub import accounts
from hub.bootstrap import Hub, open_hub, settle
from hub.carrier import Carrier
from hub.clock import Virtual
from hub.folder import JOURNAL, LEDGER, TOPICS
from hub.sample import Sample
from hub.sample_cases import DAYS, HOURS, MINUTES
from hub.sample_people import People
from hub.sample_replies import Replies
from hub.sampling import choose, register
from hub.settings import Settings
from hub.virtual_time import Drive
from streams.local import Pace
from streams.projections.following import Follower
from streams.recount import recount
from streams.views import Parts

BEIJING = ZoneInfo("Asia/Shanghai")

START_MS = int(datetime(2026, 3, 2, 8, tzinfo=BEIJING).timestamp() * 1000)
"""A Monday, eight in the morning, always the same: so is all that follows."""

EVENTS_A_PERSON = 8
"""In three days; enough that some are reminded so often that a cap holds the rest for tomorrow."""

EVENTS_A_REPLY = 50
"""Of so many events one makes somebody write back; enough that even a small demonstration has
answers by text and by mail."""

PAUSE_MS = 30 * MINUTES
"""Between two deliveries of events."""

STEP_MS = 120_000
"""What falls due within two minutes is seen to together: thousands of commits, not tens of
thousands. Nothing that is promised here is finer, but answers, and they come by the carrier's own
times, which lie on the same grid; a code that holds for five minutes still arrives."""

SHARES = (1, 1, 1, 1, 1, 1, 2, 8, *(12,) * 10, 8, 6, 4, 2, 1, 1)
"""How events spread over the hours of a day: few at night, and most of those wait for morning."""

RATE_PER_S = 20_000
"""Of every lane. A contract is paced by the tenth of a second; time here takes greater steps, and
each must carry what came in it."""

DRAIN_DAYS = 30
"""Within so many days of the last event everything must have come to its end: reminders that are
a week ahead, two days for a silent carrier, and as much again after an escalation."""

FAULTS = Faults(
    not_sent=0.006,
    throttled=0.006,
    transient=0.01,
    bad_recipient=0.005,
    bad_content=0.005,
    bad_account=0.005,
    ported=0.03,
    reset=0.003,
    answer_lost=0.005,
    answer_late=0.006,
    slow=0.03,
    undelivered=0.02,
    receipt_lost=0.01,
    receipt_repeated=0.02,
    receipt_late=0.03,
    receipt_early=0.02,
    conflicting=0.006,
    grid_ms=STEP_MS,
)
"""Every fault there is, each often enough to strike fifty times in twenty thousand events."""


class Played(NamedTuple):
    """What it came to."""

    events: int
    parts: Parts
    faults: dict[str, int]
    duplicates: int
    unaccounted: int
    seconds: float
    cpu_s: float

    def line(self) -> dict[str, int | float]:
        """The one JSON object at the end."""
        parts = msgspec.to_builtins(self.parts)
        count = max(self.parts.notifications, 1)
        return {
            "events": self.events,
            **parts,
            "duplicates": self.duplicates,
            "unaccounted": self.unaccounted,
            "seconds": round(self.seconds, 1),
            "per_second": round(count / self.seconds),
            "cpu_us_per_notification": round(self.cpu_s * 1e6 / count),
        }


class Progress(NamedTuple):
    """How far it has come. ``day`` is counted from 1."""

    day: int
    now_ms: int
    events: int
    parts: Parts


Tell = Callable[[Progress], None]


def clear(folder: Path) -> None:
    """Remove what an earlier demonstration left, and nothing else."""
    for name in (JOURNAL, TOPICS, LEDGER):
        for file in folder.glob(f"{name}*"):
            file.unlink()


async def play(settings: Settings, events: int, days: int, seed: int, tell: Tell) -> Played:
    """Play it in the settings' data folder, which the caller holds."""
    began_s, began_cpu_s = time.monotonic(), time.process_time()
    ledger = settings.data_dir / LEDGER
    faults = msgspec.json.encode(FAULTS).decode()
    carrier = Carrier("127.0.0.1", 0, ledger, ("--seed", str(seed), "--faults", faults))
    await carrier.start()
    try:
        settings = msgspec.structs.replace(settings, sandbox_port=carrier.port)
        clock = Virtual(START_MS)
        pace = Pace(rest_ms=DAYS, project_pause_ms=6 * HOURS, look_ms=DAYS)
        hub = open_hub(settings, clock, lanes=wide_lanes(), pace=pace, synced=False)
        settle()
        try:
            play = _Play(hub, clock, events, days, seed, tell)
            await play.run()
            seconds, cpu_s = time.monotonic() - began_s, time.process_time() - began_cpu_s
            channel = hub.channels["sandbox"]
            assert isinstance(channel, SandboxChannel)
            return Played(
                events,
                recount(hub.store).total,
                await channel.tally(),
                accounts.repeated(hub, ledger),
                await accounts.unaccounted(hub),
                seconds,
                cpu_s,
            )
        finally:
            await hub.close()
    finally:
        await carrier.end()


def wide_lanes() -> Lanes:
    """The lanes as they are delivered, with contracts wide enough for great steps of time."""
    lanes = load_lanes(DEFAULT_LANES.read_text(encoding="utf-8"))
    return Lanes(msgspec.structs.replace(lane, rate_per_s=RATE_PER_S) for lane in lanes)


class _Play:
    """One run over one open hub."""

    def __init__(
        self, hub: Hub, clock: Virtual, events: int, days: int, seed: int, tell: Tell
    ) -> None:
        self._hub = hub
        self._clock = clock
        self._events = events
        self._days = days
        self._tell = tell
        self._people = People(max(events // EVENTS_A_PERSON, 100), seed)
        self._sample = Sample(self._people, seed, "demo")
        documents = hub.river.documents
        traffic = documents.catalog.senders["traffic"]
        self._replies = Replies(self._people, seed, documents.lanes, traffic)
        self._follower = Follower(hub.store)
        self._given = 0
        self._replied = 0

    async def run(self) -> None:
        bed = self._hub.bed
        async with asyncio.TaskGroup() as group:
            running = group.create_task(bed.run())
            drive = Drive(self._clock, bed, running, step_ms=STEP_MS)
            await self._settle_in(drive)
            for slot, count in enumerate(shares(self._events, self._days), 1):
                await self._publish(self._sample.take(self._clock.now_ms(), count))
                await self._write_back()
                await drive.to(START_MS + slot * PAUSE_MS)
                if slot * PAUSE_MS % (6 * HOURS) == 0:
                    self._progress()
            await self._drain(drive)
            await drive.end()
        self._follow()

    async def _settle_in(self, drive: Drive) -> None:
        """Recipients come in, and choose."""
        await register(self._hub, self._people)
        await drive.settle()
        await choose(self._hub, self._people)

    async def _publish(self, events: Sequence[bytes]) -> None:
        if not events:
            return
        answers = await self._hub.commands.accept(events)
        assert all(answer.status == "accepted" for answer in answers), "the sample fits the catalog"
        self._given += len(events)

    async def _write_back(self) -> None:
        """People answer what they were told, as a provider would bring it that calls back."""
        while self._replied < self._given // EVENTS_A_REPLY:
            await self._hub.commands.take_reply(self._replies.write(self._clock.now_ms()))
            self._replied += 1

    async def _drain(self, drive: Drive) -> None:
        """No more events: let time pass until everything has come to its end."""
        for _ in range(DRAIN_DAYS):
            if not self._progress().parts.in_flight:
                return
            await drive.to(self._clock.now_ms() + DAYS)

    def _progress(self) -> Progress:
        self._follow()
        now_ms = self._clock.now_ms()
        parts = self._hub.reading.report().total
        told = Progress((now_ms - START_MS) // DAYS + 1, now_ms, self._given, parts)
        self._tell(told)
        return told

    def _follow(self) -> None:
        while self._follower.follow(10_000):
            pass


def shares(events: int, days: int) -> Iterator[int]:
    """How many events come at each delivery, of ``events`` in all."""
    slots = days * DAYS // PAUSE_MS
    first_hour = datetime.fromtimestamp(START_MS / 1000, BEIJING).hour
    weights = [SHARES[(first_hour + slot * PAUSE_MS // HOURS) % 24] for slot in range(slots)]
    given = weighed = 0
    for weight in weights:
        weighed += weight
        count = events * weighed // sum(weights) - given
        given += count
        yield count
