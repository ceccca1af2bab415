"""A month leaves the archive once nothing can ask for it again, and by somebody's order."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from preferences.fault import Fault
from streams.core import events as e
from streams.journal.base import Store
from streams.removals import ordered, still_needed
from tests.streams.small_hub import SmallHub, small_hub

NOW_MS = int(datetime(2026, 11, 30, tzinfo=UTC).timestamp() * 1000)


@pytest.fixture
async def small(tmp_path: Path, hub_store: Store) -> AsyncIterator[SmallHub]:
    async with small_hub(tmp_path, store=hub_store) as opened:
        yield opened


@pytest.mark.parametrize(
    ("month", "expected"),
    [
        (202607, None),
        (202608, "one before 202608: younger events may still come again"),
        (202611, "one before 202608: younger events may still come again"),
        (202613, "a year and a month, as 202611"),
        (202600, "a year and a month, as 202611"),
        (20261, "a year and a month, as 202611"),
    ],
)
def test_only_whole_months_that_nobody_needs(month: int, expected: str | None) -> None:
    assert still_needed(month, NOW_MS) == (Fault("month", expected) if expected else None)


async def test_an_order_is_journalled_once(small: SmallHub) -> None:
    commands, keys = small.hub.commands, small.hub.river.index
    first = await commands.remove_archived(202001, "shell:li", " kept for five years ")
    assert first == e.ArchiveRemoved(month=202001, by="shell:li", reason="kept for five years")
    assert await commands.remove_archived(202001, "shell:wang", "broken off") == first
    other = await commands.remove_archived(201912, "shell:wang", "so is this")
    assert ordered(small.hub.store, keys) == [other, first]


@pytest.mark.parametrize(("month", "reason"), [(202001, " "), (202001, "x" * 501), (209912, "x")])
async def test_what_is_refused_is_not_journalled(small: SmallHub, month: int, reason: str) -> None:
    head = small.hub.journal.head
    assert isinstance(await small.hub.commands.remove_archived(month, "shell:li", reason), Fault)
    assert small.hub.journal.head == head
