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
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from channels import cmpp_codec as codec
from tests.cluster.native_kafka import free_ports

VERSION = "2.1.13.5"
SOURCE = Path(__file__).with_name("CmppGateway.java")
PARTS = Path(__file__).resolve().parents[2] / ".parts"
JARS = PARTS / f"sms-core-{VERSION}"

PROTOCOLS = tuple(codec.VERSIONS)
HERE = "127.0.0.1"

INSTALL_S = 300
STOP_S = 5

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


class PeerFailed(Exception):  # noqa: N818 - named for what is known
    """The peer could not be fetched or compiled, or does not listen."""


def lacks() -> str | None:
    """What this machine needs before the peer can run; None when nothing."""
    for tool in ("java", "javac"):
        if shutil.which(tool) is None:
            return f"no {tool} (apt-get install openjdk-17-jdk-headless)"
    if not JARS.exists() and shutil.which("mvn") is None:
        return "no mvn (apt-get install maven)"
    return None


def install() -> str:
    """The class path of the library and of our main, fetched and compiled if they are not there:
    whole or not at all, whoever asks first."""
    PARTS.mkdir(exist_ok=True)
    if not JARS.exists():
        with tempfile.TemporaryDirectory(dir=PARTS, prefix=".fetching-") as draft:
            (Path(draft) / "pom.xml").write_text(_POM)
            goal = ("dependency:copy-dependencies", "-DoutputDirectory=lib")
            _run(("mvn", "-q", "-B", *goal, "-DincludeScope=runtime"), Path(draft))
            _put(Path(draft) / "lib", JARS)
    text = hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:12]
    classes = PARTS / f"cmpp-gateway-{text}"
    if not classes.exists():
        with tempfile.TemporaryDirectory(dir=PARTS, prefix=".compiling-") as draft:
            out = Path(draft) / "classes"
            _run(("javac", "-nowarn", "-cp", f"{JARS}/*", "-d", str(out), str(SOURCE)), PARTS)
            _put(out, classes)
    return f"{JARS}/*{os.pathsep}{classes}"


def _run(command: tuple[str, ...], folder: Path) -> None:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_S, check=False
    )
    if done.returncode:
        raise PeerFailed(f"{command[0]}: {(done.stdout + done.stderr)[-1000:]}")


def _put(draft: Path, folder: Path) -> None:
    try:
        draft.rename(folder)
    except OSError:  # somebody else was first, and theirs is as good
        if not folder.exists():
            raise


class CmppGateway:
    """The process, which may serve many tests: it is warm from the second on. ``options`` are
    ``secret``, ``source_addr``, ``binds`` and ``receipt_ms``. A restart keeps the ports."""

    def __init__(self, **options: Any) -> None:
        self.ports = dict(zip(PROTOCOLS, free_ports(len(PROTOCOLS)), strict=True))
        self._options = {"secret": "secret", "source_addr": "901783", **options}
        self._process: subprocess.Popen[str] | None = None
        self._ledger = Path()

    def begin(self, ledger: Path) -> None:
        """Begin anew, or at all, with this ledger; what is in it already stays."""
        self._ledger = ledger
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
        self.tell("ledger", str(self._ledger))

    def tell(self, *words: str | int) -> Mapping[str, int]:
        """One command; what was counted once it is done."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(" ".join(map(str, words)) + "\n")
        self._process.stdin.flush()
        return self._read()

    def counts(self) -> Mapping[str, int]:
        """How many binds and submits came, and what is owed."""
        return self.tell("count")

    def taken(self) -> list[dict[str, Any]]:
        """Every part it took, in order; also after its death."""
        if not self._ledger.exists():
            return []
        return [json.loads(line) for line in self._ledger.read_bytes().splitlines()]

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

    def _read(self) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise PeerFailed("the gateway ended")
        read: dict[str, Any] = json.loads(line)
        return read
