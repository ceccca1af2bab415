"""jSMPP's server simulator, as its authors wrote it: Maven brings it, the JDK runs it.

    simulator = Jsmpp(folder)
    simulator.start()       # listens when this returns
    simulator.taken()       # how many submits it says it has taken
    simulator.stop()

Its ways: the id in an answer is hexadecimal and the one in the receipt decimal; the receipt comes
some seconds later; every bind is greeted by a message "Hello World"; answers carry optional
parameters that the protocol does not list there; it knows one account, ``j`` with ``jpwd``.
"""

import shutil
import subprocess
import time
from pathlib import Path

from tests.cluster.native_kafka import free_ports
from tests.peers.fetching import PeerFailed, fetched

VERSION = "3.0.1"
SYSTEM_ID, PASSWORD = "j", "jpwd"

START_S = 60
STOP_S = 10

_POM = f"""\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>fenghuo</groupId><artifactId>jsmpp</artifactId><version>1</version>
  <dependencies><dependency>
    <groupId>org.jsmpp</groupId><artifactId>jsmpp-examples</artifactId>
    <version>{VERSION}</version>
  </dependency></dependencies>
</project>
"""


def lacks() -> str | None:
    """What this machine has not got for it; None: everything."""
    if shutil.which("java") is None:
        return "no java (apt-get install openjdk-17-jre-headless)"
    if shutil.which("mvn") is None:
        return "no mvn (apt-get install maven)"
    return None


def install() -> Path:
    command = ["mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=lib"]
    return fetched(f"jsmpp-{VERSION}", command, {"pom.xml": _POM}) / "lib"


class Jsmpp:
    """The process; what it says goes to a file of ``folder``."""

    def __init__(self, folder: Path) -> None:
        [self.port] = free_ports(1)
        self._log = folder / "jsmpp.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = ["java", "-XX:TieredStopAtLevel=1", f"-Djsmpp.simulator.port={self.port}"]
        command += ["-cp", f"{install()}/*", "org.jsmpp.examples.SMPPServerSimulator"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        end_s = time.monotonic() + START_S
        while not self._listens():
            if self._process.poll() is not None or time.monotonic() > end_s:
                self.stop()
                raise PeerFailed(self._log.read_text()[-2_000:])
            time.sleep(0.1)

    def taken(self) -> int:
        """How many submits it says it has received."""
        return self._log.read_text(errors="replace").count("Receiving submit_sm")

    def said(self) -> str:
        return self._log.read_text(errors="replace")

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _listens(self) -> bool:
        """It is asked by nobody: a connection without a bind stops it from accepting others."""
        return "Listening on port" in self.said()
