"""A Postfix of our own, and the servers behind it: what mail servers really say.

    with Postfix(lmtp_port) as postfix:
        ...     # mail to postfix.port; what comes back goes to lmtp_port

It has its configuration, queue and log in a folder of its own, listens on loopback, and is a child
of the test: nothing of the machine's own mail system is touched. Whom a mail is to decides what
becomes of it, since each domain has a server of its own behind this one (``smtp-sink``, which is
Postfix's own, too):

    ok.test     takes it, and reports nothing: Postfix says *relayed*
    gone.test   refuses the recipient for ever (550 5.1.1)
    full.test   refuses the recipient for ever, but for its mailbox (552 5.2.2)
    spam.test   refuses the content (554 5.7.1)
    away.test   is not there: Postfix keeps trying, and says so after a second
    late.test   takes it, and finds out later that there is no such recipient
    hub.test    is the hub's mailbox, by LMTP
"""

import grp
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from tests.cluster.native_kafka import free_ports
from tests.peers.fetching import PeerFailed

DAEMONS = Path("/usr/lib/postfix/sbin")
SINK = "/usr/sbin/smtp-sink"

START_S = 20
STOP_S = 10

USER = "postfix"
"""Whom parts that need no more run as."""

DOMAIN = "hub.test"

_REFUSALS = {
    "gone": ("RCPT", "550 5.1.1 no such user"),
    "full": ("RCPT", "552 5.2.2 mailbox full"),
    "spam": (".", "554 5.7.1 looks like spam"),
}

_MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
command_directory = /usr/sbin
daemon_directory = {daemons}
mail_owner = {user}
setgid_group = postdrop
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
myhostname = mx.peer.test
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_peername_lookup = no
transport_maps = inline:{{ {transports} }}
local_recipient_maps =
alias_maps =
alias_database =
recipient_delimiter = +
smtputf8_enable = no
smtp_dns_support_level = disabled
smtp_connect_timeout = 2s
delay_warning_time = 1s
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 2s
"""

_MASTER = """\
{port} inet n - n - - smtpd
{late} inet n - n - - smtpd
  -o myhostname=late.test
  -o smtpd_discard_ehlo_keywords=dsn
  -o content_filter=smtp:[127.0.0.1]:{gone}
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
lmtp unix - - n - - lmtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


def lacks() -> str | None:
    """What this machine has not got for it; None: everything."""
    if not (DAEMONS / "master").exists() or not Path(SINK).exists():
        return "no postfix (apt-get install postfix)"
    if os.geteuid() != 0:
        return "not root, and Postfix gives each of its parts a user of its own"
    try:
        pwd.getpwnam(USER)
        grp.getgrnam("postdrop")
    except KeyError:
        return "no user postfix, or no group postdrop"
    return None


class Sink:
    """One server behind: takes all, or refuses a command with a reply of its own. Without ``dsn``,
    as many servers are, whoever passes a mail on to it learns no more."""

    def __init__(self, refuses: str = "", reply: str = "", dsn: bool = False) -> None:
        [self.port] = free_ports(1)
        self._options = ["-f", refuses, "-B", reply] if refuses else []
        self._options += [] if dsn else ["-N"]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Sink":
        self._process = subprocess.Popen(
            [SINK, "-u", USER, *self._options, f"127.0.0.1:{self.port}", "100"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _await(self.port, self._process)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait(STOP_S)


class Postfix:
    """The server. ``lmtp_port`` is where the hub's mailbox is, there or not."""

    def __init__(self, lmtp_port: int) -> None:
        self.port, self._late, self._away = free_ports(3)
        self.lmtp_port = lmtp_port
        self._folder = Path()
        self._process: subprocess.Popen[bytes] | None = None
        self._parts = ExitStack()

    @property
    def log(self) -> str:
        file = self._folder / "log"
        return file.read_text(errors="replace") if file.exists() else ""

    def __enter__(self) -> "Postfix":
        # in a folder that its own users may pass through, as a test's are not
        self._folder = Path(tempfile.mkdtemp(prefix="postfix-", dir="/tmp"))
        self._folder.chmod(0o755)
        self._parts.callback(shutil.rmtree, self._folder)
        try:
            sinks = {
                name: self._parts.enter_context(Sink(*refusal)).port
                for name, refusal in {**_REFUSALS, "ok": ()}.items()
            }
            self._configure(sinks)
            self._start()
        except BaseException:
            self._parts.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self._parts.close()

    def _configure(self, sinks: dict[str, int]) -> None:
        ports = {**sinks, "away": self._away, "late": self._late}
        transports = [
            f"{{ {name}.test = smtp:[127.0.0.1]:{port} }}" for name, port in ports.items()
        ]
        transports.append(f"{{ {DOMAIN} = lmtp:inet:127.0.0.1:{self.lmtp_port} }}")
        main = _MAIN.format(
            folder=self._folder, user=USER, daemons=DAEMONS, transports=", ".join(transports)
        )
        master = _MASTER.format(port=self.port, late=self._late, gone=sinks["gone"])
        conf = self._folder / "conf"
        for name in ("conf", "queue", "data"):
            (self._folder / name).mkdir()
        shutil.chown(self._folder / "data", USER)
        (conf / "main.cf").write_text(main, encoding="utf-8")
        (conf / "master.cf").write_text(master, encoding="utf-8")
        made = subprocess.run(
            ["/usr/sbin/postfix", "-c", str(conf), "check"],
            capture_output=True,
            text=True,
            timeout=START_S,
            check=False,
        )
        if made.returncode:
            raise PeerFailed(f"Postfix cannot be set up: {made.stderr[-1000:]}")

    def _start(self) -> None:
        # not detached: it ends with us, and is nobody else's
        process = self._process = subprocess.Popen(
            [str(DAEMONS / "master"), "-c", str(self._folder / "conf"), "-d"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._parts.callback(self._stop)
        try:
            _await(self.port, process)
        except PeerFailed as error:
            raise PeerFailed(f"{error}: {self.log[-1000:]}") from error

    def _stop(self) -> None:
        """The master ends its parts when it is told to."""
        process, self._process = self._process, None
        assert process is not None
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # the session that we made for it
            process.wait(STOP_S)


def _await(port: int, process: subprocess.Popen[bytes]) -> None:
    end_s = time.monotonic() + START_S
    while time.monotonic() < end_s and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise PeerFailed(f"nothing listens on port {port}")
