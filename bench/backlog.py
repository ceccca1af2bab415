"""Memory against a backlog: half a million events waiting must cost no memory.

Method: two hubs, one after the other on the same folder, each in a process of its own, for what
another had and let go of would be taken again unseen. The first carries a flow in which little ever
waits, until all it keeps in mind is full; memory is read while it is open (*warm*: one that was
closed has given its caches back). For the second all events are posted before anything is routed;
then it works on them, for longer than the flow lasted. Memory is what is resident: with everything
waiting, and at its most.
"""

import asyncio
import gc
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

import uvloop

from bench.meter import rss_mb
from bench.world import START_MS, events, lanes, load_recipients, start_carrier
from hub import bootstrap
from hub.clock import Scaled
from hub.settings import Settings, load
from streams.admission import Admission

RECIPIENTS = 20_000

WARM_UP = 40_000
"""Events of the flow: twice what fills the caches of the files and the tail of the journal."""

FLOW_WAITS = 2_000
"""Records that wait in the flow at most: a few batches, so that nobody is idle."""

WORKED = 60_000
"""Events of the backlog that are worked on. More than in the flow: what grows without end shows."""

DOOR_BATCH = 500
LOOK_S = 0.2


async def run(count: int, folder: Path) -> dict[str, float]:
    """Resident MB: warm, with ``count`` events waiting, at most; and the growth over warm."""
    carrier, port = start_carrier(folder / "ledger.jsonl")
    environment = {**os.environ, "HUB_DATA_DIR": str(folder), "HUB_SANDBOX_PORT": str(port)}
    settings = load(environment, None)
    loop = asyncio.get_running_loop()
    try:
        with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as each_anew:
            warm = await loop.run_in_executor(each_anew, _flow, settings)
            waiting, waits, most = await loop.run_in_executor(each_anew, _backlog, settings, count)
    finally:
        carrier.terminate()
        carrier.wait()
    return {
        "waiting": waiting, "warm_mb": warm, "waits_mb": waits, "most_mb": most,
        "growth_mb": most - warm,
    }  # fmt: skip


def _flow(settings: Settings) -> float:
    """Carry the flow; the memory after it, in MB."""
    return uvloop.run(_carried(settings))


def _backlog(settings: Settings, count: int) -> tuple[int, float, float]:
    """Let ``count`` events wait, then work on them. How many records waited; the memory then, and
    at its most, in MB."""
    return uvloop.run(_worked(settings, count))


async def _carried(settings: Settings) -> float:
    hub = _open(settings)
    await load_recipients(hub.vault, hub.journal, RECIPIENTS)
    source = events(WARM_UP, RECIPIENTS)
    bed = asyncio.create_task(hub.bed.run())
    posted = 0
    while posted < WARM_UP or _waiting(hub):
        if posted < WARM_UP and _waiting(hub) < FLOW_WAITS:
            await _post(hub, source, DOOR_BATCH)
            posted += DOOR_BATCH
        else:
            await _look(bed)
    gc.collect()
    warm = rss_mb()
    await _close(hub, bed)
    return warm


async def _worked(settings: Settings, count: int) -> tuple[int, float, float]:
    hub = _open(settings)
    await _post(hub, islice(events(WARM_UP + count, RECIPIENTS), WARM_UP, None), count)
    waiting, waits = _waiting(hub), rss_mb()
    most = waits
    bed = asyncio.create_task(hub.bed.run())
    while _waiting(hub) > max(waiting - WORKED, 0):
        await _look(bed)
        most = max(most, rss_mb())
    await _close(hub, bed)
    return waiting, waits, most


def _open(settings: Settings) -> bootstrap.Hub:
    hub = bootstrap.open_hub(settings, Scaled(1, START_MS), lanes=lanes())
    bootstrap.settle()  # as every process of the hub does
    return hub


async def _close(hub: bootstrap.Hub, bed: asyncio.Task[None]) -> None:
    hub.bed.stop()
    await bed
    await hub.close()


async def _look(bed: asyncio.Task[None]) -> None:
    """Again in a moment. Raises what the bed raised."""
    await asyncio.wait([bed], timeout=LOOK_S)
    if bed.done():
        bed.result()


def _waiting(hub: bootstrap.Hub) -> int:
    return sum(n for n, _ in hub.topics.backlog().values())


async def _post(hub: bootstrap.Hub, source: Iterator[bytes], count: int) -> None:
    door = Admission(hub.river)
    for start in range(0, count, DOOR_BATCH):
        await door.accept([next(source) for _ in range(min(DOOR_BATCH, count - start))])
