"""The whole river on one machine: event posted → routed → sent → receipt → projected.

Method: the recipients are registered first and not counted. Then every event goes in by the front
door's own code, and the bed runs until nothing moves any more. CPU is this process's, all threads;
the carrier's is reported apart. The clock is the machine's, started at 10:00.
"""

import asyncio
import os
import time
from collections import Counter
from collections.abc import Coroutine
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.meter import Metered, peak_mb, process_us, rss_mb, threads_us
from bench.world import START_MS, events, lanes, load_recipients, start_carrier
from hub import bootstrap
from hub.clock import Scaled
from hub.settings import load
from streams.admission import Admission
from streams.recount import recount

DOOR_BATCH = 500

MOST = 0.99
"""A rate is of the flow: the last retries and late receipts, seconds after the rest, are not."""

STILL_S = 5
"""Receipts come a second after their message; when nothing came for so long, nothing will."""


@dataclass
class Result:
    """What one run measured. ``us`` is CPU µs a notification by step or thread."""

    events: int
    notifications: int
    delivered: int
    delivered_share: float
    seconds: float
    per_second: float
    cpu_us_per_notification: float
    us: dict[str, float]
    carrier_us: float
    peak_mb: float
    rss_mb_before: float
    bytes_per_notification: float


async def run(count: int, folder: Path, *, by_step: bool) -> Result:
    """One run over ``count`` events for as many recipients. Telling the steps of a loop apart costs
    several µs a notification, so that a run measures either them or the whole."""
    carrier, port = start_carrier(folder / "ledger.jsonl")
    try:
        return await _measured(count, folder, port, carrier.pid, by_step)
    finally:
        carrier.terminate()
        carrier.wait()


async def _measured(count: int, folder: Path, port: int, pid: int, by_step: bool) -> Result:
    settings = load(
        {
            **os.environ,
            "HUB_DATA_DIR": str(folder),
            "HUB_SANDBOX_PORT": str(port),
        },
        None,
    )
    hub = bootstrap.open_hub(settings, Scaled(1, START_MS), lanes=lanes())
    print(f"registering {count:,} recipients", flush=True)
    await load_recipients(hub.vault, hub.journal, count)
    bootstrap.settle()
    posted = list(events(count, count))
    before_mb = rss_mb()
    spent: Counter[str] = Counter()
    threads, carrier_us = threads_us(), process_us(pid)
    cpu, start = time.process_time(), time.perf_counter()

    def begun(work: Coroutine[Any, Any, None], step: str) -> asyncio.Task[None]:
        return asyncio.create_task(Metered(work, step, spent) if by_step else work)

    tasks = [begun(hub.bed.work(w), _step(w.name)) for w in hub.bed.workers]
    await begun(_post(hub, posted), "door")
    seconds = await _drained(hub, tasks) - start
    cpu_us = (time.process_time() - cpu) * 1e6
    by_thread = threads_us() - threads
    carrier_us = process_us(pid) - carrier_us
    hub.bed.stop()
    await asyncio.gather(*tasks)
    report = recount(hub.store).total
    with hub.store.readers.connect() as connection:
        commits = connection.exec_driver_sql(
            "SELECT count(*), avg(last - first + 1) FROM journal_batch"
        ).one()
    print(f"{commits[0]:,} commits of {commits[1]:.0f} rows")
    await hub.close()
    n = max(report.notifications, 1)
    us = {f"loop: {name}": s * 1e6 / n for name, s in spent.most_common()}
    us |= {f"thread: {name}": t / n for name, t in by_thread.most_common() if t / n > 0.05}
    size = sum(p.stat().st_size for p in folder.glob("*.db*"))
    return Result(
        count, report.notifications, report.delivered, report.delivered / n, seconds, n / seconds,
        cpu_us / n, us, carrier_us / n, peak_mb(), before_mb, size / n,
    )  # fmt: skip


async def _post(hub: bootstrap.Hub, posted: list[bytes]) -> None:
    door = Admission(hub.river)
    for i in range(0, len(posted), DOOR_BATCH):
        results = await door.accept(posted[i : i + DOOR_BATCH])
        assert all(r.status == "accepted" for r in results), results[0]


async def _drained(hub: bootstrap.Hub, tasks: list[asyncio.Task[None]]) -> float:
    """Until nothing moves any more; when nearly all of it was journalled."""
    head, moved = 0, time.perf_counter()
    heads: list[tuple[float, int]] = []
    while time.perf_counter() - moved < STILL_S or hub.topics.backlog():
        for task in tasks:
            if task.done():
                task.result()
        if hub.journal.head != head:
            head, moved = hub.journal.head, time.perf_counter()
            heads.append((moved, head))
        await asyncio.sleep(0.05)
    return next(at for at, pos in heads if pos >= head * MOST)


def _step(worker: str) -> str:
    return worker.split()[0]


def table(result: Result) -> str:
    """The result for people."""
    lines = [f"{name:<28}{us:>8.1f} µs" for name, us in result.us.items()]
    head = (
        f"{result.notifications:,} notifications, {result.delivered_share:.1%} delivered, "
        f"{result.per_second:,.0f} a second, {result.cpu_us_per_notification:.0f} µs CPU each "
        f"(carrier apart: {result.carrier_us:.0f} µs), peak {result.peak_mb:.0f} MB"
    )
    return "\n".join([head, *lines])


def as_json(result: Result) -> dict[str, object]:
    return asdict(result)
