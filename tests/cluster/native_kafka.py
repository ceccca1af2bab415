"""One real Kafka broker, without a container: Maven brings its jars, the JDK runs them.

    kafka = NativeKafka(folder)
    kafka.start()               # answers when this returns
    kafka.bootstrap             # "127.0.0.1:PORT", the same after every start
    kafka.kill(); kafka.start() # with what it had on its disk
    kafka.stop()

The jars (44 MB) are fetched once for a checkout, into `.parts/`. The broker is one node in KRaft
mode, about 340 MB of memory, and starts in some five seconds.
"""

import base64
import random
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

VERSION = "4.3.1"
PARTS = Path(__file__).resolve().parents[2] / ".parts"

START_S = 120
"""Far more than it takes: the machine may be building something else."""

STOP_S = 30
PORTS = (20_000, 32_000)
"""Below the ports that the kernel gives to outgoing connections: a client that keeps calling a
broker which is away could otherwise be given the broker's own port, and be connected to itself."""

_POM = f"""\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>fenghuo</groupId><artifactId>kafka</artifactId><version>1</version>
  <dependencies><dependency>
    <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId>
    <version>{VERSION}</version>
  </dependency></dependencies>
</project>
"""

_LOGGING = """\
<Configuration>
  <Appenders><Console name="out"><PatternLayout pattern="%d %p %m (%c)%n"/></Console></Appenders>
  <Loggers><Root level="info"><AppenderRef ref="out"/></Root></Loggers>
</Configuration>
"""

# One node: nothing is replicated, the first join waits for nobody, few inner partitions to load.
_ONE_NODE = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "inter.broker.listener.name": "PLAINTEXT",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    # a killed broker is let in again once its former self has timed out: 9 s by default
    "broker.session.timeout.ms": "4000",
    "broker.heartbeat.interval.ms": "1000",
    "num.io.threads": "2",
    "num.network.threads": "2",
    "auto.create.topics.enable": "false",
}


class KafkaFailed(Exception):  # noqa: N818 - named for what is known
    """The broker did not come up; its last lines are in the message."""


class NativeKafka:
    """A broker whose data is in ``folder``; ``options`` are further lines of its properties."""

    def __init__(self, folder: Path, options: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.port, controller = free_ports(2)
        self._properties = {
            **_ONE_NODE,
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self.port}",
            "log.dirs": str(folder / "data"),
            **(options or {}),
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    def also_at(self, port: int) -> int:
        """Before a start: be found at ``port`` as well, where a proxy stands. Whoever comes by it
        is told no other address. The answer is where the proxy has to pass them on to."""
        [behind] = free_ports(1)
        for name, value in (
            ("listeners", f"PROXIED://127.0.0.1:{behind}"),
            ("advertised.listeners", f"PROXIED://127.0.0.1:{port}"),
            ("listener.security.protocol.map", "PROXIED:PLAINTEXT"),
        ):
            self._properties[name] += f",{value}"
        return behind

    @property
    def pid(self) -> int:
        assert self._process is not None, "it is not running"
        return self._process.pid

    def start(self) -> None:
        """Start on what is in the folder; returns when the broker answers."""
        assert self._process is None, "it is running"
        self._configure()
        if not (self.folder / "data").exists():
            self._format()
        with (self.folder / "broker.log").open("ab") as log:
            command = self._java("-Xms512m", "-Xmx512m", "kafka.Kafka", str(self._file))
            # of its own session: Control-C at the terminal is for whoever started it
            self._process = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        end_s = time.monotonic() + START_S
        while not _answers(self.port):
            if self._process.poll() is not None or time.monotonic() > end_s:
                self.kill()
                raise KafkaFailed(self._last_lines())
            time.sleep(0.1)

    def stop(self) -> None:
        """Let it close its logs, so that the next start finds nothing to recover."""
        self._end(lambda process: process.terminate())

    def kill(self) -> None:
        """As a power cut would; what was acknowledged is in its files."""
        self._end(lambda process: process.kill())

    def _end(self, signal: Callable[[subprocess.Popen[bytes]], None]) -> None:
        if self._process is None:
            return
        signal(self._process)
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    @property
    def _file(self) -> Path:
        return self.folder / "server.properties"

    def _configure(self) -> None:
        """Written at each start: another object may have used the folder, on another port."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lines = [f"{name}={value}\n" for name, value in self._properties.items()]
        self._file.write_text("".join(lines))
        (self.folder / "log4j2.xml").write_text(_LOGGING)

    def _format(self) -> None:
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
        # with "=": an id may begin with a dash
        named = f"--cluster-id={cluster}"
        storage = ("kafka.tools.StorageTool", "format", named, "-c", str(self._file))
        made = subprocess.run(
            self._java("-XX:TieredStopAtLevel=1", *storage), capture_output=True, text=True
        )
        if made.returncode:
            raise KafkaFailed(made.stdout + made.stderr)

    def _java(self, *arguments: str) -> list[str]:
        logging = f"-Dlog4j2.configurationFile={self.folder / 'log4j2.xml'}"
        return ["java", logging, "-cp", f"{jars()}/*", *arguments]

    def _last_lines(self) -> str:
        return "\n".join((self.folder / "broker.log").read_text().splitlines()[-30:])


def lacks() -> str | None:
    """What this machine has not got for it, in words; None: it has everything."""
    if shutil.which("java") is None:
        return "no java (apt-get install openjdk-17-jre-headless)"
    if not _jars_folder().exists() and shutil.which("mvn") is None:
        return "no mvn (apt-get install maven)"
    return None


def jars() -> Path:
    """The folder of Kafka's jars, fetched by whoever asks first: whole or not at all."""
    folder = _jars_folder()
    if not folder.exists():
        PARTS.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=PARTS, prefix=".fetching-") as draft:
            _fetch(Path(draft))
            try:
                (Path(draft) / "lib").rename(folder)
            except OSError:  # somebody else was first, and theirs are as good
                if not folder.exists():
                    raise
    return folder


def _jars_folder() -> Path:
    return PARTS / f"kafka-{VERSION}"


def _fetch(draft: Path) -> None:
    (draft / "pom.xml").write_text(_POM)
    made = subprocess.run(
        ["mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=lib",
         "-DincludeScope=runtime"],
        cwd=draft, capture_output=True, text=True,
    )  # fmt: skip
    if made.returncode:
        raise KafkaFailed(made.stdout + made.stderr)


def _answers(port: int) -> bool:
    """Whether the broker tells which requests it knows: it does so once it is ready to serve."""
    request = bytes.fromhex("0000000a 0012 0000 00000001 ffff")  # ApiVersions 0, no client id
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.settimeout(5)
            connection.sendall(request)
            return len(connection.recv(8)) == 8
    except OSError:
        return False


def free_ports(count: int) -> list[int]:
    """Different ports that nobody listens on, and that no outgoing connection will be given."""
    found: list[int] = []
    while len(found) < count:
        port = random.randint(*PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in found:
            found.append(port)
    return found
