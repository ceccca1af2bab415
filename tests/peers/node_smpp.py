"""node-smpp as a carrier's gateway: fetched once for a checkout, run as a process of its own.

    gateway = NodeGateway(ledger)
    gateway.start()                 # listens when this returns
    gateway.tell("throttle", ms=2_000)
    gateway.taken()                 # parts it took, in order
    gateway.kill()

The library is somebody else's (npm ``smpp``); what goes wrong, and when, is `gateway.js`.
"""

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.peers.fetching import fetched
from tests.peers.gateway import Gateway

VERSION = "0.5.1"
SCRIPT = Path(__file__).with_name("gateway.js")

LANE = """
[[lane]]
name = "{name}"
channel = "sms"
provider = "smpp"
rate_per_s = {rate}

[lane.smpp]
host = "127.0.0.1"
port = {port}
system_id = "fenghuo"
password_env = "GATEWAY_PASSWORD"
binds = 2
answered_id = "hex"
reported_id = "decimal"
"""
"""Of a lanes file: a lane to this gateway."""


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


def environment() -> dict[str, str]:
    """Of a process that runs :data:`SCRIPT`; what it lacks is fetched."""
    path = str(Path(shutil.which("node") or "node").parent)
    return {"NODE_PATH": str(install()), "PATH": path, "TZ": "UTC-8"}


class NodeGateway(Gateway):
    """The process. ``options`` are those at the head of `gateway.js`; a restart keeps the port."""

    def __init__(self, ledger: Path, **options: Any) -> None:
        super().__init__()
        self.ledger = ledger
        self.port = 0
        self._options = options

    def start(self) -> None:
        options = {**self._options, "ledger": str(self.ledger), "port": self.port}
        self._process = subprocess.Popen(
            ["node", str(SCRIPT), json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        line = self._read()
        self.port = line["port"]

    def tell(self, command: str, **arguments: Any) -> None:
        self._write(json.dumps({"do": command, **arguments}))

    def counts(self) -> Mapping[str, int]:
        """How many binds and submits came, and what is owed."""
        self.tell("tell")
        return self._read()
