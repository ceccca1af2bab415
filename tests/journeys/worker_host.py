"""Commands of the hub as processes of their own, forked from one that has imported everything.

Starting Python and importing the hub takes two seconds of a processor, which four workers for each
of forty journeys would pay again and again. What is forked is as real as what is started.
"""

import multiprocessing
import os
from collections.abc import Mapping, Sequence
from itertools import count
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import uvloop  # noqa: F401

# so that every child has them: commands import what they work with when they run
import hub.clock
import hub.workers  # noqa: F401
from hub.__main__ import app
from hub.settings import PREFIX
from streams import kafka_bed, slices

SOON_S = 0.05
"""Kafka is told so soon what was served: whoever lets time pass waits for that. Production tells
it once a second, and a worker that ends waits as long for its last fetch."""

END_S = 60
"""Many times what it takes: the machine may be building something else."""


class Working:
    """Processes that run together. Each has a log."""

    def __init__(self, processes: Mapping[Path, ForkServerProcess]) -> None:
        self._processes = processes

    def check(self) -> None:
        """That all of them run."""
        for log, process in self._processes.items():
            assert process.is_alive(), f"{process.name} has ended: {log.read_text()}"

    def end(self) -> None:
        """Ask them all to end, and wait until they have; who does not is killed."""
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            process.join(END_S)
            process.kill()
            process.join()

    def wait(self) -> None:
        """Until they have ended by themselves."""
        for process in self._processes.values():
            process.join(END_S)

    def ended_well(self) -> None:
        """That each did all it had to."""
        for log, process in self._processes.items():
            code = process.exitcode
            assert code == 0, f"{process.name} ended with {code}: {log.read_text()}"


class Host:
    """Where processes are forked from; what they say goes into the folder ``logs``."""

    def __init__(self, logs: Path) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([__name__])
        self._logs = logs
        self._logs.mkdir(parents=True)
        self._numbers = count(1)

    def start(self, commands: Sequence[Sequence[str]], settings: Mapping[str, str]) -> Working:
        """``hub COMMAND`` for each of them, with these settings."""
        started = {}
        for command in commands:
            name = " ".join(command)
            log = self._logs / f"{next(self._numbers)} {name}"
            process = self._context.Process(
                target=_be, args=(command, settings, log), name=name, daemon=True
            )
            process.start()
            started[log] = process
        return Working(started)

    def run(self, command: Sequence[str], settings: Mapping[str, str]) -> None:
        """One that ends by itself."""
        working = self.start([command], settings)
        working.wait()
        working.ended_well()


def _be(command: Sequence[str], settings: Mapping[str, str], log: Path) -> None:
    with log.open("ab") as out:
        for stream in (1, 2):
            os.dup2(out.fileno(), stream)
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        del os.environ[name]
    os.environ.update(settings)
    kafka_bed.COMMIT_INTERVAL_S = SOON_S
    slices.POLL_MS = int(SOON_S * 1000)
    app(list(command), standalone_mode=False)
