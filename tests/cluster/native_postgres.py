"""A private PostgreSQL, started natively in a folder of its own, on loopback only."""

import os
import pwd
import signal
import socket
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from time import monotonic, sleep

import psycopg
from psycopg import sql

USER = "fenghuo"
# Debian's package makes the first; the second is everywhere.
ORDINARY_USERS = ("postgres", "nobody")
MADE = ("--encoding=UTF8", "--locale=C")
DEADLINE_S = 60.0
STOP_SIGNALS = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT}


def binaries() -> Path | None:
    """The folder of PostgreSQL's server programs; None when there are none."""
    for folder in [_told_by_pg_config(), *sorted(Path("/usr/lib/postgresql").glob("*/bin"))[::-1]]:
        if folder and (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    return None


@cache
def _told_by_pg_config() -> Path | None:
    try:
        told = subprocess.run(["pg_config", "--bindir"], check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return Path(told.stdout.strip())


class NativePostgres:
    """One server and its data in ``folder``, which is made, and handed to an ordinary user when we
    are root: PostgreSQL refuses to run as one. The folders above must let that user through.

    Whatever is in the folder is kept from start to start, and so is the port. ``settings`` are
    the server's own (``{"shared_buffers": "1GB"}``), ``made`` is how its data are made.
    """

    def __init__(
        self,
        folder: Path,
        *,
        fsync: bool = True,
        settings: dict[str, str] | None = None,
        made: Sequence[str] = MADE,
    ) -> None:
        found = binaries()
        if found is None:
            raise FileNotFoundError("no PostgreSQL server binaries (apt-get install postgresql)")
        self._bin = found
        self._folder = folder
        self._data = folder / "data"
        self._made = made
        self._settings = {"fsync": "on" if fsync else "off", **(settings or {})}
        self._process: subprocess.Popen[bytes] | None = None
        # Bound and never listened on: nobody else is given the port while the server is down.
        self._held = socket.socket()
        self._held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._held.bind(("127.0.0.1", 0))
        self.port: int = self._held.getsockname()[1]

    @property
    def url(self) -> str:
        """SQLAlchemy's address of the database that is always there."""
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        return f"postgresql+psycopg://{USER}@127.0.0.1:{self.port}/{database}"

    @property
    def pid(self) -> int:
        """The server's first process."""
        assert self._process is not None, "the server was not started"
        return self._process.pid

    @property
    def log(self) -> str:
        """What the server has said."""
        return (self._folder / "log").read_text(errors="replace")

    def start(self) -> None:
        """Start, and wait until it answers. Raises RuntimeError with the end of its log."""
        if not self._data.exists():
            self._initialise()
        deadline = monotonic() + DEADLINE_S
        while monotonic() < deadline:
            # what a killed server left must first notice that it is alone: then it starts anew
            if self._process is None or self._process.poll() is not None:
                self._process = self._launch()
            if self._answers():
                return
            sleep(0.02)
        self.kill()
        raise RuntimeError(f"PostgreSQL does not start: {self.log[-2_000:]}")

    def stop(self, mode: str = "fast") -> None:
        """``fast`` writes everything first, ``immediate`` leaves it to the recovery."""
        self._end(STOP_SIGNALS[mode])

    def kill(self) -> None:
        """SIGKILL the first process; the others leave when they notice."""
        self._end(signal.SIGKILL)

    def close(self) -> None:
        """Stop for good, and give up the port."""
        self.stop("immediate")
        self._held.close()

    def create_database(self, name: str, template: str = "template1") -> str:
        """Make a copy of a database nobody is connected to, by default an empty one; its
        address."""
        create = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        with self._connect() as connection:
            connection.execute(create.format(sql.Identifier(name), sql.Identifier(template)))
        return self.url_of(name)

    def drop_database(self, name: str) -> None:
        """Remove a database, whoever is still connected to it."""
        with self._connect() as connection:
            drop = sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
            connection.execute(drop)

    def _initialise(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        if user := _ordinary_user():
            os.chown(self._folder, user.pw_uid, user.pw_gid)
        how = ["-U", USER, "-A", "trust", "--no-sync", *self._made]
        command = [*self._as_ordinary_user(), str(self._bin / "initdb"), "-D", str(self._data)]
        made = subprocess.run(
            [*command, *how], cwd=self._folder, check=False, capture_output=True, text=True
        )
        if made.returncode:
            raise RuntimeError(f"initdb fails: {made.stderr}")

    def _launch(self) -> subprocess.Popen[bytes]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            **self._settings,
        }
        command = [*self._as_ordinary_user(), str(self._bin / "postgres"), "-D", str(self._data)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with (self._folder / "log").open("ab") as log:
            # of its own session: Control-C at the terminal is for whoever started it
            return subprocess.Popen(
                command, cwd=self._folder, stdout=log, stderr=log, start_new_session=True
            )

    def _as_ordinary_user(self) -> list[str]:
        user = _ordinary_user()
        if user is None:
            return []
        return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user=USER, dbname="postgres", autocommit=True
        )

    def _answers(self) -> bool:
        try:
            self._connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(how)
            self._process.wait(DEADLINE_S)


def _ordinary_user() -> pwd.struct_passwd | None:
    """Who the server runs as when we are root; None when we need not change."""
    if os.geteuid() != 0:
        return None
    known = {user.pw_name: user for user in pwd.getpwall()}
    return next(known[name] for name in ORDINARY_USERS if name in known)
