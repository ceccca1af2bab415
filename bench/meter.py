"""CPU by what was running: coroutines by step, threads by name, whole processes by pid.

A coroutine's cost is the thread's own CPU time between being resumed and giving up control, so
that tasks that interleave on one loop are told apart exactly.
"""

import threading
import time
from collections import Counter
from collections.abc import Coroutine, Generator
from pathlib import Path
from typing import Any

_TICK_US = 10_000
"""Linux counts a thread's time in hundredths of a second in /proc."""


class Metered(Coroutine[Any, Any, Any]):
    """A coroutine that adds its CPU time to ``spent[name]``, in seconds."""

    def __init__(self, inner: Coroutine[Any, Any, Any], name: str, spent: Counter[str]) -> None:
        self._inner = inner
        self._name = name
        self._spent = spent

    def send(self, value: Any) -> Any:
        start = time.thread_time()
        try:
            return self._inner.send(value)
        finally:
            self._spent[self._name] += time.thread_time() - start  # type: ignore[assignment]

    def throw(self, *args: Any) -> Any:
        return self._inner.throw(*args)

    def close(self) -> None:
        self._inner.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        raise TypeError("a metered coroutine is run as a task")


def threads_us() -> Counter[str]:
    """CPU of every live thread of this process so far, in µs, by thread name."""
    names = {t.native_id: t.name for t in threading.enumerate()}
    total: Counter[str] = Counter()
    for task in Path("/proc/self/task").iterdir():
        total[_stem(names.get(int(task.name), "other"))] += _task_us(task / "stat")
    return total


def process_us(pid: int) -> int:
    """CPU of another process so far, in µs."""
    return _task_us(Path(f"/proc/{pid}/stat"))


def rss_mb(pid: str | int = "self") -> float:
    """Memory resident now, in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def peak_mb() -> float:
    """The most that was ever resident, in MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0


def _task_us(stat: Path) -> int:
    try:
        fields = stat.read_text().rpartition(")")[2].split()
    except OSError:  # it ended between listing and reading
        return 0
    return (int(fields[11]) + int(fields[12])) * _TICK_US


def _stem(name: str) -> str:
    """Pool threads are counted together."""
    return name.rstrip("0123456789").rstrip("_-")
