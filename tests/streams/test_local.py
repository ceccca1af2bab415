"""The bed of one process: what it does when it is not alone."""

import asyncio
from pathlib import Path

import pytest

from hub.bootstrap import open_hub
from hub.clock import Virtual
from hub.settings import load
from hub.virtual_time import Drive
from streams.core.policy import MINUTE_MS
from streams.lane_owner import LaneLost, Ownership
from tests.streams.small_hub import MORNING, NO_FAULTS, Direct, SmallHub


async def test_a_second_process_on_the_folder_ends_the_first(tmp_path: Path) -> None:
    clock = Virtual(MORNING)
    settings = load({"HUB_DATA_DIR": str(tmp_path)}, None)
    carrier = Direct(clock, NO_FAULTS)
    hub = open_hub(settings, clock, carriers={"sandbox": carrier}, synced=False)
    running = asyncio.create_task(hub.bed.run())
    small = SmallHub(hub, Drive(clock, hub.bed, running))
    await small.register("P1")
    await small.violation("P1")
    await small.pass_time(MINUTE_MS)
    assert small.reading.standing().categories["delivered"] == 1

    claimed = [work.topic for work in hub.bed.lanes if work.claim]
    assert len(claimed) == len(hub.bed.lanes)
    for topic in claimed:
        Ownership(hub.store.transaction).claim(topic, 0, "second", MORNING)
    await small.violation("P1", "3501000000000002")
    with pytest.raises(ExceptionGroup) as raised:
        await small.pass_time(MINUTE_MS)
    assert raised.group_contains(LaneLost)
    with pytest.raises(ExceptionGroup):
        await running
    await hub.close()
