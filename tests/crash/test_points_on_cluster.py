"""At every fail point a worker of the cluster dies, starts again, and the books agree."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from hub.failpoints import POINTS
from tests.crash.on_cluster import WHO, OnCluster, running
from tests.crash.rehearsal import die_and_recover
from tests.crash.upstream import Upstream

pytestmark = [pytest.mark.crash, pytest.mark.cluster]

NTH = 2
_loads = count()


@pytest.fixture(scope="module")
def hub() -> Iterator[OnCluster]:
    """One cluster for all: each load is about other people."""
    with TemporaryDirectory(prefix="fenghuo-crash-") as folder, running(Path(folder)) as hub:
        yield hub


@pytest.mark.parametrize("point", POINTS)
def test_a_death_loses_nothing_and_sends_nothing_twice(point: str, hub: OnCluster) -> None:
    load = next(_loads)
    hub.dies = WHO[point][0]
    upstream = Upstream(f"crash-{load}", 10_000 * (load + 1))
    assert die_and_recover(hub, f"{point}:{NTH}", upstream, hub.director) == []
