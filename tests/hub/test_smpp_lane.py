"""A lane that goes by SMPP, from an event to a receipt, in the one-process hub."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from hub.bootstrap import open_hub
from hub.clock import Scaled
from hub.lanes_file import read_lanes
from hub.settings import Settings, SettingsError, load
from streams.core.codec import type_name
from streams.core.events import Accepted, Delivered, Throttled, Undelivered, Unknown
from streams.topics import INBOUND
from tests.hub.fining import PATIENCE_S, fine, journalled, until
from tests.peers.gateway import INBOX
from tests.peers.node_smpp import LANE, NodeGateway
from tests.streams.small_hub import MORNING

pytestmark = pytest.mark.peers

LEGS = 200
CUTS = 5


def settings_of(folder: Path, port: int) -> Settings:
    file = folder / "lanes.toml"
    lane = LANE.format(name="sms-smpp", rate=2000, port=port)
    file.write_text(lane + "window = 64\n" + INBOX, encoding="utf-8")
    return load({"HUB_DATA_DIR": str(folder / "hub"), "HUB_LANES": str(file)}, None)


async def test_what_the_gateway_took_is_what_the_hub_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_PASSWORD", "secret")
    gateway = NodeGateway(tmp_path / "ledger.jsonl", receiptIds="decimal")
    gateway.start()
    hub = open_hub(settings_of(tmp_path, gateway.port), Scaled(1, MORNING))
    running = asyncio.create_task(hub.bed.run())
    await fine(hub, [f"P{n}" for n in range(LEGS)], ["00"] * LEGS)
    found = await until(hub, type_name(Delivered), LEGS)
    hub.bed.stop()
    await running
    counts = gateway.counts()
    await hub.close()
    gateway.kill()
    parts = Counter(entry["to"] for entry in gateway.taken())
    assert len(parts) == found[type_name(Accepted)] == found[type_name(Delivered)] == LEGS
    assert set(parts.values()) == {2}
    assert counts["owed"] == 0


async def test_receipts_that_come_after_a_restart_find_their_messages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the journal alone: the new process knows neither references nor which parts belong
    together."""
    monkeypatch.setenv("GATEWAY_PASSWORD", "secret")
    gateway = NodeGateway(tmp_path / "ledger.jsonl", receiptIds="decimal", receiptMs=3_000)
    gateway.start()
    settings = settings_of(tmp_path, gateway.port)
    hub = open_hub(settings, Scaled(1, MORNING))
    running = asyncio.create_task(hub.bed.run())
    await fine(hub, [f"P{n}" for n in range(20)], ["00"] * 18 + ["09"] * 2)
    await until(hub, type_name(Accepted), 20)
    hub.bed.stop()
    await running
    assert not journalled(hub)[type_name(Delivered)]
    await hub.close()
    again = open_hub(settings, Scaled(1, MORNING + 10_000))
    running = asyncio.create_task(again.bed.run())
    await until(again, type_name(Undelivered), 2)
    found = await until(again, type_name(Delivered), 20)
    again.bed.stop()
    await running
    await again.close()
    gateway.kill()
    assert found[type_name(Accepted)] == 22  # two of them by the inbox, after the bad report
    assert found[type_name(Delivered)] == 20
    assert found[type_name(Undelivered)] == 2


async def test_a_link_cut_behind_a_submit_makes_nobody_hear_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_PASSWORD", "secret")
    gateway = NodeGateway(tmp_path / "ledger.jsonl", receiptIds="decimal")
    gateway.start()
    hub = open_hub(settings_of(tmp_path, gateway.port), Scaled(1, MORNING))
    running = asyncio.create_task(hub.bed.run())
    for turn in range(CUTS):
        refs = [f"P{turn}-{n}" for n in range(5)]
        await fine(hub, refs, ["00", "08", "00", "00", "00"], first=turn * 5)
    for _ in range(PATIENCE_S * 10):
        found = journalled(hub)
        if found[type_name(Accepted)] + found[type_name(Unknown)] >= CUTS * 5:
            break
        await asyncio.sleep(0.1)
    hub.bed.stop()
    await running
    await hub.close()
    gateway.kill()
    taken = Counter((entry["to"], entry["part"]) for entry in gateway.taken())
    assert set(taken.values()) == {1}
    assert found[type_name(Unknown)] >= CUTS
    assert found[type_name(Accepted)] + found[type_name(Unknown)] == CUTS * 5


async def test_a_throttled_lane_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_PASSWORD", "secret")
    gateway = NodeGateway(tmp_path / "ledger.jsonl", receiptIds="decimal")
    gateway.start()
    hub = open_hub(settings_of(tmp_path, gateway.port), Scaled(1, MORNING))
    running = asyncio.create_task(hub.bed.run())
    gateway.tell("throttle", ms=2_000)
    await fine(hub, [f"P{n}" for n in range(50)], ["00"] * 50)
    found = await until(hub, type_name(Delivered), 50)
    hub.bed.stop()
    await running
    await hub.close()
    gateway.kill()
    taken = Counter((entry["to"], entry["part"]) for entry in gateway.taken())
    assert found[type_name(Throttled)]
    assert found[type_name(Accepted)] == found[type_name(Delivered)] == 50
    assert len(taken) == 100
    assert set(taken.values()) == {1}


async def test_a_reply_is_answered_once_and_is_in_the_history(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This number writes back to everything it gets, also to our answer."""
    monkeypatch.setenv("GATEWAY_PASSWORD", "secret")
    gateway = NodeGateway(tmp_path / "ledger.jsonl", receiptIds="decimal")
    gateway.start()
    hub = open_hub(settings_of(tmp_path, gateway.port), Scaled(1, MORNING))
    running = asyncio.create_task(hub.bed.run())
    await fine(hub, ["P"], ["20"])
    await until(hub, type_name(Delivered), 2)
    for _ in range(100):
        if gateway.counts()["owed"] == 0 and not hub.backlog().get(INBOUND):
            break
        await asyncio.sleep(0.05)
    hub.bed.stop()
    await running
    [reply] = hub.reading.replies("P")
    legs = {leg.notice: leg.status for leg in hub.reading.history("P")}
    await hub.close()
    gateway.kill()
    assert (reply.text, reply.asked, reply.done) == ("TD 退订", "stop", "kept")
    assert legs == {"violation-recorded": "delivered", "reply-answered": "delivered"}
    assert len(gateway.taken()) == 3, "the fine, in two parts, and one answer to it"


async def test_without_its_password_nothing_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GATEWAY_PASSWORD", raising=False)
    settings = settings_of(tmp_path, 2775)
    assert read_lanes(settings)["sms-smpp"].account is not None
    with pytest.raises(SettingsError, match="sms-smpp: GATEWAY_PASSWORD must hold"):
        open_hub(settings, Scaled(1, MORNING))
