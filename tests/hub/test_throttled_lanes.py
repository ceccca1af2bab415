"""Carriers that say "too fast" for two seconds: nothing is lost, the rate comes back, and nobody is
ever called faster than the contract says. One hub, a lane by SMPP and one by CMPP."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.bootstrap import open_hub
from hub.clock import Scaled
from hub.settings import load
from streams.core.codec import type_name
from streams.core.events import Accepted, Delivered, Throttled
from tests.hub.fining import fine, until
from tests.peers.gateway import INBOX, Gateway
from tests.peers.node_smpp import LANE, NodeGateway
from tests.peers.pace import back_after_ms, most_in_a_second
from tests.peers.sms_core import CmppGateway
from tests.streams.small_hub import MORNING

pytestmark = pytest.mark.peers

LEGS = 1_000
"""Of two parts each: more than both lanes carry while it lasts."""

PARTS = 2

RATE = 60
BURST = RATE // 10
NORMAL = RATE * 80 // 100
"""What is not kept for urgent messages, of which there are none here."""

BACK_MS = 20_000

CMPP_LANE = """
[[lane]]
name = "sms-b"
channel = "sms"
provider = "cmpp3"
rate_per_s = {rate}

[lane.cmpp]
host = "127.0.0.1"
port = {cmpp}
source_addr = "901783"
password_env = "GATEWAY_PASSWORD"
binds = 2
"""


@pytest.fixture
def smpp(tmp_path: Path) -> Iterator[NodeGateway]:
    gateway = NodeGateway(tmp_path / "smpp.jsonl", receiptIds="decimal")
    gateway.start()
    yield gateway
    gateway.kill()


@pytest.fixture
def cmpp(tmp_path: Path) -> Iterator[CmppGateway]:
    gateway = CmppGateway()
    gateway.begin(tmp_path / "cmpp.jsonl")
    yield gateway
    gateway.kill()


async def test_two_seconds_of_too_fast(
    smpp: NodeGateway, cmpp: CmppGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_PASSWORD", "secret")
    by_smpp = LANE.format(name="sms-a", rate=RATE, port=smpp.port)
    by_cmpp = CMPP_LANE.format(rate=RATE, cmpp=cmpp.ports["cmpp3"])
    (tmp_path / "lanes.toml").write_text(by_smpp + by_cmpp + INBOX, encoding="utf-8")
    said = {"HUB_DATA_DIR": str(tmp_path / "hub"), "HUB_LANES": str(tmp_path / "lanes.toml")}
    hub = open_hub(load(said, None), Scaled(1, MORNING))
    bed = asyncio.create_task(hub.bed.run())
    await fine(hub, [f"P{n}" for n in range(LEGS)], ["00"] * LEGS)
    await until(hub, type_name(Accepted), LEGS // 10)
    smpp.tell("throttle", ms=2_000)
    cmpp.tell("throttle", 2_000)
    found = await until(hub, type_name(Delivered), LEGS)
    hub.bed.stop()
    await bed
    await hub.close()

    assert found[type_name(Accepted)] == found[type_name(Delivered)] == LEGS
    assert found[type_name(Throttled)]
    gateways: list[Gateway] = [smpp, cmpp]
    parts = Counter((entry["to"], entry["part"]) for one in gateways for entry in one.taken())
    assert len(parts) == LEGS * PARTS
    assert set(parts.values()) == {1}
    for gateway in gateways:
        submits = gateway.submits()
        assert most_in_a_second(submits) <= RATE + BURST
        assert back_after_ms(submits, 0.9 * NORMAL) <= BACK_MS
