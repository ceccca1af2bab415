"""The cluster that is measured: what `docker-compose.yml` describes, started natively.

    with opened(partitions=4) as bed:
        bed.load(1_000_000)
        before = bed.readings()
        …

Its clock starts at 10:00, its lanes have rates far above what one machine does, and the sandbox
carrier meets ordinary trouble. Everything else is as the file says. By ``smpp`` text messages go to
`bench.cluster.gateway`, where none does; the sandbox is left what is no text.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal

import msgspec
from kafka import KafkaAdminClient
from sqlalchemy import text

from bench.cluster import accounts
from bench.cluster.gateway import ENVIRONMENT, Gateway
from bench.cluster.upstream import Orders, Sent
from bench.world import FAULTS, INBOX, LANES, START_MS, VOICE, save_recipients
from hub.bootstrap import open_vault
from hub.clock import Rehearsal
from hub.health import ask
from hub.settings import Settings, load
from streams.journal.postgres import PostgresStore
from streams.journal.postgres_partitions import ensure_partitions
from streams.kafka_lag import GROUPS, Lag
from tests.cluster.native import HERE, START_S, Cluster, lacks, surroundings, told_by
from tests.cluster.processes import until

Carrier = Literal["sandbox", "smpp"]
"""Who carries text messages."""

SANDBOX = "sandbox"
GATEWAY = "gateway"
CARRIERS = (SANDBOX, GATEWAY)
"""The processes that are no part of the hub: what they spend is told apart."""

NEVER_MOVED_S = 60.0
"""The clock only begins at another hour. Who looked for more fifty times a second would cost a
hundredth of a core for each process."""

POLL_S = 0.5
TOLD_S = 5.0
"""How often whoever watches is told."""

STILL_S = 5.0
"""Receipts come a second after their message; when nothing came for so long, nothing will."""


class Bed:
    """The cluster while it runs."""

    def __init__(self, cluster: Cluster, clock: Path, gateway: Gateway | None) -> None:
        self.cluster = cluster
        self.gateway = gateway
        self.clock_file = clock
        self.clock = Rehearsal(clock)
        self.settings = _settings(cluster)
        self.store = PostgresStore(self.settings.database_url())
        self.vault = open_vault(self.settings)
        self.lag = Lag(self.settings.kafka)
        self.workers = [
            name for name, one in cluster.services.items() if one.command[:1] == ("worker",)
        ]
        self.recipients = 0
        self.numbered = 0
        """Events that were brought so far: the next has this number."""
        self._sampled: dict[str, subprocess.Popen[bytes]] = {}
        with self.store.transaction() as connection:
            ensure_partitions(connection, START_MS)  # the clock may show another month than ours

    def close(self) -> None:
        for process in self._sampled.values():
            process.terminate()
            process.wait()
        self.lag.close()
        self.store.close()

    # what it runs

    def pids(self) -> dict[str, int]:
        """Its processes; the server's is its first."""
        kafka, postgres = self.cluster.kafka, self.cluster.postgres
        assert kafka is not None
        assert postgres is not None
        ours = {name: one.pid for name, one in self.cluster.workers.items() if one.alive}
        sampled = {name: one.pid for name, one in self._sampled.items() if one.poll() is None}
        if self.gateway is not None:
            ours[GATEWAY] = self.gateway.pid
        return {**ours, **sampled, "kafka": kafka.pid, "postgres": postgres.pid}

    def look_after(self) -> None:
        """Raises RuntimeError when a worker has ended: what follows would measure nothing."""
        alive = self.pids()
        if gone := [name for name in self.workers if name not in alive]:
            logs = "\n".join(told_by(self.cluster.folder / "logs" / f"{x}.log") for x in gone)
            raise RuntimeError(f"{', '.join(gone)} ended\n{logs}")

    def readings(self) -> dict[str, int]:
        """CPU so far, in µs, by process."""
        return {
            name: accounts.family_us(pid) if name == "postgres" else accounts.process_us(pid)
            for name, pid in self.pids().items()
        }

    def memory_mb(self) -> dict[str, float]:
        """The most that was ever resident, by process; of the server, what is now."""
        return {
            name: accounts.shared_mb(pid) if name == "postgres" else accounts.peak_mb(pid)
            for name, pid in self.pids().items()
        }

    @contextmanager
    def without(self, kind: str = "") -> Iterator[None]:
        """Whoever does this work, or all workers, finish what they have in hand and end; what comes
        meanwhile waits."""
        services = self.cluster.services
        names = [name for name in self.workers if not kind or kind in services[name].command]
        for name in names:
            self.cluster.workers[name].stop()
        yield
        for name in names:
            self.cluster.start_one(name)
        for name in names:
            self.cluster.workers[name].await_ready()
        self.await_groups()

    def await_groups(self) -> None:
        """Until the workers have partitions: ready is who answers."""
        admin = KafkaAdminClient(bootstrap_servers=self.settings.kafka)
        try:
            if not until(lambda: _settled(admin), START_S):
                raise RuntimeError("the workers' groups do not settle")
        finally:
            admin.close()

    @contextmanager
    def sampled(self) -> Iterator[dict[str, Path]]:
        """The same workers under a sampler; where each keeps its table."""
        tables = {name: self.cluster.folder / f"{name}.lines.json" for name in self.workers}
        with self.without():
            ports = {name: self._start_sampled(name, table) for name, table in tables.items()}
            if not until(lambda: _ready(ports, tables), START_S):
                raise RuntimeError("the sampled workers do not get ready: see their logs")
            self.await_groups()
            yield tables
            for name in self.workers:
                process = self._sampled.pop(name)
                process.terminate()
                if process.wait():
                    raise RuntimeError(f"the sampled {name} ended with {process.returncode}")

    def _start_sampled(self, name: str, table: Path) -> int:
        """One of them; the port where it says how it is."""
        service = self.cluster.services[name]
        environment, kinds = self.cluster.environment_of(service), service.command[1:]
        with (self.cluster.folder / "logs" / f"{name}.log").open("ab") as log:
            self._sampled[name] = subprocess.Popen(
                [sys.executable, "-P", "-m", "bench.cluster.worker", str(table), *kinds],
                env=surroundings(environment), stdout=log, stderr=log,
                stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        return int(environment["HUB_WORKER_PORT"])

    # what it holds

    def load(self, count: int) -> float:
        """Register everybody that is not yet; how many seconds that took."""
        start_s = time.monotonic()
        told_s = start_s
        for done in save_recipients(self.store, self.vault, self.recipients, count):
            self.recipients = done
            if time.monotonic() - told_s > TOLD_S:
                told_s = time.monotonic()
                say(f"  {done:,} of {count:,} recipients")
        seconds = time.monotonic() - start_s
        self.tidy()
        return seconds

    def tidy(self) -> None:
        """Have the server do now what it would have done during the next measure, on account of
        what was loaded before it."""
        self.execute("VACUUM ANALYZE", "CHECKPOINT")

    def execute(self, *statements: str) -> None:
        with self.store.engine.connect() as connection:
            plain = connection.execution_options(isolation_level="AUTOCOMMIT")
            for statement in statements:
                plain.exec_driver_sql(statement)

    def rows(self, sql: str, **values: object) -> list[Any]:
        with self.store.readers.connect() as connection:
            return list(connection.execute(text(sql), values))

    def waiting(self) -> int:
        """Records that wait on topics."""
        return sum(count for count, _ in self.lag.waiting().values())

    def head(self) -> int:
        return self.store.head()

    def stands(self) -> dict[str, int]:
        """Legs by category, as the projection has them."""
        found = self.rows("SELECT category, sum(count) FROM standing GROUP BY category")
        return {category: int(count) for category, count in found}

    def projected(self) -> int:
        """Up to where every projection has followed."""
        return int(self.rows("SELECT min(pos) FROM projection_checkpoint")[0][0])

    def disk(self) -> dict[str, int]:
        """Bytes of the database, of what was ever written to its log, and of Kafka's."""
        sql = "SELECT pg_database_size(current_database()), pg_current_wal_lsn() - '0/0'::pg_lsn"
        database, log = self.rows(sql)[0]
        kafka = accounts.on_disk(self.cluster.folder / "kafka" / "data")
        return {"database": int(database), "wal": int(log), "kafka": kafka}

    # who brings

    @contextmanager
    def upstream(self, **orders: Any) -> Iterator["Upstream"]:
        """An upstream system that is ready, and numbers its events on from the last one's."""
        told = Orders(
            brokers=self.settings.kafka,
            clock=str(self.clock_file),
            first=self.numbered,
            recipients=self.recipients,
            **orders,
        )
        self.numbered += told.count
        upstream = Upstream(told)
        try:
            yield upstream
        finally:
            upstream.end()


class Upstream:
    """An upstream system's process."""

    def __init__(self, orders: Orders) -> None:
        command = [sys.executable, "-P", "-m", "bench.cluster.upstream"]
        self._process = subprocess.Popen(
            [*command, msgspec.json.encode(orders).decode()], env=surroundings({}), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "ready\n":
            raise RuntimeError("the upstream system did not start")

    def go(self) -> None:
        """Have it send."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    @property
    def busy(self) -> bool:
        return self._process.poll() is None

    def sent(self) -> Sent:
        """What it did; waits for its end."""
        assert self._process.stdout is not None
        told = msgspec.json.decode(self._process.stdout.read(), type=Sent)
        self._process.wait()
        return told

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()


@contextmanager
def opened(
    partitions: int, folder: Path | None = None, carrier: Carrier = SANDBOX
) -> Iterator[Bed]:
    """A cluster in a folder of its own (in ``folder``, where there is room), gone afterwards."""
    if missing := lacks():
        raise SystemExit(f"A cluster cannot be started: {missing}.")
    with ExitStack() as stack:
        made = tempfile.TemporaryDirectory(prefix="fenghuo-bench-", dir=folder)
        place = Path(stack.enter_context(made))
        clock, lanes = place / "clock", place / "lanes.toml"
        Rehearsal.set(clock, START_MS, 1.0, look_s=NEVER_MOVED_S)
        smpp = stack.enter_context(Gateway()) if carrier == "smpp" else None
        sms = (
            smpp.lane(network) if smpp else LANES.format(carrier=network)
            for network in ("cmcc", "cucc", "ctcc", "cbn")
        )  # fmt: skip
        lanes.write_text("".join(sms) + VOICE + INBOX)
        cluster = Cluster(
            place,
            {"HUB_PARTITIONS": str(partitions)},
            {**ENVIRONMENT, "HUB_CLOCK": str(clock), "HUB_LANES": str(lanes)},
        )
        sandbox = cluster.services[SANDBOX]
        trouble = ("--faults", msgspec.json.encode(FAULTS).decode())
        cluster.services[SANDBOX] = sandbox._replace(command=(*sandbox.command, *trouble))
        say("starting Kafka, PostgreSQL and the hub")
        cluster.start()
        stack.callback(cluster.stop)
        bed = Bed(cluster, clock, smpp)
        stack.callback(bed.close)
        yield bed


def _ready(ports: Mapping[str, int], tables: Mapping[str, Path]) -> bool:
    return all(tables[name].exists() and not ask(HERE, port) for name, port in ports.items())


def _settled(admin: KafkaAdminClient) -> bool:
    groups = admin.describe_groups(list(GROUPS)).values()
    return all(group["group_state"] == "Stable" for group in groups)


def _settings(cluster: Cluster) -> Settings:
    said = cluster.environment_of(cluster.services["timer"])
    return load({name: value for name, value in said.items() if name.startswith("HUB_")})


def say(sentence: str) -> None:
    print(sentence, flush=True)


def shown(parts: Mapping[str, float]) -> str:
    """Figures on one line, the largest first."""
    return ", ".join(f"{name} {value:,.1f}" for name, value in sorted(parts.items(), key=_size))


def _size(part: tuple[str, float]) -> float:
    return -part[1]
