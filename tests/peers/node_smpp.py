"""node-smpp as a carrier's gateway: fetched once for a checkout, run as a process of its own.

    gateway = NodeGateway(ledger)
    gateway.start()                 # listens when this returns
    gateway.tell("throttle", ms=2_000)
    gateway.taken()                 # parts it took, in order
    gateway.stop()

The library is somebody else's (npm ``smpp``); what goes wrong, and when, is `gateway.js`.
"""

import json
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.peers.fetching import PeerFailed, fetched

VERSION = "0.5.1"
SCRIPT = Path(__file__).with_name("gateway.js")

STOP_S = 5


def lacks() -> str | None:
    """What this machine needs before the peer can run; None when nothing."""
    for tool in ("node", "npm"):
        if shutil.which(tool) is None:
            return f"no {tool} (apt-get install nodejs npm)"
    return None


def install() -> Path:
    """Where node finds the library."""
    command = ["npm", "install", "--no-save", "--no-package-lock", "--no-audit", "--no-fund"]
    return fetched(f"smpp-{VERSION}", [*command, f"smpp@{VERSION}"]) / "node_modules"


class NodeGateway:
    """The process. ``options`` are those at the head of `gateway.js`; a restart keeps the port."""

    def __init__(self, ledger: Path, **options: Any) -> None:
        self.ledger = ledger
        self.port = 0
        self._options = options
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        options = {**self._options, "ledger": str(self.ledger), "port": self.port}
        self._process = subprocess.Popen(
            ["node", str(SCRIPT), json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={"NODE_PATH": str(install()), "PATH": _path(), "TZ": "UTC-8"},
        )
        line = self._read()
        self.port = line["port"]

    def tell(self, command: str, **arguments: Any) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": command, **arguments}) + "\n")
        self._process.stdin.flush()

    def counts(self) -> Mapping[str, int]:
        """How many binds and submits came, and what is owed."""
        self.tell("tell")
        return self._read()

    def taken(self) -> list[dict[str, Any]]:
        """Every part it took, in order; also after its death."""
        if not self.ledger.exists():
            return []
        lines = self.ledger.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]

    @property
    def cpu_s(self) -> float:
        """Processor time it has used."""
        assert self._process is not None
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / 100

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

    stop = kill

    def _read(self) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise PeerFailed("the gateway ended")
        read: dict[str, Any] = json.loads(line)
        return read


def _path() -> str:
    return str(Path(shutil.which("node") or "node").parent)
