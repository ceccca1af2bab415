"""A river for each test of what comes back on it."""

import copy
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub.clock import Real
from streams.pipeline.river import River
from tests.streams.pipeline.reports import Kept
from tests.streams.small_hub import small_hub


@pytest.fixture
async def river(tmp_path: Path) -> AsyncIterator[River]:
    """On files of its own; what is published stays where it can be seen."""
    async with small_hub(tmp_path) as small:
        river = copy.copy(small.hub.river)
        river.topics = Kept()  # type: ignore[assignment]  # it only publishes
        river.clock = Real()
        yield river
