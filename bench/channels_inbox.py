"""What a message in the inbox costs: sealed, put into the table, reported and acknowledged.

Its peer is the hub's own database, here SQLite on this machine's disk.
"""

import time

from channels.base import Accepted, Message
from channels.inbox import InboxChannel, InboxStore
from hub.bootstrap import inbox_seals, open_store, open_vault, settle
from hub.clock import Real
from hub.settings import Settings
from preferences.store import ensure_keys
from streams.journal.group import at_once

LANE = "inbox"
BATCH = 500
CLOSE_MS = 10_000
FAR_MS = 4 * 10**12
CITIZENS = 1_000
TEXT = "您申请的户口迁移已由鼓楼分局审核，请登录福建治安便民服务查看。" * 2


async def measured(settings: Settings, messages: int) -> dict[str, float]:
    """Microseconds of CPU a message, and messages a second."""
    store, vault = open_store(settings), open_vault(settings)
    refs = [f"P{n}" for n in range(CITIZENS)]
    with store.transaction() as connection:
        ensure_keys(connection, vault, refs)
    inbox = InboxStore(store.engine, *inbox_seals(store, vault))
    channel = InboxChannel(Real(), inbox, call=at_once)
    made = [
        Message(f"{n:032x}:2", refs[n % CITIZENS], TEXT, FAR_MS, subject="您申请的事项有新进展")
        for n in range(messages)
    ]
    settle()
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    for start in range(0, messages, BATCH):
        outcomes = await channel.send(LANE, made[start : start + BATCH], CLOSE_MS)
        assert all(isinstance(outcome, Accepted) for outcome in outcomes)
        await channel.acknowledge((await channel.collect()).token)
    cpu_s, wall_s = time.process_time() - cpu_s, time.perf_counter() - wall_s
    await channel.close()
    store.close()
    return {"us": round(cpu_s / messages * 1e6, 2), "per_s": round(messages / wall_s)}
