"""The one-process hub, with the sandbox carrier or another, as a test directs them."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from streams.journal.sqlite import SqliteStore
from tests.crash.upstream import FAULTS, Reported, lanes


class HubAtAPipe:
    """A hub on SQLite in ``folder``, which also has its log. ``ledger`` is its carrier's,
    ``settings`` what its environment holds besides."""

    def __init__(self, folder: Path, ledger: Path, settings: Mapping[str, str]) -> None:
        self.ledger = ledger
        self._folder = folder
        self._settings = {"HUB_DATA_DIR": str(folder), **settings}
        self._hub: subprocess.Popen[str] | None = None
        self._store: SqliteStore | None = None

    @property
    def store(self) -> SqliteStore:
        """The journal as others see it; it is there once the hub has started."""
        if self._store is None:
            self._store = SqliteStore(self._folder / "hub.db")
        return self._store

    def start(self, failpoint: str = "") -> None:
        """Returns when it takes events. ``failpoint``: where it is to die."""
        self._bury()
        told = {"HUB_FAILPOINT": failpoint} if failpoint else {}
        with (self._folder / "log").open("a") as log:
            self._hub = _started("tests.crash.hub_at_a_pipe", log=log, **self._settings, **told)
        assert _line(self._hub) == "at the door", self.log

    def bring(self, events: Sequence[Reported]) -> bool:
        """Whether all of them were acknowledged."""
        assert self._hub is not None
        assert self._hub.stdin is not None
        try:
            self._hub.stdin.write(json.dumps([one.raw.decode() for one in events]) + "\n")
            self._hub.stdin.flush()
        except BrokenPipeError:
            return False
        return _line(self._hub) == str(len(events))

    @property
    def died(self) -> int | None:
        """The code it ended with; None while it lives."""
        assert self._hub is not None
        return self._hub.poll()

    @property
    def log(self) -> str:
        return (self._folder / "log").read_text()

    def _bury(self) -> None:
        if self._hub is not None:
            self._hub.kill()
            self._hub.communicate()

    def close(self) -> None:
        self._bury()
        if self._store is not None:
            self._store.close()


class OneProcess(HubAtAPipe):
    """With a sandbox carrier. ``clock`` is the rehearsal's file."""

    def __init__(self, folder: Path, clock: Path) -> None:
        ledger = folder / "ledger.jsonl"
        (folder / "lanes.toml").write_text(lanes(), encoding="utf-8")
        sandbox = ["sandbox", "--port", "0", "--ledger", str(ledger), "--faults", FAULTS]
        self._carrier = _started("hub", *sandbox)
        port = _line(self._carrier).rpartition(":")[2]
        settings = {
            "HUB_LANES": str(folder / "lanes.toml"),
            "HUB_CLOCK": str(clock),
            "HUB_SANDBOX_PORT": port,
        }
        super().__init__(folder, ledger, settings)

    def close(self) -> None:
        super().close()
        self._carrier.kill()
        self._carrier.communicate()


def _started(
    module: str, *arguments: str, log: object = None, **settings: str
) -> subprocess.Popen[str]:
    rest = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
        env={**rest, **settings},
    )  # fmt: skip


def _line(process: subprocess.Popen[str]) -> str:
    """The next thing it says; empty when it has ended."""
    assert process.stdout is not None
    return process.stdout.readline().strip()
