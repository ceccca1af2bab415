"""A cluster that stays can have a carrier's gateway beside it: same command, and the same end."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from channels.lanes import DEFAULT_LANES
from channels.lanes_file import load_lanes
from hub.lanes_file import PROTOCOLS
from tests.cluster import __main__ as command
from tests.cluster.__main__ import read, sending_to
from tests.cluster.gateway import StayingGateway, over_smpp
from tests.cluster.native import Cluster
from tests.cluster.processes import until
from tests.cluster.test_native import SMALL, cluster_of

SOON_S = 20


def test_text_messages_go_over_smpp_and_nothing_else_changes() -> None:
    before = DEFAULT_LANES.read_text(encoding="utf-8")
    known = {lane.name: lane for lane in load_lanes(before, PROTOCOLS)}
    for lane in load_lanes(over_smpp(before, 2775), PROTOCOLS):
        was = known.pop(lane.name)
        assert (lane.channel, lane.carriers, lane.rate_per_s) == (
            was.channel,
            was.carriers,
            was.rate_per_s,
        )
        assert lane.provider == ("smpp" if lane.channel == "sms" else was.provider)
    assert known == {}


@pytest.fixture
def gateways(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[StayingGateway]]:
    """Those that the command begins."""
    begun: list[StayingGateway] = []

    def one(folder: Path) -> StayingGateway:
        begun.append(StayingGateway(folder))
        return begun[-1]

    monkeypatch.setattr(command, "StayingGateway", one)
    monkeypatch.setattr(command, "lacks", lambda: None)
    yield begun
    for gateway in begun:
        gateway.stop()


@pytest.mark.peers
class TestTheGateway:
    def test_only_who_sends_knows_the_password(self, tmp_path: Path) -> None:
        gateway = StayingGateway(tmp_path / "gateway")
        try:
            cluster = Cluster(tmp_path, environment=gateway.environment)
            services = sending_to(gateway, cluster).services.values()
            told = {one.name: cluster.environment_of(one) for one in services}
            assert {one["HUB_LANES"] for one in told.values()} == {
                str(tmp_path / "gateway" / "lanes.toml")
            }
            assert [name for name in told if "GATEWAY_PASSWORD_FILE" in told[name]] == [
                "dispatcher"
            ]
        finally:
            gateway.stop()

    def test_it_lives_as_long_as_the_cluster(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        request: pytest.FixtureRequest,
        gateways: list[StayingGateway],
    ) -> None:
        begun: list[Cluster] = []

        def small_one(folder: Path, environment: dict[str, str]) -> Cluster:
            begun.append(cluster_of(tmp_path, SMALL, environment=environment))
            return begun[0]

        request.addfinalizer(lambda: [one.stop() for one in begun])
        monkeypatch.setattr(command, "Cluster", small_one)
        monkeypatch.setattr(command, "SENDER", "up")
        folder = tmp_path / "cluster"
        assert command.start(folder, with_gateway=True) == 0
        [gateway] = gateways
        assert f"gateway{gateway.process.pid:>13}" in capsys.readouterr().out
        state = read(folder)
        assert state is not None
        assert state.running[-1] == {"gateway": gateway.process}, "who sends ends first"
        assert until(lambda: counts(folder)["bound"] == 10, SOON_S), "two binds, five lanes"
        assert command.stop(folder) == 0
        assert not gateway.process.alive

    def test_it_ends_with_a_cluster_that_does_not_start(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        gateways: list[StayingGateway],
    ) -> None:
        def no_cluster(folder: Path, environment: dict[str, str]) -> Cluster:
            return cluster_of(tmp_path, SMALL.replace("[doctor]", "[report]"))

        monkeypatch.setattr(command, "Cluster", no_cluster)
        assert command.start(tmp_path / "cluster", with_gateway=True) == 1
        assert "prepare ended with 1" in capsys.readouterr().err
        [gateway] = gateways
        assert not gateway.process.alive

    def test_what_it_does_not_understand_it_says_in_its_log(self, tmp_path: Path) -> None:
        gateway = StayingGateway(tmp_path / "gateway")
        try:
            (tmp_path / "gateway" / "commands").write_text("please\n")
            assert counts(tmp_path)["bound"] == 0
            assert "please: no such command" in (tmp_path / "gateway" / "log").read_text()
        finally:
            gateway.stop()


def counts(folder: Path) -> dict[str, int]:
    """What it answers to a command that a shell could give."""
    log = folder / "gateway" / "log"
    before = len(lines(log))
    (folder / "gateway" / "commands").write_text('{"do": "tell"}\n')
    assert until(lambda: len(lines(log)) > before, SOON_S)
    answer: dict[str, int] = json.loads(lines(log)[-1])
    return answer


def lines(log: Path) -> list[str]:
    """What it said of itself: each is an object."""
    return [line for line in log.read_text().splitlines() if line.startswith("{")]
