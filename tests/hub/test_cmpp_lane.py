"""A lane that goes by CMPP, from an event to a receipt, in the one-process hub."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.bootstrap import Hub, open_hub
from hub.clock import Scaled
from hub.settings import Settings, SettingsError, load
from streams.core.codec import type_name
from streams.core.events import Accepted, Delivered, Refused, Throttled, Unknown
from tests.hub.fining import PATIENCE_S, fine, journalled, until
from tests.peers.sms_core import PROTOCOLS, CmppGateway
from tests.streams.small_hub import MORNING

pytestmark = pytest.mark.peers

LEGS = 200
CUTS = 5

LANES = """
[[lane]]
name = "sms-one"
channel = "sms"
provider = "{one}"
weight = 2
rate_per_s = 2000

[lane.cmpp]
host = "127.0.0.1"
port = {one_port}
source_addr = "901783"
password_env = "GATEWAY_SECRET"
binds = 2

[[lane]]
name = "sms-other"
channel = "sms"
provider = "{other}"
rate_per_s = 2000
sender = "106575"

[lane.cmpp]
host = "127.0.0.1"
port = {other_port}
source_addr = "901783"
password_env = "GATEWAY_SECRET"

[[lane]]
name = "inbox"
channel = "inbox"
provider = "inbox"
rate_per_s = 5000
"""


@pytest.fixture(scope="module")
def warm() -> Iterator[CmppGateway]:
    gateway = CmppGateway()
    yield gateway
    gateway.kill()


@pytest.fixture
def gateway(warm: CmppGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CmppGateway:
    monkeypatch.setenv("GATEWAY_SECRET", "secret")
    warm.begin(tmp_path / "ledger.jsonl")
    return warm


def settings_of(folder: Path, gateway: CmppGateway, one: str) -> Settings:
    """Texts go by the version ``one``, and by the other where that cannot carry them."""
    (other,) = set(PROTOCOLS) - {one}
    file = folder / "lanes.toml"
    ports = {"one_port": gateway.ports[one], "other_port": gateway.ports[other]}
    file.write_text(LANES.format(one=one, other=other, **ports), encoding="utf-8")
    return load({"HUB_DATA_DIR": str(folder / "hub"), "HUB_LANES": str(file)}, None)


async def ended(hub: Hub, running: "asyncio.Task[None]") -> None:
    hub.bed.stop()
    await running
    await hub.close()


@pytest.mark.parametrize("version", PROTOCOLS)
async def test_what_the_gateway_took_is_what_the_hub_says(
    tmp_path: Path, gateway: CmppGateway, version: str
) -> None:
    hub = open_hub(settings_of(tmp_path, gateway, version), Scaled(1, MORNING))
    running = asyncio.create_task(hub.bed.run())
    await fine(hub, [f"P{n}" for n in range(LEGS)], ["00"] * LEGS)
    found = await until(hub, type_name(Delivered), LEGS)
    await ended(hub, running)
    parts = Counter(entry["to"] for entry in gateway.taken())
    assert len(parts) == found[type_name(Accepted)] == found[type_name(Delivered)] == LEGS
    assert set(parts.values()) == {2}
    assert sum("whole" in entry for entry in gateway.taken()) == LEGS
    assert gateway.counts()["owed"] == 0


async def test_who_is_not_served_by_one_lane_is_reached_by_another(
    tmp_path: Path, gateway: CmppGateway
) -> None:
    """Both gateways are one process, which serves this number by neither; what shows is that the
    other lane was tried."""
    hub = open_hub(settings_of(tmp_path, gateway, "cmpp2"), Scaled(1, MORNING))
    running = asyncio.create_task(hub.bed.run())
    await fine(hub, ["P"], ["16"])
    found = await until(hub, type_name(Refused), 2)
    await ended(hub, running)
    assert found[type_name(Refused)] >= 2
    assert gateway.taken() == []


@pytest.mark.parametrize("version", PROTOCOLS)
async def test_a_link_cut_behind_a_submit_makes_nobody_hear_twice(
    tmp_path: Path, gateway: CmppGateway, version: str
) -> None:
    """Of five messages a turn the second is taken and its link is cut, the third is not taken."""
    hub = open_hub(settings_of(tmp_path, gateway, version), Scaled(1, MORNING))
    running = asyncio.create_task(hub.bed.run())
    for turn in range(CUTS):
        refs = [f"P{turn}-{n}" for n in range(5)]
        await fine(hub, refs, ["00", "08", "21", "00", "00"], first=turn * 5)
    for _ in range(PATIENCE_S * 10):
        found = journalled(hub)
        if found[type_name(Accepted)] + found[type_name(Unknown)] >= CUTS * 5:
            break
        await asyncio.sleep(0.1)
    await ended(hub, running)
    taken = Counter((entry["to"], entry["part"]) for entry in gateway.taken())
    assert set(taken.values()) == {1}
    assert found[type_name(Unknown)] >= CUTS * 2
    assert found[type_name(Accepted)] + found[type_name(Unknown)] == CUTS * 5


async def test_a_throttled_lane_loses_nothing(tmp_path: Path, gateway: CmppGateway) -> None:
    hub = open_hub(settings_of(tmp_path, gateway, "cmpp3"), Scaled(1, MORNING))
    running = asyncio.create_task(hub.bed.run())
    gateway.tell("throttle", 2_000)
    await fine(hub, [f"P{n}" for n in range(50)], ["00"] * 50)
    found = await until(hub, type_name(Delivered), 50)
    await ended(hub, running)
    taken = Counter((entry["to"], entry["part"]) for entry in gateway.taken())
    assert found[type_name(Throttled)]
    assert found[type_name(Accepted)] == found[type_name(Delivered)] == 50
    assert len(taken) == 100
    assert set(taken.values()) == {1}


async def test_without_its_password_nothing_starts(
    tmp_path: Path, gateway: CmppGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GATEWAY_SECRET")
    with pytest.raises(SettingsError, match="sms-one: GATEWAY_SECRET must hold"):
        open_hub(settings_of(tmp_path, gateway, "cmpp2"), Scaled(1, MORNING))
