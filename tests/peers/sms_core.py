"""SMSGate as a carrier's CMPP gateway: fetched and compiled once for a checkout, run as a process.

    gateway = CmppGateway()
    gateway.begin(ledger)           # listens when this returns, and knows nothing of before
    gateway.ports["cmpp3"]
    gateway.tell("throttle", 2_000)
    gateway.taken()                 # parts it took, in order
    gateway.kill()

The library is somebody else's (Maven ``com.chinamobile.cmos:sms-core``); what goes wrong, and when,
is `CmppGateway.java`.
"""

import hashlib
import os
import shutil
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from channels import cmpp_codec as codec
from tests.cluster.native_kafka import free_ports
from tests.peers.fetching import PeerFailed, fetched
from tests.peers.gateway import STOP_S, Gateway

VERSION = "2.1.13.5"
SOURCE = Path(__file__).with_name("CmppGateway.java")

PROTOCOLS = tuple(codec.VERSIONS)
HERE = "127.0.0.1"

JAVA = (
    "java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx256m", "-Dfile.encoding=UTF-8",
    "-Duser.timezone=Asia/Shanghai", "--add-opens=java.base/java.lang=ALL-UNNAMED",
    "--add-opens=java.base/java.math=ALL-UNNAMED", "--add-opens=java.base/java.util=ALL-UNNAMED",
    "--add-opens=java.base/java.util.concurrent=ALL-UNNAMED",
    "--add-opens=java.base/java.net=ALL-UNNAMED", "--add-opens=java.base/java.text=ALL-UNNAMED",
)  # fmt: skip
"""Quick to start rather than quick; what is opened is what the library asks for."""

_POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>fenghuo</groupId><artifactId>parts</artifactId><version>1</version>
  <dependencies>
    <dependency>
      <groupId>com.chinamobile.cmos</groupId><artifactId>sms-core</artifactId>
      <version>{VERSION}</version>
    </dependency>
  </dependencies>
</project>
"""


def lacks() -> str | None:
    """What this machine needs before the peer can run; None when nothing."""
    for tool in ("java", "javac"):
        if shutil.which(tool) is None:
            return f"no {tool} (apt-get install openjdk-17-jdk-headless)"
    if shutil.which("mvn") is None:
        return "no mvn (apt-get install maven)"
    return None


def install() -> str:
    """The class path of the library and of our main, fetched and compiled if they are not there."""
    goal = ["dependency:copy-dependencies", "-DoutputDirectory=lib", "-DincludeScope=runtime"]
    library = fetched(f"sms-core-{VERSION}-parts", ["mvn", "-q", "-B", *goal], {"pom.xml": _POM})
    jars = library / "lib"
    text = hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:12]
    compiling = ["javac", "-nowarn", "-cp", f"{jars}/*", "-d", ".", str(SOURCE)]
    return f"{jars}/*{os.pathsep}{fetched(f'cmpp-gateway-{text}', compiling)}"


class CmppGateway(Gateway):
    """The process, which may serve many tests: it is warm from the second on. ``options`` are
    ``secret``, ``source_addr``, ``binds`` and ``receipt_ms``. A restart keeps the ports."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.ports = dict(zip(PROTOCOLS, free_ports(len(PROTOCOLS)), strict=True))
        self._options = {"secret": "secret", "source_addr": "901783", **options}

    def begin(self, ledger: Path) -> None:
        """Begin anew, or at all, with this ledger; what is in it already stays."""
        self.ledger = ledger
        self.start()

    def start(self) -> None:
        """Go on with the same ledger; the process is made if it is not there."""
        if self._process is None:
            words = [f"{name}={value}" for name, value in {**self._options, **self.ports}.items()]
            self._process = subprocess.Popen(
                [*JAVA, "-cp", install(), "CmppGateway", *words],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            self._read()
            for protocol in PROTOCOLS:
                self._warm(protocol)
        self.tell("ledger", str(self.ledger))

    def tell(self, *words: str | int) -> Mapping[str, int]:
        """One command; what was counted once it is done."""
        self._write(" ".join(map(str, words)))
        return self._read()

    def counts(self) -> Mapping[str, int]:
        """How many binds and submits came, and what is owed."""
        return self.tell("count")

    def _warm(self, protocol: str) -> None:
        """Have it answer a connect and a submit once, so that it has loaded what it needs."""
        version = codec.VERSIONS[protocol]
        source, stamp = str(self._options["source_addr"]), "0101000000"
        proof = codec.authenticator(source, str(self._options["secret"]), stamp)
        form = codec.Form(version, source, "", 2, "01", "0")
        (submit,) = form.bodies(b"1", "8613800000000", codec.Encoded(codec.ASCII, (b"",)), b"")
        with socket.create_connection((HERE, self.ports[protocol]), timeout=STOP_S) as link:
            body = codec.connect_body(version, source, proof, stamp)
            for command, content in ((codec.CONNECT, body), (codec.SUBMIT, submit)):
                link.sendall(codec.frame(command, 1, content))
                if not link.recv(100):
                    raise PeerFailed(f"the gateway hung up on {protocol}")
