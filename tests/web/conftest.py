"""A running hub for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.web.world import World, world


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as running:
        yield running


@pytest.fixture
async def still(tmp_path: Path) -> AsyncIterator[World]:
    """A hub whose bed does not run: what comes in stays where it is."""
    async with world(tmp_path, running=False) as standing:
        yield standing
