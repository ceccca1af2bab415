"""Memory against a backlog: half a million events waiting must cost no memory.

Method: the river runs until it is warm and is closed; then, with nobody routing, all events are
posted; then the river works on them for a while. Resident memory is read warm, with everything
waiting, and at its most.
"""

import asyncio
import gc
import os
from collections.abc import Iterator
from pathlib import Path

from bench.meter import rss_mb
from bench.world import START_MS, events, lanes, load_recipients, start_carrier
from hub import bootstrap
from hub.clock import Scaled
from hub.settings import load
from streams.admission import Admission

RECIPIENTS = 20_000
WARM_UP = 40_000
WARM_UP_S = 20
WORKED_S = 20
DOOR_BATCH = 500


async def run(count: int, folder: Path) -> dict[str, float]:
    """Resident MB: warm, with ``count`` events waiting, at most; and the growth over warm."""
    carrier, port = start_carrier(folder / "ledger.jsonl")
    settings = load(
        {**os.environ, "HUB_DATA_DIR": str(folder), "HUB_SANDBOX_PORT": str(port)}, None
    )
    try:
        source = events(WARM_UP + count, RECIPIENTS)
        hub = bootstrap.open_hub(settings, Scaled(1, START_MS), lanes=lanes())
        await load_recipients(hub.vault, hub.journal, RECIPIENTS)
        await _post(hub, source, WARM_UP)
        await _work(hub, WARM_UP_S)
        gc.collect()
        warm = rss_mb()
        hub = bootstrap.open_hub(settings, Scaled(1, START_MS), lanes=lanes())
        await _post(hub, source, count)
        waiting = sum(n for n, _ in hub.topics.backlog().values())
        waits = rss_mb()
        most = max(waits, await _work(hub, WORKED_S))
        return {
            "waiting": waiting, "warm_mb": warm, "waits_mb": waits, "most_mb": most,
            "growth_mb": most - warm,
        }  # fmt: skip
    finally:
        carrier.terminate()
        carrier.wait()


async def _work(hub: bootstrap.Hub, seconds: float) -> float:
    """Run the bed so long, then close the hub; the most memory meanwhile, in MB."""
    bed = asyncio.create_task(hub.bed.run())
    most = 0.0
    for _ in range(int(seconds / 0.2)):
        await asyncio.sleep(0.2)
        most = max(most, rss_mb())
    hub.bed.stop()
    await bed
    await hub.close()
    return most


async def _post(hub: bootstrap.Hub, source: Iterator[bytes], count: int) -> None:
    door = Admission(hub.river)
    for start in range(0, count, DOOR_BATCH):
        await door.accept([next(source) for _ in range(min(DOOR_BATCH, count - start))])
