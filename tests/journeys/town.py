"""A town for journeys: a whole hub, its people, and time that passes as a journey wants it.

A journey registers people, lets upstream systems report, lets time pass, and reads what everybody
was told. Nothing is patched: the door, the steps, the journal and the carrier are the real ones.
`town` is a hub of one process on virtual time; `tests.journeys.cluster_town` is a cluster, on the
time of a rehearsal. A journey does not know in which of the two it is.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import text

from channels.base import Reply
from channels.sandbox import SandboxChannel, serve
from channels.sandbox_model import Faults
from hub import bootstrap
from hub.clock import Virtual
from hub.cluster import ClusterHub
from hub.settings import load
from hub.virtual_time import Drive
from preferences.changes import Choice
from preferences.fault import Fault
from preferences.store import load_many
from streams.core.events import Head, Route
from streams.core.lifecycle import State
from streams.local import Pace
from streams.pipeline.receive import receive_replies
from streams.pipeline.river import open_content, state_of
from streams.projections.following import Follower
from streams.recount import charged, counted, recount, report
from streams.views import Written
from templates.catalog_files import Catalog

SHANGHAI = timezone(timedelta(hours=8))
TUESDAY = datetime(2026, 11, 24, 10, 0, tzinfo=SHANGHAI)
DAY_MS = 86_400_000


@dataclass
class Told:
    """One leg as a reader of the journal sees it."""

    notice: str
    occasion: str
    leg: str
    recipient: str
    state: State
    text: str
    subject: str
    routed: list[datetime]
    intended: list[datetime]
    channels: list[str]

    @property
    def status(self) -> str:
        return str(self.state.status)

    @property
    def route(self) -> Route:
        assert self.state.route is not None
        return self.state.route


class Director(Protocol):
    """Lets time pass for a hub; it stands still only when nothing is left to do now."""

    async def to(self, ms: int) -> None:
        """Let time pass until ``ms``."""

    async def settle(self) -> None:
        """Until nothing is left to do now."""

    async def follow(self) -> None:
        """Until the read models have come to the end of the journal."""


class Town:
    """A hub, its people, and who lets time pass for them."""

    def __init__(self, hub: bootstrap.Hub | ClusterHub, director: Director) -> None:
        self.hub = hub
        self.commands = hub.commands
        self._director = director
        self._number = 0

    # What upstream does

    async def register(self, ref: str, **said: Any) -> None:
        """A recipient comes in as an event."""
        data = {"ref": ref, "kind": "person", "name": "王丽", "region": "350100", **said}
        await self.post("hub.recipient.registered.v1", ref, data)

    async def post(
        self, kind: str, subject: str, data: dict[str, Any], at: datetime | None = None,
        **envelope: str,
    ) -> str:  # fmt: skip
        """One event by the front door; its id."""
        self._number += 1
        event = {
            "specversion": "1.0",
            "id": f"e{self._number}",
            "source": "journey",
            "type": kind,
            "subject": subject,
            "time": (at or self.now()).isoformat(),
            "data": data,
            **envelope,
        }
        [answer] = await self.commands.accept([json.dumps(event, ensure_ascii=False).encode()])
        assert answer.status == "accepted", answer
        await self._director.settle()
        return str(event["id"])

    async def choose(self, ref: str, choice: Choice) -> None:
        """A recipient changes a preference."""
        done = await self.commands.change_preferences(ref, choice, "citizen")
        assert not isinstance(done, Fault), done
        await self._director.settle()

    async def write_back(self, phone: str, text: str, lane: str = "sms-cmcc") -> None:
        """Somebody answers a text message; their carrier brings it on this lane."""
        reply = Reply(lane, f"+86{phone}", "12123", text, self.hub.clock.now_ms())
        await receive_replies(self.hub.river, [reply])
        await self._director.settle()

    # Time

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.hub.clock.now_ms() / 1000, SHANGHAI)

    async def pass_(self, **time: float) -> None:
        """Let time pass (hours=1, days=2, …)."""
        passing_ms = int(timedelta(**time).total_seconds() * 1000)
        await self._director.to(self.hub.clock.now_ms() + passing_ms)

    async def until(self, moment: datetime) -> None:
        await self._director.to(int(moment.timestamp() * 1000))

    # What was told

    def told(self, ref: str, notice: str = "") -> list[Told]:
        """Every leg to this recipient, in the order they were opened."""
        reader = self.hub.store
        key = self.hub.river.index.recipient(ref)
        streams = reader.lookup([(key, b"")]).get((key, b""), [])
        legs = []
        for stream, rows in reader.read(streams).items():
            state = state_of(rows)
            assert state.head is not None
            if notice in ("", state.head.notice):
                legs.append((rows[0].pos, self._told(stream, state, state.head, rows)))
        return [leg for _, leg in sorted(legs, key=lambda pair: pair[0])]

    def written(self, ref: str) -> list[Written]:
        """What a recipient wrote back, the newest first, as their history shows it."""
        return self.hub.reading.replies(ref)

    def _told(self, stream: bytes, state: State, head: Head, rows: list[Any]) -> Told:
        def times(*kinds: str) -> list[datetime]:
            return [
                datetime.fromtimestamp(row.at_ms / 1000, SHANGHAI)
                for row in rows
                if row.type.partition(".")[0] in kinds
            ]

        text = subject = ""
        if state.route is not None:
            key = self._key(head.recipient)
            content = open_content(key, state.route.sealed, stream)
            text, subject = content.text, content.subject
        channels = [
            json.loads(row.data)["route"]["channel"]
            for row in rows
            if row.type.partition(".")[0] in ("Routed", "Released", "Escalated")
        ]
        routed = times("Routed", "Released", "Escalated")
        intended = times("AttemptIntended")
        return Told(
            head.notice, head.occasion, head.leg, head.recipient, state, text, subject, routed,
            intended, channels,
        )  # fmt: skip

    def _key(self, ref: str) -> Any:
        with self.hub.store.readers.connect() as connection:
            return load_many(connection, self.hub.vault, [ref])[ref].key

    async def books_agree(self) -> None:
        """The projections, brought up to date, say what a recount of the journal says."""
        await self._director.follow()
        with self.hub.store.readers.connect() as connection:
            assert report(counted(connection), charged(connection)) == recount(self.hub.store)
        assert list(self.hub.store.verify()) == []

    def forge(self, pos: int) -> None:
        """Somebody who owns the database writes something else into a row of the journal."""
        with self.hub.store.transaction() as connection:
            for statement in _UNGUARDED[connection.dialect.name]:
                connection.exec_driver_sql(statement)
            change = text("UPDATE journal SET data = :data WHERE pos = :pos")
            connection.execute(change, {"data": b"{}", "pos": pos})


_UNGUARDED = {
    "sqlite": ["DROP TRIGGER journal_no_update"],
    "postgresql": ["SET LOCAL session_replication_role = replica"],
}
"""So that the triggers let an owner of the tables do what nobody may."""


class OpenTown(Protocol):
    """How a journey is given its town."""

    def __call__(
        self, start: datetime = TUESDAY, faults: Faults | None = None
    ) -> AbstractAsyncContextManager[Town]:
        """A town at ``start``; its carrier has no faults unless given."""


class _Alone(Drive):
    """The director of a hub of one process."""

    def __init__(self, hub: bootstrap.Hub, clock: Virtual, running: asyncio.Task[None]) -> None:
        super().__init__(clock, hub.bed, running)
        self._follower = Follower(hub.store)

    async def follow(self) -> None:
        while self._follower.follow(1_000):
            pass


@asynccontextmanager
async def town(
    folder: Path, start: datetime = TUESDAY, faults: Faults | None = None,
    catalog: Catalog | None = None,
) -> AsyncIterator[Town]:  # fmt: skip
    """A town at ``start``; its carrier has no faults unless given."""
    settings = load({**os.environ, "HUB_DATA_DIR": str(folder)}, None)
    clock = Virtual(int(start.timestamp() * 1000))
    port = asyncio.get_running_loop().create_future()
    carrier = asyncio.create_task(
        serve(
            "127.0.0.1", 0, folder / "ledger.jsonl", 1, faults or Faults(grid_ms=1000),
            port.set_result,
        )
    )  # fmt: skip
    channel = SandboxChannel(clock, "127.0.0.1", await port)
    hub = bootstrap.open_hub(
        settings, clock, carriers={"sandbox": channel}, catalog=catalog, synced=False,
        pace=Pace(rest_ms=DAY_MS, project_pause_ms=60_000, look_ms=DAY_MS),
    )  # fmt: skip
    running = asyncio.create_task(hub.bed.run())
    director = _Alone(hub, clock, running)
    try:
        yield Town(hub, director)
        await director.end()
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await hub.close()
        carrier.cancel()
        with suppress(asyncio.CancelledError):
            await carrier
