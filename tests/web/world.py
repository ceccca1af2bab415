"""A whole hub in this process, with its pages and a carrier, for the tests of the web."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
from litestar import Litestar

from channels.sandbox import serve
from channels.sandbox_model import Faults
from hub.bootstrap import Hub, open_hub
from hub.clock import Scaled
from hub.settings import Settings
from preferences.links import Link, new_reference, save_links
from web.app import create_app
from web.keys import Scope, create_key

START_MS = int(datetime(2026, 11, 24, 10, tzinfo=ZoneInfo("Asia/Shanghai")).timestamp() * 1000)
"""Ten in the morning, far from quiet hours: what is sent goes out at once."""

YEAR_MS = 365 * 86_400_000
HEALTHY = Faults()
BASE = "http://127.0.0.1:8122"


class World:
    """A running hub and a client at its door."""

    def __init__(self, hub: Hub, app: Litestar, client: httpx.AsyncClient) -> None:
        self.hub = hub
        self.app = app
        self.client = client

    def key(self, scope: Scope = "events", expires_in_ms: int = YEAR_MS) -> str:
        """A new API key."""
        now_ms = self.hub.clock.now_ms()
        with self.hub.store.transaction() as connection:
            return create_key(
                connection, self.hub.entropy, "test", scope, now_ms, now_ms + expires_in_ms
            )

    async def bring(self, *events: dict[str, object]) -> httpx.Response:
        """Events by the front door, as a batch."""
        return await self.client.post(
            "/v1/events",
            content=json.dumps(events, ensure_ascii=False).encode(),
            headers={
                "authorization": f"Bearer {self.key()}",
                "content-type": "application/cloudevents-batch+json",
            },
        )

    def link(self, ref: str, lasts_ms: int = YEAR_MS) -> str:
        """The reference of a new personal link of theirs."""
        reference = new_reference(self.hub.entropy)
        link = Link("inbox", ref, "", self.hub.clock.now_ms() + lasts_ms)
        with self.hub.store.transaction() as connection:
            save_links(connection, [(reference, link)])
        return reference

    async def until(self, true: Callable[[], object], seconds: float = 10) -> None:
        """Let the hub run until this is so."""
        for _ in range(int(seconds / 0.02)):
            if true():
                return
            await asyncio.sleep(0.02)
        raise AssertionError("it never came to that")

    async def post(self, path: str, **form: object) -> httpx.Response:
        """A form of ours, with the token that its page would have carried."""
        if "fh_csrf" not in self.client.cookies:
            await self.client.get("/login")
        form["_csrf_token"] = self.client.cookies["fh_csrf"]
        return await self.client.post(path, data=form)


@asynccontextmanager
async def world(
    folder: Path,
    faults: Faults = HEALTHY,
    running: bool = True,
    start_ms: int = START_MS,
    **settings: object,
) -> AsyncIterator[World]:
    """``running`` false leaves the bed still: what comes in stays where it is."""
    clock = Scaled(1, start_ms)
    async with _carrier(folder / "ledger.jsonl", faults) as port:
        told = Settings(data_dir=folder, sandbox_port=port, **settings)
        hub = open_hub(told, clock, synced=False)  # nobody pulls the plug of a test
        app = create_app(hub)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        bed = asyncio.create_task(hub.bed.run()) if running else None
        try:
            async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
                yield World(hub, app, client)
        finally:
            hub.bed.stop()
            if bed:
                await bed
            await hub.close()


@asynccontextmanager
async def _carrier(ledger: Path, faults: Faults) -> AsyncIterator[int]:
    """The sandbox carrier, as a task of this loop; its port."""
    listening: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve("127.0.0.1", 0, ledger, 1, faults, listening.set_result))
    try:
        yield await listening
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def event(number: object, kind: str, subject: str, data: dict[str, object]) -> dict[str, object]:
    """An upstream event that happened a minute ago."""
    at = datetime.fromtimestamp(START_MS / 1000 - 60, ZoneInfo("Asia/Shanghai"))
    said = {
        "specversion": "1.0",
        "id": str(number),
        "source": "/traffic/fujian",
        "type": kind,
        "time": at.isoformat(),
        "region": "350100",
        "data": data,
    }
    return {**said, "subject": subject} if subject else said


def registered(ref: str, **more: object) -> dict[str, object]:
    """A citizen with a mobile number and a mail address."""
    person = {
        "ref": ref,
        "kind": "person",
        "name": "王丽",
        "phones": ["13800138000"],
        "emails": ["wangli@example.cn"],
        "region": "350100",
        **more,
    }
    return event(f"r-{ref}", "hub.recipient.registered.v1", "", person)


def violation(ref: str, number: int) -> dict[str, object]:
    """A violation of theirs was recorded."""
    data = {
        "violation_no": f"{number:016d}",
        "plate": "闽A12345",
        "occurred_at": "2026-11-24T09:30:00+08:00",
        "place": "五四路与湖东路交叉口",
        "offence": "机动车违反禁止标线指示",
        "fine": 20000,
        "points": 1,
    }
    return event(f"v-{number}", "gov.traffic.violation.recorded.v1", ref, data)


def paid(ref: str, number: int) -> dict[str, object]:
    """The fine of a violation was paid."""
    data = {
        "violation_no": f"{number:016d}",
        "plate": "闽A12345",
        "amount": 20000,
        "paid_at": "2026-11-24T09:58:00+08:00",
        "receipt_no": f"{number:08d}",
    }
    return event(f"p-{number}", "gov.traffic.violation.paid.v1", ref, data)


def question_answered(ref: str, number: int) -> dict[str, object]:
    """A question of theirs was answered: told by push, text or inbox, whichever they have."""
    data = {
        "question_no": f"{number:08d}",
        "topic": "驾驶证换证",
        "by": "交管窗口",
        "answered_at": "2026-11-24T09:50:00+08:00",
    }
    return event(f"q-{number}", "gov.traffic.question.answered.v1", ref, data)
