"""The data folder and the one process that has it.

A journal has one writer. Whoever writes holds the lock on ``hub.lock``, which the system lets go
of when the process ends, however it ends; the file says who it is and where its pages are.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import msgspec

LOCK = "hub.lock"
JOURNAL = "hub.db"
TOPICS = "topics.db"
LEDGER = "sandbox.jsonl"
TWILIO_LEDGER = "twilio.jsonl"
HTTP_LEDGER = "http.jsonl"


class Owner(msgspec.Struct, frozen=True):
    """Who has the folder. ``url`` is where its pages are, empty for a command without any."""

    pid: int
    url: str = ""


class Occupied(Exception):  # noqa: N818 - a state of the folder, not a mistake
    """Another process has the folder."""

    def __init__(self, folder: Path, owner: Owner | None) -> None:
        self.owner = owner
        who = f"process {owner.pid}" if owner else "another process"
        where = f", at {owner.url}" if owner and owner.url else ""
        super().__init__(f"{folder} is in use by {who}{where}")


class Folder:
    """The folder, held by this process."""

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self.path = path
        self._file = file

    def say(self, url: str) -> None:
        """Tell other processes where this one's pages are."""
        self._file.seek(0)
        self._file.truncate()
        self._file.write(msgspec.json.encode(Owner(os.getpid(), url)))
        self._file.flush()


@contextmanager
def held(path: Path) -> Iterator[Folder]:
    """Have the folder, which is made when it is missing; raises :class:`Occupied`."""
    path.mkdir(parents=True, exist_ok=True)
    with (path / LOCK).open("a+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Occupied(path, _read(path)) from None
        folder = Folder(path, file)
        folder.say("")
        yield folder


def owner(path: Path) -> Owner | None:
    """Who has the folder now, if anybody."""
    try:
        with (path / LOCK).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(path) or Owner(0)
    except OSError:  # no folder, no lock: nobody was ever here
        return None
    return None


def _read(path: Path) -> Owner | None:
    with suppress(OSError, msgspec.DecodeError):
        return msgspec.json.decode((path / LOCK).read_bytes(), type=Owner)
    return None
