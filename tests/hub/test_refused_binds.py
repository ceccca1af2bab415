"""A carrier that refuses the account: few binds, one alert, and an end of it when it lets us in."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hub.bootstrap import Hub, open_hub
from hub.clock import Scaled
from hub.settings import load
from streams.core.codec import decode
from streams.core.events import Shifted
from streams.core.policy import HOUR_MS
from streams.core.standings import lane_stream
from tests.crash.at_gateway import ACCOUNTS, LANES
from tests.peers.node_smpp import NodeGateway
from tests.peers.sms_core import CmppGateway
from tests.streams.small_hub import MORNING

pytestmark = pytest.mark.peers

FACTOR = 30
"""Two minutes of the hub in four seconds."""

PATIENCE_S = 30


@asynccontextmanager
async def running(
    folder: Path, protocol: str, port: int, start_ms: int = MORNING
) -> AsyncIterator[Hub]:
    table, account = ACCOUNTS[protocol]
    lanes = LANES.format(protocol=protocol, table=table, port=port, account=account)
    (folder / "lanes.toml").write_text(lanes, encoding="utf-8")
    said = {"HUB_DATA_DIR": str(folder / "hub"), "HUB_LANES": str(folder / "lanes.toml")}
    hub = open_hub(load(said, None), Scaled(FACTOR, start_ms))
    bed = asyncio.create_task(hub.bed.run())
    yield hub
    hub.bed.stop()
    await bed
    await hub.close()


async def until(true: Callable[[], bool]) -> bool:
    for _ in range(PATIENCE_S * 20):
        if true():
            return True
        await asyncio.sleep(0.05)
    return False


def binds_by_now(hub: Hub) -> int:
    """Two a minute, and the first."""
    return 1 + 2 * (1 + (hub.clock.now_ms() - MORNING) // 60_000)


def state(hub: Hub) -> str:
    views = hub.reading.lanes(hub.clock.now_ms(), "en")
    return next(view.state for view in views if view.name == "sms-carrier")


def shifts(hub: Hub) -> list[tuple[int, str]]:
    stream = lane_stream("sms-carrier")
    rows = [decode(row.type, row.data) for row in hub.store.read([stream]).get(stream, [])]
    return [(event.share, event.reason) for event in rows if isinstance(event, Shifted)]


@pytest.fixture
def smpp(tmp_path: Path) -> Iterator[NodeGateway]:
    gateway = NodeGateway(tmp_path / "ledger.jsonl")
    gateway.start()
    yield gateway
    gateway.kill()


@pytest.fixture
def cmpp(tmp_path: Path) -> Iterator[CmppGateway]:
    gateway = CmppGateway()
    gateway.begin(tmp_path / "ledger.jsonl")
    yield gateway
    gateway.kill()


async def test_smpp(smpp: NodeGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_PASSWORD", "old")
    async with running(tmp_path, "smpp", smpp.port) as hub:
        assert await until(lambda: state(hub) == "left_alone")
        await asyncio.sleep(4)
        assert 2 <= smpp.counts()["binds"] <= binds_by_now(hub)
        assert shifts(hub) == [(0, "account")]
        (note,) = hub.notes()
        assert note.startswith("lane sms-carrier is not bound: the carrier refused the bind")
        smpp.tell("password", **{"is": "old"})
        assert await until(lambda: not hub.notes())
        assert await until(lambda: state(hub) == "coming_back")


async def test_cmpp(cmpp: CmppGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its password is put right on our side, for which the hub is started anew."""
    monkeypatch.setenv("GATEWAY_PASSWORD", "old")
    async with running(tmp_path, "cmpp3", cmpp.ports["cmpp3"]) as hub:
        assert await until(lambda: state(hub) == "left_alone")
        await asyncio.sleep(4)
        assert 2 <= cmpp.counts()["binds"] <= binds_by_now(hub)
        assert shifts(hub) == [(0, "account")]
        (note,) = hub.notes()
        assert note.startswith("lane sms-carrier is not bound: the gateway refused the connect")
    monkeypatch.setenv("GATEWAY_PASSWORD", "secret")
    async with running(tmp_path, "cmpp3", cmpp.ports["cmpp3"], MORNING + HOUR_MS) as hub:
        assert await until(lambda: cmpp.counts()["bound"] == 2)
        assert hub.notes() == []
        assert await until(lambda: state(hub) == "coming_back")
