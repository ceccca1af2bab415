"""Every fail point 25 times on each bed: at another passing, under another load."""

import random
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from hub.failpoints import POINTS
from tests.crash.on_cluster import WHO, OnCluster, running
from tests.crash.one_process import OneProcess
from tests.crash.rehearsal import Director, die_and_recover
from tests.crash.upstream import Upstream

pytestmark = pytest.mark.soak

SEEDS = range(25)
NTH_MAX = 6
SIZES = (5, 20, 100)

PEOPLE = 10_000
"""Each load has so many numbers of its own."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[OnCluster]:
    with TemporaryDirectory(prefix="fenghuo-soak-") as folder, running(Path(folder)) as hub:
        yield hub


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("seed", SEEDS)
def test_on_one_process(point: str, seed: int, tmp_path: Path) -> None:
    chance = random.Random(f"{point} {seed}")
    failpoint = f"{point}:{chance.randint(1, NTH_MAX)}"
    director = Director(tmp_path / "clock")
    hub = OneProcess(tmp_path, tmp_path / "clock")
    try:
        faults = die_and_recover(hub, failpoint, Upstream("soak"), director, chance.choice(SIZES))
    finally:
        hub.close()
    assert faults == []


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("seed", SEEDS)
def test_on_the_cluster(point: str, seed: int, cluster: OnCluster) -> None:
    chance = random.Random(f"{seed} {point}")
    cluster.dies = chance.choice(WHO[point])
    cluster.director.begin_by_day()
    load = 1 + seed * len(POINTS) + list(POINTS).index(point)
    upstream = Upstream(f"soak-{load}", load * PEOPLE)
    failpoint = f"{point}:{chance.randint(1, NTH_MAX)}"
    assert (
        die_and_recover(cluster, failpoint, upstream, cluster.director, chance.choice(SIZES)) == []
    )
