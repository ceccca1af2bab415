"""A hub that ends does not wait for its slowest lane, and loses nothing by it."""

import asyncio
from collections import Counter
from pathlib import Path

import msgspec

from channels.lanes import DEFAULT_LANES, Lanes
from channels.lanes_file import load_lanes
from channels.sandbox_model import Faults
from hub.bootstrap import Hub, open_hub, open_store
from hub.clock import Virtual
from hub.sample import registrations
from hub.sample_people import People
from hub.settings import load
from hub.virtual_time import Drive
from streams.journal.base import Row
from tests.streams.small_hub import MORNING, Direct, SmallHub

WARNED = 20
FAULTS = Faults()


def _slow_lanes() -> Lanes:
    lanes = load_lanes(DEFAULT_LANES.read_text(encoding="utf-8"))
    return Lanes(msgspec.structs.replace(lane, rate_per_s=5) for lane in lanes)


async def _some_time(folder: Path, start_ms: int, ms: int, people: People | None = None) -> Hub:
    """Run a hub this long, and let it end."""
    clock = Virtual(start_ms)
    settings = load({"HUB_DATA_DIR": str(folder)})
    carriers = {"sandbox": Direct(clock, FAULTS)}
    hub = open_hub(settings, clock, carriers=carriers, lanes=_slow_lanes(), synced=False)
    running = asyncio.create_task(hub.bed.run())
    drive = Drive(clock, hub.bed, running)
    if people:
        await hub.commands.accept(list(registrations(people, start_ms)))
        await drive.settle()
        small = SmallHub(hub, drive)
        for i in range(WARNED):
            await small.violation(people.persons[i].ref, f"35010000000000{i:02}")
    await drive.to(start_ms + ms)
    ending_ms = clock.now_ms()
    await drive.end()
    assert clock.now_ms() - ending_ms <= 2_000, "it waited for its lanes"
    await hub.close()
    return hub


async def test_what_was_not_begun_goes_out_after_the_next_start(tmp_path: Path) -> None:
    hub = await _some_time(tmp_path, MORNING, 1_000, People(WARNED + 5, 1))
    assert hub.topics.backlog(), "the lanes had more than a second's work"
    hub = await _some_time(tmp_path, MORNING + 60_000, 3_600_000)
    assert hub.topics.backlog() == {}
    assert len(_legs(tmp_path)) == WARNED
    assert _handed_over(tmp_path) == dict.fromkeys(_legs(tmp_path), 1)


def _legs(folder: Path) -> set[bytes]:
    return {row.stream for row in _rows(folder) if row.type.startswith("Routed")}


def _handed_over(folder: Path) -> dict[bytes, int]:
    """How often each leg was; a stream has an intent for each time."""
    return Counter(row.stream for row in _rows(folder) if row.type.startswith("AttemptIntended"))


def _rows(folder: Path) -> list[Row]:
    store = open_store(load({"HUB_DATA_DIR": str(folder)}))
    try:
        return store.since(0, 1_000)
    finally:
        store.close()
