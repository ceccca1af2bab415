"""The carriers' gateway when the cluster is measured over SMPP: `bench.smpp_peer` in a process of
its own, which takes every text and reports it delivered.

    with Gateway() as gateway:
        gateway.lane("cmcc")            # for the lanes file
        gateway.counts().taken
"""

import subprocess
import sys
from types import TracebackType
from typing import Self

import msgspec

from bench.smpp_peer import Counts
from bench.world import LANES
from tests.cluster.gateway import PASSWORD, over_smpp
from tests.cluster.native import surroundings

ENVIRONMENT = {"GATEWAY_PASSWORD": PASSWORD}

STOP_S = 10


class Gateway:
    """The process, as long as the context lasts."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "bench.smpp_peer"], env=surroundings({}), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        self.port = int(self._read())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(STOP_S)
        self._process.stdout.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    def lane(self, carrier: str) -> str:
        """A lane of the lanes file that goes this way, otherwise like the sandbox's."""
        return over_smpp(LANES.format(carrier=carrier), self.port)

    def counts(self) -> Counts:
        """What it counts itself."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return msgspec.json.decode(self._read(), type=Counts)

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()
