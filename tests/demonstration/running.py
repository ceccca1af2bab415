"""One run: a hub of one process with its door, people who register, and what happens to them.

Everything goes the way of every day: an event by the front door, a decision, an intent in the
journal, the lane, the report, the read models. Nothing here touches a channel.
"""

import asyncio
import json
import os
import socket
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec
import uvicorn

from hub.bootstrap import Hub, open_hub, settle
from hub.clock import Rehearsal
from hub.serving import Server
from hub.settings import load
from streams.core.codec import decode
from streams.core.events import Accepted, AttemptIntended, Delivered, Read
from streams.projections.following import Follower
from streams.views import Rates
from tests.demonstration.lane import HUB_FOLDER, DemoLane
from tests.streams.small_hub import ZONE
from web.app import create_app

DOOR_BATCH = 500
AHEAD = 2_000
"""Events that may be on their way while more are brought."""

TELL_S = 2
STILL_S = 20
"""A slow peer reports some seconds after it took a message; when nothing came for so long, nothing
will."""

ENDS_S = 1_200
"""It ends by then, whatever happens."""


class Counts(msgspec.Struct, frozen=True):
    """One lane's books, and its peer's. ``told`` were notified; where the provider ``reports``, all
    of them must be delivered or in doubt. ``sent`` are attempts that may have left the hub, also
    several of one message; ``segments`` those that were accepted."""

    told: int
    reports: bool
    sent: int
    accepted: int
    delivered: int
    unconfirmed: int
    segments: int
    peer_accepted: int
    peer_parts: int

    @property
    def fault(self) -> str:
        """What does not agree; "" when all does."""
        if self.accepted != self.peer_accepted:
            return f"{self.accepted} accepted, but its peer took {self.peer_accepted}"
        if self.peer_parts and self.segments != self.peer_parts:
            return f"{self.segments} parts accepted, but its peer took {self.peer_parts}"
        if self.accepted < self.told:
            return f"{self.told} notified, {self.accepted} accepted"
        if self.reports and self.delivered + self.unconfirmed < self.told:
            return f"{self.told} notified, {self.delivered} delivered"
        return ""

    def line(self) -> dict[str, int]:
        names = ("sent", "accepted", "delivered", "unconfirmed", "peer_accepted")
        return {name: getattr(self, name) for name in names}


async def run(folder: Path, lanes: Sequence[DemoLane], messages: int) -> dict[str, Counts]:
    """Send so many messages, an equal share by each lane, and count."""
    Rehearsal.set(folder / "clock", _next_morning_ms(), 1)
    with _door() as door:
        url = f"http://127.0.0.1:{door.getsockname()[1]}"
        begun: list[DemoLane] = []
        try:
            for lane in lanes:
                print(f"{lane.name}: starting its peer", flush=True)
                begun.append(lane)
                await asyncio.to_thread(lane.start, folder / "clock", url)
            async with _hub(folder, lanes, url, door) as (hub, bed):
                await _River(hub, lanes, messages).flow()
                hub.bed.stop()
                await bed
                while Follower(hub.store).follow(10_000):
                    pass
                rates, proved = _rates(hub), _proved(hub)
        finally:
            for lane in begun:
                await asyncio.to_thread(lane.stop)
    counts = {}
    for at, lane in enumerate(lanes):
        told = len(range(at, messages, len(lanes)))
        found, (delivered, segments) = rates.get(lane.name, Rates()), proved[lane.name]
        counts[lane.name] = Counts(
            told, lane.reports, found.intended - found.not_sent, found.accepted, delivered,
            found.unconfirmed, segments, *lane.taken(),
        )  # fmt: skip
    return counts


def _next_morning_ms() -> int:
    """Ten o'clock, far from quiet hours; not before now, for some peers go by their own clocks."""
    now = datetime.now(ZONE)
    ten = now.replace(hour=10, minute=0, second=0, microsecond=0)
    return round((ten if ten > now else ten + timedelta(days=1)).timestamp() * 1_000)


@contextmanager
def _door() -> Iterator[socket.socket]:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        door.listen(256)
        yield door


@asynccontextmanager
async def _hub(
    folder: Path, lanes: Sequence[DemoLane], url: str, door: socket.socket
) -> AsyncIterator[tuple[Hub, "asyncio.Task[None]"]]:
    """The hub at work, with its door, and the task of that work."""
    file = folder / "lanes.toml"
    file.write_text("".join(lane.toml() for lane in lanes), encoding="utf-8")
    told = {
        "HUB_DATA_DIR": str(folder / HUB_FOLDER), "HUB_LANES": str(file),
        "HUB_CLOCK": str(folder / "clock"), "HUB_PUBLIC_URL": url,
    }  # fmt: skip
    for lane in lanes:
        told |= lane.environment()
    settings = load({name: value for name, value in told.items() if name.startswith("HUB_")})
    with mock.patch.dict(os.environ, told):
        hub = open_hub(settings, Rehearsal(folder / "clock"))
        settle()
        config = uvicorn.Config(create_app(hub), log_level="warning", access_log=False, loop="none")
        server = Server(config)
        serving = asyncio.create_task(server.serve(sockets=[door]))
        bed = asyncio.create_task(hub.bed.run())
        try:
            yield hub, bed
        finally:
            hub.bed.stop()
            await bed
            server.should_exit = True
            await serving
            await hub.close()


class _River:
    """People and events into an open hub, until nothing moves any more."""

    def __init__(self, hub: Hub, lanes: Sequence[DemoLane], messages: int) -> None:
        self._hub = hub
        self._lanes = lanes
        self._messages = messages
        self._told_s = self._moved_s = time.monotonic()
        self._head = 0

    async def flow(self) -> None:
        print(f"{self._messages:,} people register", flush=True)
        await self._bring([self._person(n) for n in range(self._messages)])
        await self._settled(self._messages, "people")
        await self._choose()
        print(f"{self._messages:,} events", flush=True)
        await self._bring([self._event(n) for n in range(self._messages)])
        await self._until_all_is_reported()

    def _person(self, n: int) -> bytes:
        lane = self._lane(n)
        data = {"ref": f"D{n}", "kind": "person", "name": "王示例", **lane.person(n)}
        return self._cloudevent("hub.recipient.registered.v1", n, data)

    def _event(self, n: int) -> bytes:
        kind, data = self._lane(n).case(n)
        return self._cloudevent(kind, n, dict(data))

    def _lane(self, n: int) -> DemoLane:
        return self._lanes[n % len(self._lanes)]

    def _cloudevent(self, kind: str, n: int, data: dict[str, Any]) -> bytes:
        at = datetime.fromtimestamp(self._hub.clock.now_ms() / 1000, ZONE).isoformat()
        said = {
            "specversion": "1.0", "id": f"{kind}-{n}", "source": "/demo", "type": kind,
            "subject": f"D{n}", "time": at, "data": data,
        }  # fmt: skip
        return json.dumps(said, ensure_ascii=False).encode()

    async def _bring(self, events: Sequence[bytes]) -> None:
        for start in range(0, len(events), DOOR_BATCH):
            answers = await self._hub.commands.accept(events[start : start + DOOR_BATCH])
            assert {answer.status for answer in answers} == {"accepted"}
            while sum(waiting for waiting, _ in self._hub.backlog().values()) > AHEAD:
                await self._look()

    async def _settled(self, count: int, what: str) -> None:
        """Until so many are known."""
        refs = [f"D{n}" for n in range(count)]
        while refs:
            known = await self._hub.river.people.load(refs[:DOOR_BATCH])
            if all(one.recipient is not None for one in known.values()) and len(known) == len(
                refs[:DOOR_BATCH]
            ):
                refs = refs[DOOR_BATCH:]
            else:
                await self._look()

    async def _choose(self) -> None:
        """Those who have something to choose do."""
        for n in range(self._messages):
            await self._lane(n).prepare(self._hub, f"D{n}")

    async def _until_all_is_reported(self) -> None:
        ends_s = time.monotonic() + ENDS_S
        while time.monotonic() < ends_s:
            await self._look()
            done = sum(map(self._done, self._lanes))
            still = time.monotonic() - self._moved_s > STILL_S and not self._hub.backlog()
            if done >= self._messages or still:
                return

    def _done(self, lane: DemoLane) -> int:
        """Messages that need no more waiting for."""
        found = _rates(self._hub).get(lane.name, Rates())
        if not lane.reports:
            return found.accepted
        return max(found.delivered, found.read) + found.unconfirmed

    async def _look(self) -> None:
        """Let it run on, and say now and then how far it has come."""
        await asyncio.sleep(0.1)
        now_s = time.monotonic()
        if self._hub.journal.head != self._head:
            self._head, self._moved_s = self._hub.journal.head, now_s
        if now_s - self._told_s >= TELL_S:
            self._told_s = now_s
            rates = _rates(self._hub)
            said = ", ".join(
                f"{lane.name} {found.accepted:,}/{found.delivered:,}"
                for lane in self._lanes
                if (found := rates.get(lane.name)) is not None
            )
            print(f"accepted/delivered: {said or 'none yet'}", flush=True)


def _rates(hub: Hub) -> dict[str, Rates]:
    """What the read models count, by lane."""
    found = hub.reading.delivery("lane", 0, hub.clock.now_ms() + 60_000)
    return {line.name: line.rates for line in found}


def _proved(hub: Hub) -> dict[str, tuple[int, int]]:
    """By lane, as the journal has it: messages that reached somebody, also those that were only
    acknowledged, and segments that were accepted."""
    lanes: dict[tuple[bytes, int], str] = {}
    reached: dict[str, set[tuple[bytes, int]]] = defaultdict(set)
    accepted: Counter[str] = Counter()
    with hub.store.readers.connect() as connection:
        rows = connection.exec_driver_sql(
            "SELECT stream, version, type, data FROM journal ORDER BY pos"
        )
        for stream, version, kind, data in rows:
            match decode(kind, data):
                case AttemptIntended(lane=lane):
                    lanes[stream, version] = lane
                case Accepted(attempt=attempt, segments=segments):
                    accepted[lanes[stream, attempt]] += segments
                case Delivered(attempt=attempt) | Read(attempt=attempt):
                    reached[lanes[stream, attempt]].add((stream, attempt))
    return defaultdict(
        lambda: (0, 0),
        {lane: (len(reached[lane]), accepted[lane]) for lane in set(lanes.values())},
    )
