"""What the processes of a cluster have spent so far: CPU, memory, disk.

A server that makes a process for each client keeps account of those that ended. So what it spent
is its own, that of its children, and that of the children it had.
"""

import os
from collections.abc import Mapping
from pathlib import Path

TICK_US = 1_000_000 // os.sysconf("SC_CLK_TCK")

Readings = Mapping[str, int]
"""CPU so far, in µs, by the name of a process."""


def spent(before: Readings, after: Readings, count: int) -> dict[str, float]:
    """CPU µs for each of ``count`` between two readings; processes that began meanwhile began at
    nothing."""
    return {name: (us - before.get(name, 0)) / max(count, 1) for name, us in after.items()}


def process_us(pid: int) -> int:
    """CPU of a process so far, all its threads, those that ended too."""
    own, _ = cpu_us(Path(f"/proc/{pid}/stat").read_text())
    return own


def family_us(pid: int) -> int:
    """The same of a process and of all the children it has or had."""
    stat = Path(f"/proc/{pid}/stat")
    while True:
        before = cpu_us(stat.read_text())
        children = 0
        for child in _children(pid):
            children += _if_there(child)
        own, ended = cpu_us(stat.read_text())
        if ended == before[1]:  # else a child ended meanwhile, and would count twice or not at all
            return own + ended + children


def cpu_us(stat: str) -> tuple[int, int]:
    """Of a line of /proc/PID/stat: its own CPU, and that of its children that ended."""
    fields = stat.rpartition(")")[2].split()  # the name before may hold anything
    user, system, ended_user, ended_system = map(int, fields[11:15])
    return (user + system) * TICK_US, (ended_user + ended_system) * TICK_US


def peak_mb(pid: int) -> float:
    """The most that was ever resident of a process."""
    return _kb(Path(f"/proc/{pid}/status").read_text(), "VmHWM") / 1024


def shared_mb(pid: int) -> float:
    """Resident now of a process and its children, what they share counted once."""
    total = 0
    for one in (pid, *_children(pid)):
        try:
            total += _kb(Path(f"/proc/{one}/smaps_rollup").read_text(), "Pss")
        except OSError:  # it ended
            continue
    return total / 1024


def on_disk(folder: Path) -> int:
    """Bytes a folder takes: blocks, not lengths, since some files are mostly holes."""
    total = 0
    for file in folder.rglob("*"):
        try:
            total += file.lstat().st_blocks * 512
        except OSError:  # it was removed
            continue
    return total


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _if_there(pid: int) -> int:
    try:
        return process_us(pid)
    except OSError:  # it ended between listing and reading: its parent has it now
        return 0


def _kb(text: str, name: str) -> int:
    for line in text.splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    return 0
