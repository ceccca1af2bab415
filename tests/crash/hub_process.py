"""The hub as a process to be killed: feeds itself events by number, runs the bed, never ends.

    python tests/crash/hub_process.py FOLDER SANDBOX_PORT EVENTS FACTOR ORIGIN_S [drain]

The clock runs FACTOR times as fast as the machine's from 10:00 at ORIGIN_S, so that it goes on
where the killed process left it. Events are fed a little behind the last number noted, so every
restart brings some of them again, as an upstream that was not answered would.
"""

import asyncio
import json
import os
import sys
import time
from pathlib import Path

import uvloop

from bench.world import START_MS, events, lanes
from hub import bootstrap
from hub.clock import Scaled
from hub.settings import load
from streams.pipeline.river import River
from streams.topics import EVENTS, Record

BATCH = 100
PAUSE_S = 0.05
"""2,000 events a second at most: the whole run then lasts long enough to be killed 30 times."""

OVERLAP = 300


async def main(folder: Path, port: int, count: int, factor: float, origin_s: float) -> None:
    settings = load(
        {**os.environ, "HUB_DATA_DIR": str(folder), "HUB_SANDBOX_PORT": str(port)}, None
    )
    now_ms = START_MS + int((time.time() - origin_s) * factor * 1000)
    hub = bootstrap.open_hub(settings, Scaled(factor, now_ms), lanes=lanes())
    bed = asyncio.create_task(hub.bed.run())
    feeding = asyncio.create_task(feed(hub.river, folder / "fed", count))
    while True:
        await asyncio.sleep(0.2)
        if bed.done():
            bed.result()
        fed = feeding.done() and feeding.result() is None
        standing = {"fed": fed, "backlog": sum(n for n, _ in hub.topics.backlog().values())}
        keep(folder / "standing.json", json.dumps(standing))


def keep(path: Path, text: str) -> None:
    """Write a file whole or not at all: this process is killed at any moment."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


async def feed(river: River, note: Path, count: int) -> None:
    """Bring the events in, from a little before the last number noted."""
    done = int(note.read_text()) if note.exists() else 0
    first = max(done - OVERLAP, 0)
    batch: list[Record] = []
    for i, raw in enumerate(events(count, count)):
        if i < first:
            continue
        batch.append(Record(b"", river.hub_key.seal(raw, b"events")))
        if len(batch) == BATCH or i == count - 1:
            await river.topics.publish({EVENTS: batch})
            keep(note, str(i + 1))
            batch = []
            await asyncio.sleep(PAUSE_S)


if __name__ == "__main__":
    _, folder, port, count, factor, origin = sys.argv
    uvloop.run(main(Path(folder), int(port), int(count), float(factor), float(origin)))
