"""A lane that goes by SMPP on a cluster: the dispatcher's binds, its death, its successor's, and
two of them that share it."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hub.clock import Rehearsal
from tests.cluster.native import Cluster, running
from tests.cluster.processes import until
from tests.cluster.test_whole import SOON_S, TEN, Whole
from tests.peers.gateway import INBOX
from tests.peers.node_smpp import LANE, NodeGateway
from tests.peers.pace import back_after_ms, most_in_a_second

pytestmark = [pytest.mark.cluster, pytest.mark.peers]

PEOPLE = 6

RATE = 100
BURST = RATE // 10
NORMAL = RATE * 80 // 100
"""What is not kept for urgent messages, of which there are none here."""

CROWD = 900
"""Told of two parts each: more than is sent while it is measured."""


class Town(Whole):
    """The cluster with its carrier."""

    def __init__(self, cluster: Cluster, gateway: NodeGateway) -> None:
        super().__init__(cluster)
        self.gateway = gateway

    def fine(self, refs: list[str], number: str) -> None:
        key = self.key()
        for ref in refs:
            assert self.post(key, violation(ref, number))[0] < 300

    def delivered(self, refs: list[str], times: int) -> bool:
        return all(
            sum(leg["status"] == "delivered" for leg in self.history(ref)) == times for ref in refs
        )


def violation(ref: str, number: str) -> dict[str, Any]:
    when = "2026-11-24T09:00:00+08:00"
    return {
        "specversion": "1.0", "id": f"{ref}-{number}", "source": "test", "time": when,
        "type": "gov.traffic.violation.recorded.v1", "subject": ref,
        "data": {
            "violation_no": f"{number}{ref[1:]:0>15}", "plate": "闽A12345", "occurred_at": when,
            "place": "五四路", "offence": "违反禁止标线指示", "fine": 20000, "points": 1,
        },
    }  # fmt: skip


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder: Path = tmp_path_factory.mktemp("smpp")
    gateway = NodeGateway(folder / "ledger.jsonl", receiptIds="decimal")
    gateway.start()
    lane = LANE.format(name="sms-smpp", rate=RATE, port=gateway.port)
    (folder / "lanes.toml").write_text(lane + INBOX, encoding="utf-8")
    Rehearsal.set(folder / "clock", int(TEN.timestamp() * 1000), 1.0)
    environment = {
        "HUB_CLOCK": str(folder / "clock"),
        "HUB_LANES": str(folder / "lanes.toml"),
        "GATEWAY_PASSWORD": "secret",
    }
    with running({"HUB_PARTITIONS": "2"}, environment) as cluster:
        yield Town(cluster, gateway)
    gateway.kill()


def test_a_dispatcher_killed_is_followed_by_another_and_nobody_hears_twice(town: Town) -> None:
    refs = [f"S{n}" for n in range(PEOPLE)]
    people = ["ref,kind,name,phone,region"]
    people += [f"{ref},person,王丽,138000000{n:02d},350100" for n, ref in enumerate(refs)]
    town.hub("recipients", "import", "-", given="\n".join(people))
    town.fine(refs, "1")
    assert until(lambda: town.delivered(refs, 1), SOON_S)
    town.cluster.workers["dispatcher"].kill()
    town.fine(refs, "2")
    town.cluster.start_one("dispatcher")
    assert until(lambda: town.delivered(refs, 2), SOON_S)
    assert until(lambda: town.gateway.counts()["owed"] == 0, SOON_S)
    parts = Counter((entry["to"], entry["part"]) for entry in town.gateway.taken())
    assert len({to for to, _ in parts}) == PEOPLE
    assert set(parts.values()) == {2}


def test_two_dispatchers_share_the_contract_of_a_lane(town: Town) -> None:
    """And its gateway says "too fast" for two seconds."""
    earlier = town.gateway.counts()["binds"]
    before = len(town.gateway.submits())
    town.cluster.start_one("dispatcher", "second").await_ready()
    assert until(lambda: town.gateway.counts()["bound"] == 4, SOON_S)
    people = ["ref,kind,name,phone,region"]
    people += [f"C{n},person,王丽,13700{n:06d},350100" for n in range(CROWD)]
    town.hub("recipients", "import", "-", given="\n".join(people))
    fines = [json.dumps(violation(f"C{n}", "3"), ensure_ascii=False) for n in range(CROWD)]
    assert town.hub("publish", "-", given="\n".join([*fines, ""])).code == 0

    def submits() -> list[tuple[int, bool]]:
        return town.gateway.submits()[before:]

    assert until(lambda: len(submits()) > 2 * NORMAL, SOON_S)
    town.gateway.tell("throttle", ms=2_000)
    assert until(lambda: sum(taken for _, taken in submits()) == 2 * CROWD, SOON_S)
    assert most_in_a_second(submits()) <= RATE + BURST
    assert back_after_ms(submits(), 0.9 * NORMAL) <= 20_000
    told = town.gateway.taken()[-2 * CROWD :]
    assert len({(entry["to"], entry["part"]) for entry in told}) == 2 * CROWD
    binds = {entry["bind"] for entry in told}
    assert min(binds) <= earlier < max(binds), "both took part"
