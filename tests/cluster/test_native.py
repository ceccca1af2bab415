"""What the file says is started, watched and ended; what fails says why, and leaves nothing."""

import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import yaml

from tests.cluster import __main__ as command
from tests.cluster import native
from tests.cluster.compose import FILE
from tests.cluster.native import Cluster, ClusterFailed
from tests.cluster.native_postgres import NativePostgres

SMALL = """
services:
  prepare: {image: "fenghuo:0", command: [doctor], restart: "no"}
  sandbox:
    image: "fenghuo:0"
    command: [sandbox]
    depends_on: [prepare]
    environment: {HUB_SANDBOX_HOST: 0.0.0.0, HUB_SANDBOX_PORT: 8123}
    healthcheck: {test: [CMD, hub, health, sandbox]}
  web:
    image: "fenghuo:0"
    command: [up, --no-sandbox]
    depends_on: [sandbox]
    environment:
      HUB_HOST: 0.0.0.0
      HUB_PORT: 8122
      HUB_SANDBOX_HOST: sandbox
      HUB_SANDBOX_PORT: 8123
      HUB_KEK_FILE: /run/secrets/kek
      HUB_LANGUAGE: ${LANGUAGE:-zh}
    healthcheck: {test: [CMD, hub, health, web]}
"""
"""A hub of two processes, which needs no parts of the machine."""


def cluster_of(
    folder: Path,
    text: str,
    given: dict[str, str] | None = None,
    environment: dict[str, str] | None = None,
) -> Cluster:
    file = folder / "docker-compose.yml"
    file.write_text(text, encoding="utf-8")
    return Cluster(folder / "cluster", given, environment, file)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    cluster = cluster_of(tmp_path_factory.mktemp("small"), SMALL)
    cluster.start()
    yield cluster
    cluster.stop()


def answers(cluster: Cluster) -> int:
    with urllib.request.urlopen(f"{cluster.url}/readyz") as answer:
        status: int = answer.status
        return status


class TestStarted:
    def test_its_pages_answer(self, small: Cluster) -> None:
        assert answers(small) == 200
        assert {name: one.alive for name, one in small.workers.items()} == {
            "sandbox": True,
            "web": True,
        }

    def test_what_a_container_gives_is_replaced(self, small: Cluster) -> None:
        sandbox, web = small.workers["sandbox"].environment, small.workers["web"].environment
        assert web["HUB_HOST"] == web["HUB_SANDBOX_HOST"] == "127.0.0.1"
        assert web["HUB_SANDBOX_PORT"] == sandbox["HUB_SANDBOX_PORT"] != "8123"
        assert small.url == f"http://127.0.0.1:{web['HUB_PORT']}"
        assert Path(web["HUB_KEK_FILE"]).parent == small.folder / "secrets"
        assert web["HUB_LANGUAGE"] == "zh"

    def test_each_has_a_log(self, small: Cluster) -> None:
        said = {log.stem: log.read_text() for log in (small.folder / "logs").iterdir()}
        assert said.keys() == {"prepare", "sandbox", "web"}
        assert small.url in said["web"]

    def test_who_is_sent_to_ends_last(self, small: Cluster) -> None:
        assert [[one.name for one in layer] for layer in small.layers_to_end()] == [
            ["web"],
            ["sandbox"],
        ]

    def test_a_killed_one_starts_again(self, small: Cluster) -> None:
        before = small.workers["sandbox"]
        with pytest.raises(AssertionError, match="sandbox is running"):
            small.start_one("sandbox")
        before.kill()
        assert not before.alive
        assert before.wrong() == f"nobody is at 127.0.0.1:{before.port}"
        after = small.start_one("sandbox")
        after.await_ready()
        assert after.pid != before.pid

    def test_a_paused_one_is_not_ready_until_it_goes_on(
        self, small: Cluster, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sandbox = small.workers["sandbox"]
        sandbox.pause()
        monkeypatch.setattr(native, "START_S", 0)
        with pytest.raises(ClusterFailed, match=r"sandbox is not ready after 0 s: .*not answer"):
            sandbox.await_ready()
        sandbox.go_on()
        assert sandbox.wrong() == ""

    def test_one_more_can_be_told_something_else(self, small: Cluster) -> None:
        second = small.start_one("web", "second", {"HUB_PORT": "1"})
        assert second.wait() == 1
        with pytest.raises(ClusterFailed, match=r"second ended with 1 .*\n.*\n.*is in use by"):
            second.await_ready()


class TestFailed:
    @pytest.mark.parametrize(
        ("command", "message"),
        [
            ("[sandbox, --faults, '{']", "sandbox ended with 2 before it was ready"),
            ("[up, --no-such-option]", "No such option"),
        ],
    )
    def test_a_service_that_ends_is_named_and_the_others_end_with_it(
        self, tmp_path: Path, command: str, message: str
    ) -> None:
        cluster = cluster_of(tmp_path, SMALL.replace("[sandbox]", command, 1))
        with pytest.raises(ClusterFailed, match=message):
            cluster.start()
        assert [one.name for one in cluster.workers.values() if one.alive] == []

    def test_one_that_prepares_and_fails_stops_all(self, tmp_path: Path) -> None:
        cluster = cluster_of(tmp_path, SMALL.replace("[doctor]", "[report]"))
        with pytest.raises(ClusterFailed, match=r"prepare ended with 1\n(.*\n)+.*no hub has run"):
            cluster.start()
        assert cluster.workers == {}


class TestTheCommand:
    def test_starts_tells_and_ends(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        request: pytest.FixtureRequest,
    ) -> None:
        begun: list[Cluster] = []

        def small_one(folder: Path) -> Cluster:
            begun.append(cluster_of(tmp_path, SMALL))
            return begun[0]

        request.addfinalizer(lambda: [one.stop() for one in begun])
        monkeypatch.setattr(command, "Cluster", small_one)
        monkeypatch.setattr(command, "lacks", lambda: None)
        folder = tmp_path / "cluster"
        assert command.start(folder) == 0
        url = begun[0].url
        told = capsys.readouterr().out
        assert f"Fenghuo is at {url}/" in told
        assert "hub publish" in told
        assert answers(begun[0]) == 200
        assert f"HUB_PORT={url.rpartition(':')[2]}" in (folder / "environment").read_text()
        assert len((folder / "day.jsonl").read_bytes().splitlines()) > 5_000

        assert command.start(folder) == 0
        assert f"It runs already, at {url}/: web, sandbox." in capsys.readouterr().out

        assert command.stop(folder) == 0
        assert "Ending web, sandbox." in capsys.readouterr().out
        assert [one.name for one in begun[0].workers.values() if one.alive] == []
        assert command.stop(folder) == 0
        assert "No cluster runs here." in capsys.readouterr().out

    def test_says_what_the_machine_lacks(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(native.native_postgres, "binaries", lambda: None)
        assert command.start(tmp_path) == 1
        assert "apt-get install postgresql" in capsys.readouterr().err


SERVER = {"shared_buffers": "256MB", "checkpoint_timeout": "15min", "data_checksums": "on"}


@pytest.mark.cluster
def test_broker_and_server_are_as_the_file_says_and_keep_what_they_had() -> None:
    """Each time on other ports."""
    with tempfile.TemporaryDirectory(prefix="fenghuo-parts-") as folder:
        Path(folder).chmod(0o711)  # PostgreSQL may run as somebody else
        document = yaml.safe_load(FILE.read_text(encoding="utf-8"))
        parts = {name: document["services"][name] for name in ("kafka", "postgres")}
        for tables in ([], [("kept",)]):
            cluster = cluster_of(Path(folder), yaml.safe_dump({"services": parts}))
            cluster.start()
            try:
                assert cluster.kafka is not None
                assert cluster.postgres is not None
                with psycopg.connect(address(cluster.postgres), autocommit=True) as said:
                    for name, value in SERVER.items():
                        assert said.execute(f"SHOW {name}").fetchall() == [(value,)], name
                    asked = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
                    assert said.execute(asked).fetchall() == tables
                    said.execute("CREATE TABLE IF NOT EXISTS kept ()")
                options = (cluster.folder / "kafka/server.properties").read_text()
                assert "share.coordinator.state.topic.min.isr=1" in options
                assert [sorted(layer) for layer in cluster.processes()] == [["kafka"], ["postgres"]]
                alive = [one for layer in cluster.processes() for one in layer.values()]
            finally:
                cluster.stop()
            assert [one.pid for one in alive if one.alive] == []


def address(server: NativePostgres) -> str:
    return server.url_of("fenghuo").replace("+psycopg", "")
