"""Every journey is made twice: through a hub of one process, and through a cluster."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.cluster.native_postgres import NativePostgres
from tests.journeys.cluster_town import Parts, cluster_town
from tests.journeys.town import OpenTown
from tests.journeys.town import town as town_of_one

BEDS = ("one-process", pytest.param("cluster", marks=pytest.mark.cluster))


@pytest.fixture(scope="session")
def parts(postgres: NativePostgres) -> Iterator[Parts]:
    """A broker and a server for the journeys of this process."""
    with TemporaryDirectory(prefix="fenghuo-journeys-") as folder:
        parts = Parts(Path(folder), postgres)
        try:
            parts.start()
            yield parts
        finally:
            parts.stop()


@pytest.fixture(params=BEDS)
def town(request: pytest.FixtureRequest, tmp_path: Path) -> OpenTown:
    """A town for a journey, on each bed."""
    if request.param == "cluster":
        return partial(cluster_town, request.getfixturevalue("parts"), tmp_path)
    return partial(town_of_one, tmp_path)
