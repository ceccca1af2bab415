"""Lanes by carriers' own protocols, each to a gateway that somebody else wrote."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from tests.demonstration.lane import DemoLane, Taken, document
from tests.peers import jsmpp, node_smpp, sms_core
from tests.peers.jsmpp import PASSWORD, SYSTEM_ID, Jsmpp
from tests.peers.node_smpp import NodeGateway
from tests.peers.sms_core import CmppGateway

ANSWER_MS = 60_000
"""A peer that is slow because the machine is busy has not lost an answer."""


class SmppA(DemoLane):
    """Two binds to node-smpp."""

    name = "sms-smpp-a"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._gateway = NodeGateway(self.folder / "ledger.jsonl", receiptIds="decimal")

    def lacks(self) -> str | None:
        return node_smpp.lacks()

    def start(self, clock: Path, door: str) -> None:
        self._gateway.start()

    def toml(self) -> str:
        return f"""
[[lane]]
name = "{self.name}"
channel = "sms"
provider = "carrier-a"
protocol = "smpp"
carriers = ["cmcc"]
rate_per_s = 500

[lane.smpp]
host = "127.0.0.1"
port = {self._gateway.port}
system_id = "fenghuo"
password_env = "DEMO_A_PASSWORD"
binds = 2
window = 64
answered_id = "hex"
reported_id = "decimal"
answer_ms = {ANSWER_MS}
"""

    def environment(self) -> Mapping[str, str]:
        return {"DEMO_A_PASSWORD": "secret"}

    def person(self, n: int) -> Mapping[str, Any]:
        return {"phones": [f"13800{n:06d}"]}  # the two digits after the first five: no fault

    def taken(self) -> Taken:
        """Of every message one part is the first."""
        parts = [entry["part"] for entry in self._gateway.taken()]
        return Taken(parts.count(1), len(parts))

    def stop(self) -> None:
        self._gateway.kill()


class SmppOnJsmppB(DemoLane):
    """jSMPP's simulator. It counts submits and knows no parts, so it is told what has one."""

    name = "sms-smpp-b"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._simulator = Jsmpp(self.folder)

    def lacks(self) -> str | None:
        return jsmpp.lacks()

    def start(self, clock: Path, door: str) -> None:
        self._simulator.start()

    def toml(self) -> str:
        return f"""
[[lane]]
name = "{self.name}"
channel = "sms"
provider = "carrier-b"
protocol = "smpp"
carriers = ["cucc"]
rate_per_s = 400

[lane.smpp]
host = "127.0.0.1"
port = {self._simulator.port}
system_id = "{SYSTEM_ID}"
password_env = "DEMO_B_PASSWORD"
window = 16
answered_id = "hex"
reported_id = "decimal"
answer_ms = {ANSWER_MS}
"""

    def environment(self) -> Mapping[str, str]:
        return {"DEMO_B_PASSWORD": PASSWORD}

    def person(self, n: int) -> Mapping[str, Any]:
        return {"phones": [f"13000{n:06d}"]}

    def case(self, n: int) -> tuple[str, Mapping[str, Any]]:
        return document(n)

    def taken(self) -> Taken:
        return Taken(self._simulator.taken())

    def stop(self) -> None:
        self._simulator.stop()


class _Cmpp(DemoLane):
    """SMSGate, in one version of the protocol."""

    protocol: ClassVar[str]
    carrier: ClassVar[str]
    prefix: ClassVar[str]

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._gateway = CmppGateway()

    def lacks(self) -> str | None:
        return sms_core.lacks()

    def start(self, clock: Path, door: str) -> None:
        self._gateway.begin(self.folder / "ledger.jsonl")

    def toml(self) -> str:
        return f"""
[[lane]]
name = "{self.name}"
channel = "sms"
provider = "carrier-{self.name[-1]}"
protocol = "{self.protocol}"
carriers = ["{self.carrier}"]
rate_per_s = 250

[lane.cmpp]
host = "127.0.0.1"
port = {self._gateway.ports[self.protocol]}
source_addr = "901783"
password_env = "DEMO_CMPP_PASSWORD"
window = 64
answer_ms = {ANSWER_MS}
"""

    def environment(self) -> Mapping[str, str]:
        return {"DEMO_CMPP_PASSWORD": "secret"}

    def person(self, n: int) -> Mapping[str, Any]:
        return {"phones": [f"{self.prefix}{n:06d}"]}

    def taken(self) -> Taken:
        """The library puts the parts of a message together: it counts those that are whole."""
        entries = self._gateway.taken()
        return Taken(sum("whole" in entry for entry in entries), len(entries))

    def stop(self) -> None:
        self._gateway.kill()


class Cmpp2C(_Cmpp):
    name = "sms-cmpp2-c"
    protocol, carrier, prefix = "cmpp2", "ctcc", "18900"


class Cmpp3D(_Cmpp):
    name = "sms-cmpp3-d"
    protocol, carrier, prefix = "cmpp3", "cbn", "19200"
