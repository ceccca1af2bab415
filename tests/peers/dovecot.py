"""A Dovecot of our own: a mailbox on a server elsewhere, read by IMAP.

    with Dovecot(certificate) as dovecot:
        ...     # dovecot.put(data) delivers; imaps is at dovecot.imaps, imap with STARTTLS at .imap

It has its configuration, mail and log in a folder of its own, listens on loopback, and is a child
of the test.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from itertools import count
from pathlib import Path
from types import TracebackType

from tests.cluster.native_kafka import free_ports
from tests.peers.fetching import PeerFailed

BINARY = Path("/usr/sbin/dovecot")
USER, PASSWORD = "fenghuo", "secret"

MAIL_USER = "mail"
"""Whose files the mails are: Dovecot's own users own none."""

START_S = 20
STOP_S = 10

_CONF = """\
protocols = imap
listen = 127.0.0.1
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
ssl = required
ssl_cert = <{certificate}
ssl_key = <{key}
disable_plaintext_auth = yes
first_valid_uid = 1
mail_location = maildir:{folder}/Maildir
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/Maildir
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
auth_failure_delay = 0
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
"""


def lacks() -> str | None:
    """What this machine has not got for it; None: everything."""
    if not BINARY.exists() or not Path("/usr/lib/dovecot/imap").exists():
        return "no dovecot (apt-get install dovecot-imapd)"
    if os.geteuid() != 0:
        return "not root, and Dovecot gives each of its parts a user of its own"
    return None


class Dovecot:
    """The server and its one mailbox. ``certificate`` are the files of one, and of its key."""

    def __init__(self, certificate: tuple[Path, Path]) -> None:
        self.imap, self.imaps = free_ports(2)
        self._certificate = certificate
        self._folder = Path()
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = count(1)

    def put(self, data: bytes) -> None:
        """Deliver a mail."""
        file = self._folder / "Maildir" / "tmp" / f"{next(self._numbers)}.test"
        file.write_bytes(data)
        shutil.chown(file, MAIL_USER, MAIL_USER)
        file.rename(file.parent.parent / "new" / file.name)

    def flags(self) -> list[str]:
        """The flags of each mail that is left, as the names of their files have them."""
        box = self._folder / "Maildir"
        names = [file.name for part in ("new", "cur") for file in (box / part).iterdir()]
        return sorted(name.partition(":2,")[2] for name in names)

    def __enter__(self) -> "Dovecot":
        self._folder = Path(tempfile.mkdtemp(prefix="dovecot-", dir="/tmp"))
        self._folder.chmod(0o755)
        try:
            self._start()
        except BaseException:
            shutil.rmtree(self._folder)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self._stop()
        shutil.rmtree(self._folder)

    def _start(self) -> None:
        folder = self._folder
        owner = pwd.getpwnam(MAIL_USER)
        for part in ("run", "state", "Maildir", "Maildir/new", "Maildir/cur", "Maildir/tmp"):
            (folder / part).mkdir()
            if part.startswith("Maildir"):
                os.chown(folder / part, owner.pw_uid, owner.pw_gid)
        conf = folder / "dovecot.conf"
        certificate, key = self._certificate
        text = _CONF.format(
            folder=folder, certificate=certificate, key=key, password=PASSWORD, imap=self.imap,
            imaps=self.imaps, uid=owner.pw_uid, gid=owner.pw_gid,
        )  # fmt: skip
        conf.write_text(text, encoding="utf-8")
        self._process = subprocess.Popen(
            [str(BINARY), "-F", "-c", str(conf)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        end_s = time.monotonic() + START_S
        while time.monotonic() < end_s and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.imaps), 1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        self._stop()
        log = folder / "log"
        said = log.read_text(errors="replace")[-1000:] if log.exists() else ""
        raise PeerFailed(f"Dovecot does not listen: {said}")

    def _stop(self) -> None:
        process, self._process = self._process, None
        assert process is not None
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)  # the session that we made for it
                process.wait(STOP_S)
