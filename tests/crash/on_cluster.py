"""The hub on Kafka and PostgreSQL, as a test directs it: one of its workers dies."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hub.failpoints import POINTS
from hub.health import ask
from streams.journal.postgres import PostgresStore
from streams.upstream_client import UpstreamClient
from tests.cluster.native import HERE, START_S, Cluster, Worker, told_by
from tests.cluster.processes import until
from tests.crash.rehearsal import Director
from tests.crash.upstream import AMPLE, FAULTS, Reported, lanes

SESSION_MS = 3_000
"""A killed worker's partitions wait so long for their next owner."""

PARTITIONS = 2
LEDGER = "ledger.jsonl"

WHO: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(POINTS, ("router",)),
    **{
        point: ("dispatcher",)
        for point in POINTS
        if "intent" in point or "outcome" in point or "call" in point or "receipt" in point
    },
    "after_poll": ("router", "dispatcher"),
    "after_input_ack": ("router", "dispatcher"),
    "timer_after_claim": ("timer",),
    "projection_mid_batch": ("timer",),
}
"""Which kinds of workers pass a point."""


class OnCluster:
    """A cluster and who reports to it. ``dies`` is the kind of worker that a start is about."""

    def __init__(self, cluster: Cluster, director: Director) -> None:
        self.cluster = cluster
        self.director = director
        self.ledger = cluster.folder / LEDGER
        self.dies = "router"
        assert cluster.kafka is not None
        assert cluster.postgres is not None
        self.store = PostgresStore(cluster.postgres.url_of("fenghuo"))
        self._client = UpstreamClient(cluster.kafka.bootstrap)

    def close(self) -> None:
        self._client.close()
        self.store.close()

    def start(self, failpoint: str = "") -> None:
        """Returns when the worker is ready."""
        told = {"HUB_FAILPOINT": failpoint} if failpoint else {}
        if self.worker.alive:
            self.worker.stop()
        await_ready(self.cluster.start_one(self.dies, environment=told))

    def bring(self, events: Sequence[Reported]) -> bool:
        """The brokers acknowledge, whoever of the hub may live."""
        for waiting in [self._client.send(one.raw) for one in events]:
            waiting.result()
        return True

    @property
    def worker(self) -> Worker:
        return self.cluster.workers[self.dies]

    @property
    def died(self) -> int | None:
        return None if self.worker.alive else self.worker.wait()

    @property
    def log(self) -> str:
        return self.worker.log.read_text()


@contextmanager
def running(folder: Path, rate: int = AMPLE) -> Iterator[OnCluster]:
    """A cluster with all of its workers, and carriers who take so many messages a second."""
    clock, contracts = folder / "clock", folder / "lanes.toml"
    director = Director(clock)  # before the first worker asks what time it is
    contracts.write_text(lanes(rate), encoding="utf-8")
    cluster = Cluster(
        folder,
        {"HUB_PARTITIONS": str(PARTITIONS)},
        {"HUB_CLOCK": str(clock), "HUB_LANES": str(contracts), "HUB_SESSION_MS": str(SESSION_MS)},
    )
    sandbox = cluster.services["sandbox"]
    rough = ("sandbox", "--ledger", str(cluster.folder / LEDGER), "--faults", FAULTS)
    cluster.services["sandbox"] = sandbox._replace(command=rough)
    cluster.start()
    try:
        hub = OnCluster(cluster, director)
        yield hub
        hub.close()
    finally:
        cluster.stop()


def await_ready(worker: Worker) -> None:
    until(lambda: not worker.alive or not ask(HERE, worker.port), START_S)
    assert ask(HERE, worker.port) == [], told_by(worker.log)
