"""Operators steer lanes: journalled with who and why, and held to by a running hub."""

from pathlib import Path

import pytest

from channels.lanes import Lane, Lanes
from preferences.fault import Fault
from streams.core import codec
from streams.core import events as e
from streams.core.standings import lane_stream
from tests.streams.small_hub import small_hub

LANES = Lanes(
    [
        Lane("sms-a", "sms", "sandbox", 20, ("cmcc",), cost=450),
        Lane("sms-b", "sms", "sandbox", 20, ("cmcc",), weight=999, cost=450),
        Lane("inbox", "inbox", "inbox", 500),
    ]
)


async def test_a_paused_lane_carries_nothing_until_it_is_resumed(tmp_path: Path) -> None:
    async with small_hub(tmp_path, lanes=LANES, look_ms=1_000) as here:
        await here.register("r1", emails=[])
        steered = await here.commands.steer_lane("sms-b", "pause", "shell:li", "maintenance")
        assert isinstance(steered, e.LaneSteered)
        await here.pass_time(3_000)
        await here.violation("r1", "1")
        await here.pass_time(60_000)
        assert [leg.lane for leg in here.reading.history("r1")] == ["sms-a"]
        view = next(
            v for v in here.reading.lanes(here.hub.clock.now_ms(), "en") if v.name == "sms-b"
        )
        assert view.state == "paused"
        assert view.reasons[0][1] == "Lane sms-b was paused by shell:li: maintenance."
        await here.commands.steer_lane("sms-b", "resume", "shell:li", "done")
        await here.pass_time(3_000)
        assert not here.hub.river.documents.lanes.is_paused("sms-b")
        rows = here.hub.store.read([lane_stream("sms-b")])[lane_stream("sms-b")]
        told = [codec.decode(row.type, row.data) for row in rows]
        assert [(x.action, x.by) for x in told if isinstance(x, e.LaneSteered)] == [
            ("pause", "shell:li"), ("resume", "shell:li"),
        ]  # fmt: skip


async def test_a_weight_is_taken_up_and_given_back(tmp_path: Path) -> None:
    async with small_hub(tmp_path, lanes=LANES, look_ms=1_000) as here:
        await here.commands.steer_lane("sms-a", "weight", "shell:li", "contract", 5)
        await here.pass_time(3_000)
        assert here.hub.river.documents.lanes.weight("sms-a") == 5
        await here.commands.steer_lane("sms-a", "weight", "shell:li", "as it was", 0)
        await here.pass_time(3_000)
        assert here.hub.river.documents.lanes.weight("sms-a") == 1


@pytest.mark.parametrize(
    ("lane", "action", "reason", "weight", "field"),
    [
        ("sms-c", "pause", "why", 0, "lane"),
        ("sms-a", "pause", " ", 0, "reason"),
        ("sms-a", "weight", "why", 1_001, "weight"),
        ("sms-a", "resume", "why", 0, "lane"),
        ("sms-a", "allow", "why", 0, "notice"),
    ],
)
async def test_what_cannot_be_is_said_by_its_field(
    tmp_path: Path, lane: str, action: str, reason: str, weight: int, field: str
) -> None:
    async with small_hub(tmp_path, lanes=LANES, look_ms=1_000) as here:
        fault = await here.commands.steer_lane(lane, action, "shell:li", reason, weight)  # type: ignore[arg-type]  # as typed
        assert isinstance(fault, Fault)
        assert fault.field == field


async def test_what_is_accepted_costs_what_the_file_says(tmp_path: Path) -> None:
    async with small_hub(tmp_path, lanes=LANES, look_ms=1_000) as here:
        await here.register("r1", emails=[])
        await here.violation("r1", "1")
        await here.pass_time(60_000)
        report = here.reading.report()
        [(notice, cost)] = report.costs.items()
        assert (notice, cost.messages) == ("violation-recorded", 1)
        assert cost.cost == cost.segments * 450 > 0
        assert report.cost == cost
