"""A carrier's gateway beside a cluster that stays: node-smpp, by which every text message goes.

It ends when its input does (`tests/peers/gateway.js`). Here that is a pipe with a name, which it
holds open at both ends itself; so it lives until it is ended by its id, and a shell can command it:

    echo '{"do": "throttle", "ms": 5000}' > var/cluster/gateway/commands
"""

import json
import os
import socket
import subprocess
import time
from pathlib import Path

from channels.lanes import DEFAULT_LANES
from tests.cluster.native_kafka import free_ports
from tests.cluster.processes import end, process, until
from tests.peers import node_smpp
from tests.peers.fetching import PeerFailed

ACCOUNT = """
[lane.smpp]
host = "127.0.0.1"
port = {port}
system_id = "fenghuo"
password_env = "GATEWAY_PASSWORD"
binds = 2
window = 32
answered_id = "hex"
reported_id = "hex"

"""
"""As a contract would have it: two binds for each lane, and a usual window on each."""

PASSWORD = "secret"

RECEIPT_MS = 1_000
START_S = 30


def over_smpp(lanes: str, port: int) -> str:
    """The tables of a lanes file, with text messages going to the gateway at this port."""
    tables = lanes.split("[[lane]]")[1:]
    return "".join("[[lane]]" + (_over_smpp(x, port) if _is_sms(x) else x) for x in tables)


class StayingGateway:
    """The process, from when it is made. It treats every number well: what goes wrong is
    commanded. Raises :class:`PeerFailed` when it does not listen in time.

    ``folder`` has its commands, its ledger, its log, the lanes file and the password.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        [self.port] = free_ports(1)
        self._folder = folder
        self._child = self._begin()
        self.process = process(self._child.pid)
        if not until(self._settled, START_S) or not self.process.alive:
            self.stop()
            raise PeerFailed(f"the gateway does not listen: see {folder / 'log'}")
        lanes = DEFAULT_LANES.read_text(encoding="utf-8")
        (folder / "lanes.toml").write_text(over_smpp(lanes, self.port), encoding="utf-8")
        (folder / "password").write_text(PASSWORD)
        (folder / "password").chmod(0o600)

    @property
    def environment(self) -> dict[str, str]:
        """For whoever reads lanes."""
        return {"HUB_LANES": str(self._folder / "lanes.toml")}

    @property
    def secrets(self) -> dict[str, str]:
        """For whoever sends."""
        return {"GATEWAY_PASSWORD_FILE": str(self._folder / "password")}

    def stop(self) -> None:
        end([self.process])
        self._child.wait()

    def _begin(self) -> subprocess.Popen[bytes]:
        commands = self._folder / "commands"
        commands.unlink(missing_ok=True)
        os.mkfifo(commands, 0o600)
        options = {
            "port": self.port,
            "ledger": str(self._folder / "ledger.jsonl"),
            "password": PASSWORD,
            "receiptMs": RECEIPT_MS,
            "faults": False,
            # the hub remembers the ids of earlier days
            "firstId": int(time.time() * 1000),
        }
        held = os.open(commands, os.O_RDWR)
        try:
            with (self._folder / "log").open("ab") as log:
                return subprocess.Popen(
                    ["node", str(node_smpp.SCRIPT), json.dumps(options)],
                    env=node_smpp.environment(), stdin=held, stdout=log, stderr=log,
                    start_new_session=True,
                )  # fmt: skip
        finally:
            os.close(held)

    def _settled(self) -> bool:
        with socket.socket() as trial:
            listens = trial.connect_ex(("127.0.0.1", self.port)) == 0
        return listens or not self.process.alive


def _is_sms(table: str) -> bool:
    return 'channel = "sms"' in table


def _over_smpp(table: str, port: int) -> str:
    provided = table.replace('provider = "sandbox"', 'provider = "smpp"')
    return f"{provided.rstrip()}\n{ACCOUNT.format(port=port)}"
