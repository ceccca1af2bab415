"""The cluster of `docker-compose.yml`, started natively: no container, the same processes.

    with running({"HUB_PARTITIONS": "4"}) as cluster:
        cluster.url                               # where its pages are
        cluster.workers["dispatcher"].kill()
        cluster.start_one("dispatcher")           # the same again
        cluster.start_one("dispatcher", "second", {"HUB_FAILPOINT": "after_call:3"})

Commands, environment, health checks, the broker's properties and the server's settings are read
from the file. What a container gives a process is replaced: names of hosts by loopback, ports by
free ones, mounted secrets by files. Each process writes its own log into ``folder/logs``.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg

from tests.cluster import native_kafka, native_postgres
from tests.cluster.compose import FILE, ROOT, Service, example, layers, read
from tests.cluster.native_kafka import NativeKafka, free_ports
from tests.cluster.native_postgres import NativePostgres
from tests.cluster.processes import Process, end, process, until

HERE = "127.0.0.1"
START_S = 90
"""Until a service is ready: some seconds on a machine that does nothing else."""

ONCE_S = 120
"""A service that ends has ended by then."""

TAIL = 25
"""Lines of a log that tell why a process ended."""

_ELSEWHERE = ("LISTENERS", "QUORUM_VOTERS", "LOG_DIRS", "HEAP_OPTS")
"""How the broker's variables end that say where it is, and not how it works."""


class ClusterFailed(Exception):  # noqa: N818 - named for what is known
    """It did not come up. The message says which service, and the last lines of its log."""


def lacks() -> str | None:
    """What this machine has not got for it, in words; None: it has everything."""
    if native_postgres.binaries() is None:
        return "no PostgreSQL server (apt-get install postgresql)"
    return native_kafka.lacks()


@contextmanager
def running(
    given: Mapping[str, str] | None = None, environment: Mapping[str, str] | None = None
) -> Iterator["Cluster"]:
    """A cluster in a folder of its own, which is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="fenghuo-cluster-") as folder:
        cluster = Cluster(Path(folder), given, environment)
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop()


class Worker:
    """One process of a service. ``port`` is where it says how it is."""

    def __init__(
        self, name: str, service: Service, environment: Mapping[str, str], log: Path
    ) -> None:
        self.name = name
        self.service = service
        self.environment = environment
        self.log = log
        said = ("HUB_WORKER_PORT", "HUB_PORT", "HUB_SANDBOX_PORT")
        self.port = next(int(environment[name]) for name in said if name in environment)
        with log.open("ab") as out:
            self._child = subprocess.Popen(
                command_of(service.command), cwd=log.parent, env=surroundings(environment),
                stdout=out, stderr=out, stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        self.process = process(self._child.pid)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def alive(self) -> bool:
        return self.process.alive

    def wrong(self) -> str:
        """What its health check says; empty when it is ready."""
        with socket.socket() as trial:
            if trial.connect_ex((HERE, self.port)):
                return f"nobody is at {HERE}:{self.port}"
        asked = subprocess.run(
            command_of(self.service.check[1:]), env=surroundings(self.environment),
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return (asked.stdout + asked.stderr).strip() if asked.returncode else ""

    def pause(self) -> None:
        """As a machine that stands still: connections stay open, nothing answers."""
        self.process.tell(signal.SIGSTOP)

    def go_on(self) -> None:
        self.process.tell(signal.SIGCONT)

    def stop(self) -> int:
        """Let it finish what it has in hand; its exit code."""
        end([self.process])
        return self._child.wait()

    def kill(self) -> None:
        self.process.tell(signal.SIGKILL)
        self._child.wait()

    def wait(self) -> int:
        """Until it ends by itself; its exit code, -9 for SIGKILL."""
        return self._child.wait(START_S)

    def await_ready(self) -> None:
        """Raises :class:`ClusterFailed` when it ends, or is not ready in time."""
        said = ""

        def settled() -> bool:
            nonlocal said
            said = self.wrong() if self.alive else "gone"
            return said in ("", "gone")

        if not until(settled, START_S):
            self._fail(f"is not ready after {START_S} s: {said}")
        if said:
            self._fail(f"ended with {self._child.wait()} before it was ready")

    def _fail(self, how: str) -> None:
        raise ClusterFailed(f"{self.name} {how}\n{told_by(self.log)}")


class Cluster:
    """Everything the file describes. ``given`` are variables of the file that differ from
    `.env.example`; ``environment`` is set for each of the hub's processes beside.

    When we are root PostgreSQL runs as somebody else, whom the folders above must let through.
    """

    def __init__(
        self,
        folder: Path,
        given: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
        file: Path = FILE,
    ) -> None:
        self.folder = folder.resolve()
        self.services = read({**example(), **(given or {})}, file)
        self.workers: dict[str, Worker] = {}
        self.kafka: NativeKafka | None = None
        self.postgres: NativePostgres | None = None
        self._beside = environment or {}
        self._sandbox_port, self._web_port = free_ports(2)

    @property
    def url(self) -> str:
        """Where the pages and the API are."""
        return f"http://{HERE}:{self._web_port}"

    def start(self) -> None:
        """Returns when every service is ready. Raises :class:`ClusterFailed`; nothing runs then."""
        (self.folder / "logs").mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o711)
        try:
            self._make_secrets()
            self._start_postgres()
            self._start_kafka()
            for layer in layers(self.services):
                self._start_layer([service for service in layer if service.is_ours])
        except BaseException:
            self.stop()
            raise

    def start_one(
        self, service: str, name: str = "", environment: Mapping[str, str] | None = None
    ) -> Worker:
        """One more process of a service, or the same again if its last has ended. It need not be
        ready when this returns."""
        name = name or service
        before = self.workers.get(name)
        assert before is None or not before.alive, f"{name} is running"
        said = self.services[service]
        told = {**self.environment_of(said), **(environment or {})}
        worker = self.workers[name] = Worker(name, said, told, self._log(name))
        return worker

    def stop(self) -> None:
        """End everything, who sends first and what is sent to last."""
        for layer in self.layers_to_end():
            end([worker.process for worker in layer])
            for worker in layer:
                worker.wait()
        if self.kafka is not None:
            self.kafka.stop()
        if self.postgres is not None:
            self.postgres.stop()
            self.postgres.close()

    def layers_to_end(self) -> list[list[Worker]]:
        """The hub's processes; each list ends together, before the next."""
        known = [
            [worker for worker in self.workers.values() if worker.service in layer]
            for layer in layers(self.services)
        ]
        return [layer for layer in reversed(known) if layer]

    def processes(self) -> list[dict[str, Process]]:
        """Every process by name, in the order to end them."""
        found = [{one.name: one.process for one in layer} for layer in self.layers_to_end()]
        if self.kafka is not None:
            found.append({"kafka": process(self.kafka.pid)})
        if self.postgres is not None:
            # asked by SIGTERM the server would wait for clients that never leave
            found.append({"postgres": process(self.postgres.pid, signal.SIGINT)})
        return found

    def environment_of(self, service: Service) -> dict[str, str]:
        """What the file sets for it, as it is on this machine."""
        places = {"/run/secrets": str(self.folder / "secrets")}
        if self.kafka is not None:
            places["kafka:9092"] = self.kafka.bootstrap
        if self.postgres is not None:
            places["postgres:5432"] = f"{HERE}:{self.postgres.port}"
        said = {name: _placed(value, places) for name, value in service.environment.items()}
        here = {
            "HUB_HOST": HERE,
            "HUB_PORT": str(self._web_port),
            "HUB_PUBLIC_URL": self.url,
            "HUB_SANDBOX_HOST": HERE,
            "HUB_SANDBOX_PORT": str(self._sandbox_port),
            "HUB_WORKER_PORT": str(free_ports(1)[0]),
        }
        said |= {name: value for name, value in here.items() if name in said}
        return {**said, "HUB_DATA_DIR": str(self.folder / "data"), **self._beside}

    def _start_layer(self, ours: list[Service]) -> None:
        for service in ours:
            if service.ends:
                self._run(service)
            else:
                self.start_one(service.name)
        for service in ours:
            if not service.ends:
                self.workers[service.name].await_ready()

    def _run(self, service: Service) -> None:
        """A service that does its work once."""
        log = self._log(service.name)
        with log.open("ab") as out:
            code = subprocess.run(
                command_of(service.command), env=surroundings(self.environment_of(service)),
                stdout=out, stderr=out, stdin=subprocess.DEVNULL, timeout=ONCE_S, check=False,
            ).returncode  # fmt: skip
        if code:
            raise ClusterFailed(f"{service.name} ended with {code}\n{told_by(log)}")

    def _log(self, name: str) -> Path:
        return self.folder / "logs" / f"{name}.log"

    def _make_secrets(self) -> None:
        command = command_of(("secrets", str(self.folder / "secrets")))
        subprocess.run(command, env=surroundings({}), check=True, capture_output=True)

    def _start_postgres(self) -> None:
        service = self.services.get("postgres")
        if service is None:
            return
        settings = dict(said.split("=", 1) for said in service.command if "=" in said)
        made = service.environment["POSTGRES_INITDB_ARGS"].split()
        self.postgres = NativePostgres(self.folder / "postgres", settings=settings, made=made)
        self.postgres.start()
        with suppress(psycopg.errors.DuplicateDatabase):  # what it had it has kept
            self.postgres.create_database(service.environment["POSTGRES_DB"])

    def _start_kafka(self) -> None:
        service = self.services.get("kafka")
        if service is None:
            return
        options = {
            name.removeprefix("KAFKA_").replace("_", ".").lower(): value
            for name, value in service.environment.items()
            if name.startswith("KAFKA_") and not name.endswith(_ELSEWHERE)
        }
        self.kafka = NativeKafka(self.folder / "kafka", options)
        self.kafka.start()


def _placed(value: str, places: Mapping[str, str]) -> str:
    for there, here in places.items():
        value = value.replace(there, here)
    return value


def command_of(arguments: tuple[str, ...]) -> list[str]:
    """``hub ARGUMENTS`` in this Python and of this checkout."""
    return [sys.executable, "-P", "-m", "hub", *arguments]


def surroundings(environment: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with other settings."""
    rest = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
    return {**rest, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **environment}


def told_by(log: Path) -> str:
    """The end of a log, for whoever has to find out."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL:]
    return f"The end of {log}:\n" + "\n".join(f"  {line}" for line in lines)
