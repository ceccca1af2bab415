"""At every fail point the one-process hub dies, starts again, and the books agree."""

from pathlib import Path

import pytest

from hub.failpoints import POINTS
from tests.crash.one_process import OneProcess
from tests.crash.rehearsal import Director, die_and_recover
from tests.crash.upstream import Upstream

pytestmark = pytest.mark.crash

NTH = 2
"""At its second passing something of the first is under way."""


@pytest.mark.parametrize("point", POINTS)
def test_a_death_loses_nothing_and_sends_nothing_twice(point: str, tmp_path: Path) -> None:
    director = Director(tmp_path / "clock")
    hub = OneProcess(tmp_path, tmp_path / "clock")
    try:
        faults = die_and_recover(hub, f"{point}:{NTH}", Upstream("crash"), director)
    finally:
        hub.close()
    assert faults == []
