"""``make cluster`` and ``make cluster-stop``: a cluster that stays when the command has ended.

What runs is in ``state.json``, by process id and the moment each process was born, so that nothing
else is ever ended in its place.
"""

import shlex
import sys
from pathlib import Path

import msgspec

from tests.cluster.compose import ROOT
from tests.cluster.day import write_day
from tests.cluster.native import Cluster, ClusterFailed, lacks
from tests.cluster.native_kafka import KafkaFailed
from tests.cluster.processes import Process, end

FOLDER = ROOT / "var" / "cluster"
PARTS_LOGS = {"kafka": "kafka/broker.log", "postgres": "postgres/log"}


class State(msgspec.Struct):
    """``running``: each object of processes ends together, before the next."""

    url: str
    running: list[dict[str, Process]]

    @property
    def alive(self) -> list[str]:
        """The names of those that run."""
        return [name for layer in self.running for name, one in layer.items() if one.alive]


def start(folder: Path) -> int:
    """Start it on the data that are in the folder, or on none; the exit code."""
    state = read(folder)
    if state and state.alive:
        print(f"It runs already, at {state.url}/: {', '.join(state.alive)}.")
        tell(folder, state)
        return 0
    if missing := lacks():
        print(f"A cluster cannot be started: {missing}.", file=sys.stderr)
        return 1
    print("Starting Kafka, PostgreSQL and the hub; the first time Kafka is fetched (44 MB).")
    cluster = Cluster(folder)
    try:
        cluster.start()
    except (ClusterFailed, KafkaFailed, RuntimeError) as error:
        print(f"The cluster did not start, and nothing of it runs: {error}", file=sys.stderr)
        return 1
    state = State(cluster.url, cluster.processes())
    (folder / "state.json").write_bytes(msgspec.json.encode(state))
    write_environment(folder, cluster)
    write_day(folder / "day.jsonl")
    tell(folder, state)
    return 0


def stop(folder: Path) -> int:
    """End what runs, in order; the exit code."""
    state = read(folder)
    if state is None or not state.alive:
        print("No cluster runs here.")
        return 0
    print(f"Ending {', '.join(state.alive)}.")
    for layer in state.running:
        end(list(layer.values()))
    (folder / "state.json").unlink()
    print(f"Ended. Its data stay in {shown(folder)}.")
    return 0


def read(folder: Path) -> State | None:
    try:
        return msgspec.json.decode((folder / "state.json").read_bytes(), type=State)
    except FileNotFoundError:
        return None


def write_environment(folder: Path, cluster: Cluster) -> None:
    """Lines for a shell: a command of the hub then works on the cluster as its workers do."""
    said = cluster.environment_of(cluster.services["web"])
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in said.items()]
    (folder / "environment").write_text("".join(lines), encoding="utf-8")


def tell(folder: Path, state: State) -> None:
    """Where it is, how to use it, how to end it."""
    where = shown(folder)
    print(f"\nFenghuo is at {state.url}/\n")
    for layer in state.running:
        for name, one in layer.items():
            log = PARTS_LOGS.get(name, f"logs/{name}.log")
            print(f"  {name:<12}{one.pid if one.alive else 'ended':>8}  {where}/{log}")
    print(f"\nSend it a sample day, and ask what became of it:\n\n  . {where}/environment")
    print(f"  .venv/bin/hub publish {where}/day.jsonl\n  .venv/bin/hub report")
    print("\nEnd it:\n\n  make cluster-stop")


def shown(folder: Path) -> str:
    return str(folder.relative_to(ROOT) if folder.is_relative_to(ROOT) else folder)


if __name__ == "__main__":
    do = {"start": start, "stop": stop}[sys.argv[1]]
    sys.exit(do(Path(sys.argv[2]) if sys.argv[2:] else FOLDER))
