"""The one-process hub with its door, as `hub up` runs it: providers call it back, and it dies."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx

from hub.folder import JOURNAL
from streams.journal.sqlite import SqliteStore
from tests.cluster.native_kafka import free_ports
from tests.crash.upstream import Reported

ANSWER_S = 30


class HubAtDoor:
    """A hub below ``folder``, which also has its log. ``clock`` is the rehearsal's file. Its port,
    which providers are told, is the same after every death."""

    def __init__(self, folder: Path, clock: Path) -> None:
        [port] = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        self._environment: dict[str, str] = {
            "HUB_DATA_DIR": str(folder / "hub"), "HUB_CLOCK": str(clock),
            "HUB_LANES": str(folder / "lanes.toml"), "HUB_PORT": str(port),
        }  # fmt: skip
        self._folder = folder
        self._hub: subprocess.Popen[str] | None = None
        self._store: SqliteStore | None = None
        self._key = ""

    @property
    def store(self) -> SqliteStore:
        """The journal as others see it; it is there once the hub has started."""
        if self._store is None:
            self._store = SqliteStore(self._folder / "hub" / JOURNAL)
        return self._store

    def connect(self, lanes: str, settings: Mapping[str, str]) -> None:
        """Before it starts: where it sends to, and what it needs for that."""
        (self._folder / "lanes.toml").write_text(lanes, encoding="utf-8")
        self._environment |= settings

    def start(self, failpoint: str = "") -> None:
        """Returns when it takes events. ``failpoint``: where it is to die."""
        self._bury()
        told = {"HUB_FAILPOINT": failpoint} if failpoint else {}
        rest = {name: text for name, text in os.environ.items() if not name.startswith("HUB_")}
        with (self._folder / "log").open("a") as log:
            self._hub = subprocess.Popen(
                [sys.executable, "-m", "hub", "up", "--no-sandbox"],
                env={**rest, **self._environment, **told},
                stdout=subprocess.PIPE, stderr=log, text=True,
            )  # fmt: skip
        [self._key] = re.findall(r"Bearer ([^']+)'", self._says("Bearer"))

    def bring(self, events: Sequence[Reported]) -> bool:
        """Whether all of them were acknowledged; what was known before counts."""
        headers = {
            "authorization": f"Bearer {self._key}",
            "content-type": "application/cloudevents-batch+json",
        }
        body = b"[" + b",".join(one.raw for one in events) + b"]"
        try:
            answer = httpx.post(
                f"{self.url}/v1/events", content=body, headers=headers, trust_env=False,
                timeout=ANSWER_S,
            )  # fmt: skip
        except httpx.TransportError:  # it died over it
            return False
        assert answer.status_code < 300, answer.text
        return True

    @property
    def died(self) -> int | None:
        """The code it ended with; None while it lives."""
        assert self._hub is not None
        return self._hub.poll()

    @property
    def log(self) -> str:
        return (self._folder / "log").read_text()

    def close(self) -> None:
        self._bury()
        if self._store is not None:
            self._store.close()
            self._store = None

    def _bury(self) -> None:
        if self._hub is not None:
            self._hub.kill()
            self._hub.communicate()
            self._hub = None

    def _says(self, word: str) -> str:
        """The line that has this word, once it has said it."""
        assert self._hub is not None
        assert self._hub.stdout is not None
        line = ""
        while word not in line:
            line = self._hub.stdout.readline()
            assert line, self.log
        return line
