"""Processes known by id and by the moment they were born: an id alone may be somebody else's."""

import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

PATIENCE_S = 60
"""How long an orderly end may take before it is a disorderly one."""


class Process(msgspec.Struct, frozen=True):
    """``born`` is in clock ticks since the machine's start, ``ends_by`` the signal that asks it to
    end in order."""

    pid: int
    born: int
    ends_by: int = signal.SIGTERM

    @property
    def alive(self) -> bool:
        """Whether it is still the same one, and more than a name its parent has not read yet."""
        match _state(self.pid):
            case (state, born):
                return born == self.born and state != "Z"
            case None:
                return False

    def tell(self, number: int) -> None:
        """Send a signal, to this process and no other."""
        if self.alive:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)


def process(pid: int, ends_by: int = signal.SIGTERM) -> Process:
    """A process that runs."""
    state = _state(pid)
    assert state is not None, f"there is no process {pid}"
    return Process(pid, state[1], ends_by)


def end(processes: Sequence[Process]) -> None:
    """End them all at once, in order if they do; none is left when this returns."""
    for one in processes:
        one.tell(one.ends_by)
        one.tell(signal.SIGCONT)  # one that was paused could not end
    if not until(lambda: not any(one.alive for one in processes), PATIENCE_S):
        for one in processes:
            one.tell(signal.SIGKILL)
        until(lambda: not any(one.alive for one in processes), PATIENCE_S)


def until(true: Callable[[], bool], seconds: float) -> bool:
    """Wait until this is so; whether it came to that in time."""
    deadline_s = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline_s:
            return False
        time.sleep(0.05)
    return True


def _state(pid: int) -> tuple[str, int] | None:
    """(state, born) as the system keeps them; see proc(5)."""
    try:
        line = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = line.rpartition(")")[2].split()  # the name before may hold anything
    return fields[0], int(fields[19])
