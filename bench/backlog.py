"""Memory against a backlog: half a million events waiting must cost no memory.

Method: one process publishes the events and runs the river for a while; resident memory is read
before, with the backlog waiting, and while it is worked on.
"""

import asyncio
import gc
import os
from pathlib import Path

from bench.meter import rss_mb
from bench.world import START_MS, events, lanes, load_recipients, start_carrier
from hub import bootstrap
from hub.clock import Scaled
from hub.settings import load
from streams.admission import Admission

RECIPIENTS = 20_000
WARM_UP = 5_000
WORKED_S = 20


async def run(count: int, folder: Path) -> dict[str, float]:
    """Resident MB: warm, the most while ``count`` events wait and are worked on, the growth."""
    carrier, port = start_carrier(folder / "ledger.jsonl")
    try:
        settings = load(
            {**os.environ, "HUB_DATA_DIR": str(folder), "HUB_SANDBOX_PORT": str(port)}, None
        )
        hub = bootstrap.open_hub(settings, Scaled(1, START_MS), lanes=lanes())
        await load_recipients(hub.store, hub.vault, hub.journal, RECIPIENTS)
        bed = asyncio.create_task(hub.bed.run())
        source = events(WARM_UP + count, RECIPIENTS)
        await _post(hub, source, WARM_UP)
        while hub.topics.backlog():
            await asyncio.sleep(0.2)
        gc.collect()
        warm = most = rss_mb()
        posting = asyncio.create_task(_post(hub, source, count))
        waiting = 0
        for _ in range(int(WORKED_S / 0.2)):
            await asyncio.sleep(0.2)
            most = max(most, rss_mb())
            waiting = max(waiting, sum(n for n, _ in hub.topics.backlog().values()))
        posting.cancel()
        hub.bed.stop()
        await bed
        await hub.close()
        return {"warm_mb": warm, "most_mb": most, "growth_mb": most - warm, "waiting": waiting}
    finally:
        carrier.terminate()
        carrier.wait()


async def _post(hub: bootstrap.Hub, source, count: int) -> None:  # type: ignore[no-untyped-def]
    door, batch = Admission(hub.river), []
    for _ in range(count):
        batch.append(next(source))
        if len(batch) == 500:
            await door.accept(batch)
            batch = []
