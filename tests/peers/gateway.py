"""A carrier's gateway as a process of its own: it takes commands on its input, answers in lines of
JSON, and writes down what it took in a ledger."""

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

from tests.peers.fetching import PeerFailed

STOP_S = 5

INBOX = """
[[lane]]
name = "inbox"
channel = "inbox"
provider = "inbox"
rate_per_s = 5000
"""
"""Of a lanes file: what every hub has beside its carriers."""


class Gateway:
    """What every such process can; subclasses begin it and say how it is told."""

    ledger: Path

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def taken(self) -> list[dict[str, Any]]:
        """Every part it took, in order; also after its death."""
        return [line for line in self._lines() if "refused" not in line]

    def submits(self) -> list[tuple[int, bool]]:
        """When each part came, in Unix ms, and whether it was taken."""
        return [(line["at"], "refused" not in line) for line in self._lines()]

    def _lines(self) -> list[dict[str, Any]]:
        if not self.ledger.exists():
            return []
        return [json.loads(line) for line in self.ledger.read_bytes().splitlines()]

    def tell(self, command: str, **arguments: Any) -> Any:
        """One command."""
        raise NotImplementedError

    @property
    def cpu_s(self) -> float:
        """Processor time it has used."""
        assert self._process is not None
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def pause(self) -> None:
        """Fall silent, with all links up."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait(STOP_S)
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()

    def _write(self, line: str) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def _read(self) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise PeerFailed("the gateway ended")
        read: dict[str, Any] = json.loads(line)
        return read
