"""``make cluster`` and ``make cluster-stop``: a cluster that stays when the command has ended.

What runs is in ``state.json``, by process id and the moment each process was born, so that nothing
else is ever ended in its place. With ``--gateway`` text messages go to node-smpp beside it.
"""

import argparse
import shlex
import sys
from contextlib import ExitStack
from pathlib import Path

import msgspec

from tests.cluster.compose import ROOT
from tests.cluster.day import write_day
from tests.cluster.gateway import StayingGateway
from tests.cluster.native import Cluster, ClusterFailed, lacks
from tests.cluster.native_kafka import KafkaFailed
from tests.cluster.processes import Process, end
from tests.peers import node_smpp
from tests.peers.fetching import PeerFailed

FOLDER = ROOT / "var" / "cluster"
PARTS_LOGS = {"kafka": "kafka/broker.log", "postgres": "postgres/log", "gateway": "gateway/log"}

SENDER = "dispatcher"
"""In the command of who sends."""


class State(msgspec.Struct):
    """``running``: each object of processes ends together, before the next."""

    url: str
    running: list[dict[str, Process]]

    @property
    def alive(self) -> list[str]:
        """The names of those that run."""
        return [name for layer in self.running for name, one in layer.items() if one.alive]


def start(folder: Path, with_gateway: bool = False) -> int:
    """Start it on the data that are in the folder, or on none; the exit code."""
    state = read(folder)
    if state and state.alive:
        print(f"It runs already, at {state.url}/: {', '.join(state.alive)}.")
        tell(folder, state)
        return 0
    if missing := lacks() or (node_smpp.lacks() if with_gateway else None):
        print(f"A cluster cannot be started: {missing}.", file=sys.stderr)
        return 1
    print("Starting Kafka, PostgreSQL and the hub; the first time Kafka is fetched (44 MB).")
    try:
        state = started(folder, with_gateway)
    except (ClusterFailed, KafkaFailed, PeerFailed, RuntimeError) as error:
        print(f"The cluster did not start, and nothing of it runs: {error}", file=sys.stderr)
        return 1
    write_day(folder / "day.jsonl")
    tell(folder, state)
    return 0


def started(folder: Path, with_gateway: bool) -> State:
    """Everything runs, and is written down. Raises what its parts do; nothing runs then."""
    with ExitStack() as undo:
        beside: dict[str, Process] = {}
        if with_gateway:
            gateway = StayingGateway(folder / "gateway")
            undo.callback(gateway.stop)
            beside["gateway"] = gateway.process
            cluster = sending_to(gateway, Cluster(folder, environment=gateway.environment))
        else:
            cluster = Cluster(folder)
        cluster.start()
        undo.callback(cluster.stop)
        layers = [*cluster.processes(), beside] if beside else cluster.processes()
        state = State(cluster.url, layers)
        (folder / "state.json").write_bytes(msgspec.json.encode(state))
        write_environment(folder, cluster)
        undo.pop_all()
    return state


def sending_to(gateway: StayingGateway, cluster: Cluster) -> Cluster:
    """The cluster, whose senders know the password; see `docker-compose.carriers.yml`."""
    for name, one in cluster.services.items():
        if SENDER in one.command:
            told = {**one.environment, **gateway.secrets}
            cluster.services[name] = one._replace(environment=told)
    return cluster


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


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.cluster")
    parser.add_argument("do", choices=("start", "stop"))
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    parser.add_argument("--gateway", action="store_true", help="text messages go to node-smpp")
    chosen = parser.parse_args()
    return stop(chosen.folder) if chosen.do == "stop" else start(chosen.folder, chosen.gateway)


if __name__ == "__main__":
    sys.exit(main())
