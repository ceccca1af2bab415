"""The whole hub in this process, on files of its own, with a carrier that keeps no secrets."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from channels.base import Channel, Clock, Collected, Message, Outcome
from channels.lanes import Lanes
from channels.sandbox_model import Faults, Sandbox
from hub.bootstrap import Hub, open_hub
from hub.clock import Virtual
from hub.settings import load
from hub.virtual_time import Drive
from streams.commands import Received
from streams.core.policy import HOUR_MS
from streams.journal.base import Store
from streams.local import Pace

ZONE = ZoneInfo("Asia/Shanghai")
NO_FAULTS = Faults()
MORNING = round(datetime(2026, 11, 24, 10, tzinfo=ZONE).timestamp() * 1000)


class Direct:
    """The sandbox carrier without a process: its answers come at once, its receipts in time."""

    name = "sandbox"

    def __init__(self, clock: Clock, faults: Faults) -> None:
        self._clock = clock
        self._sandbox = Sandbox(1, faults)

    async def send(
        self, lane: str, messages: Sequence[Message], close_ms: int
    ) -> list[Outcome | None]:
        answers = self._sandbox.submit(lane, messages, self._clock.now_ms())
        return [answer.outcome for answer in answers]

    async def collect(self) -> Collected:
        return self._sandbox.collect(self._clock.now_ms())

    async def acknowledge(self, token: int) -> None:
        self._sandbox.acknowledge(token)

    async def arrived(self) -> None:
        await asyncio.Event().wait()

    async def close(self) -> None:
        pass


class SmallHub:
    """A running hub, its commands and its read models; time passes by :meth:`pass_time`."""

    def __init__(self, hub: Hub, drive: Drive) -> None:
        self.hub = hub
        self.drive = drive
        self.commands = hub.commands
        self.reading = hub.reading
        self._sent = 0

    async def pass_time(self, ms: int = HOUR_MS) -> None:
        await self.drive.to(self.hub.clock.now_ms() + ms)

    def event(self, kind: str, subject: str, data: dict[str, Any], name: str = "") -> bytes:
        self._sent += 1
        now = datetime.fromtimestamp(self.hub.clock.now_ms() / 1000, ZONE)
        envelope = {
            "specversion": "1.0",
            "id": name or f"e{self._sent}",
            "source": "test",
            "type": kind,
            "subject": subject,
            "time": now.isoformat(),
            "data": data,
        }
        return json.dumps(envelope, ensure_ascii=False).encode()

    async def tell(self, kind: str, subject: str, data: dict[str, Any]) -> Received:
        [answer] = await self.commands.accept([self.event(kind, subject, data)])
        assert answer.status == "accepted", answer
        return answer

    async def register(self, ref: str, **more: Any) -> None:
        """Somebody with a phone and a mailbox."""
        data = {"ref": ref, "kind": "person", "name": "王丽", "phones": ["13800001234"]}
        data |= {"emails": ["wang@example.cn"], **more}
        await self.tell("hub.recipient.registered.v1", ref, data)

    async def violation(self, ref: str, number: str = "3501000000000001") -> None:
        data = {
            "violation_no": number, "plate": "闽A12345", "occurred_at": "2026-11-20T08:30:00+08:00",
            "place": "五四路与湖东路交叉口", "offence": "机动车违反禁止标线指示", "fine": 20000,
            "points": 1,
        }  # fmt: skip
        await self.tell("gov.traffic.violation.recorded.v1", ref, data)

    def stream_of(self, ref: str) -> str:
        [leg] = self.reading.history(ref)
        return leg.stream


@asynccontextmanager
async def small_hub(
    folder: Path,
    start_ms: int = MORNING,
    faults: Faults = NO_FAULTS,
    store: Store | None = None,
    lanes: Lanes | None = None,
    carrier: Callable[[Clock], Channel] | None = None,
    look_ms: int = HOUR_MS,
) -> AsyncIterator[SmallHub]:
    """``look_ms`` is how often it looks for what was published or steered: once a second would be
    most of what a simulated day costs."""
    clock = Virtual(start_ms)
    settings = load({"HUB_DATA_DIR": str(folder)}, None)
    carriers = {"sandbox": carrier(clock) if carrier else Direct(clock, faults)}
    hub = open_hub(
        settings,
        clock,
        store=store,
        carriers=carriers,
        lanes=lanes,
        synced=False,
        pace=Pace(look_ms=look_ms),
    )
    running = asyncio.create_task(hub.bed.run())
    drive = Drive(clock, hub.bed, running, step_ms=100)
    try:
        yield SmallHub(hub, drive)
    finally:
        await drive.end()
        await hub.close()
