"""``faust -A streams.app worker`` is a worker like any other: it takes over where one left."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.cluster.native import Cluster, running, surroundings
from tests.cluster.processes import until
from tests.cluster.test_whole import SOON_S, Whole

pytestmark = pytest.mark.cluster

FAUST = [
    str(Path(sys.executable).with_name("faust")), "-A", "streams.app", "--loop", "uvloop",
    "worker", "--without-web", "-l", "warn",
]  # fmt: skip

PAID = {
    "specversion": "1.0", "id": "p1", "source": "upstream", "subject": "P1",
    "type": "gov.traffic.violation.paid.v1",
    "data": {
        "violation_no": "3501020019876543", "plate": "闽A12345", "amount": 20000,
        "paid_at": "2026-11-24T09:40:00+08:00", "receipt_no": "350100261124000001",
        "recipient": {"ref": "P1", "kind": "person", "name": "王丽", "phones": ["13312340001"]},
    },
}  # fmt: skip


def test_it_routes_what_came_while_nobody_did(tmp_path: Path) -> None:
    with running({"HUB_PARTITIONS": "2"}) as cluster:
        router = cluster.workers["router"]
        router.stop()
        whole = Whole(cluster)
        status, _ = whole.post(whole.key(), _now(PAID))
        assert status == 202
        with (tmp_path / "faust.log").open("wb") as log:
            faust = subprocess.Popen(FAUST, env=_environment(cluster), stdout=log, stderr=log)
        try:
            assert until(lambda: bool(whole.history("P1")), SOON_S)
        finally:
            faust.terminate()
        assert faust.wait(60) == 0, (tmp_path / "faust.log").read_text()[-2000:]


def _environment(cluster: Cluster) -> dict[str, str]:
    said = cluster.environment_of(cluster.services["router"])
    root = str(Path(__file__).parents[2])
    return surroundings({**said, "HUB_WORKER_KIND": "router", "PYTHONPATH": root})


def _now(event: dict[str, object]) -> dict[str, object]:
    return event | {"time": datetime.now(UTC).isoformat()}
