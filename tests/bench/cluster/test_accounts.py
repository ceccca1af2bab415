"""What processes spent is read where the system keeps it, children that ended included."""

import os
import subprocess
import sys
from pathlib import Path

from bench.cluster.accounts import TICK_US, cpu_us, family_us, on_disk, process_us, spent

STAT = "7 (a (strange) name) S 1 7 7 0 -1 4194304 1 2 3 4 50 25 7 3 20 0 1 0 9 0 0"
BUSY = "import time\nwhile time.process_time() < 0.2: pass"
FAMILY = (
    f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BUSY!r}]); print()\ninput()"
)


def test_a_line_of_the_system_is_read_behind_the_name() -> None:
    assert cpu_us(STAT) == (75 * TICK_US, 10 * TICK_US)


def test_what_was_spent_is_what_came_on_top() -> None:
    before, after = {"router": 100, "kafka": 7}, {"router": 500, "kafka": 7, "late": 40}
    assert spent(before, after, 4) == {"router": 100.0, "kafka": 0.0, "late": 10.0}


def test_a_child_that_ended_counts_for_its_family() -> None:
    command = [sys.executable, "-c", FAMILY]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes) as parent:  # type: ignore[call-overload]
        parent.stdout.readline()
        assert family_us(parent.pid) - process_us(parent.pid) >= 200_000 - TICK_US
        parent.communicate(b"\n")


def test_a_child_that_lives_counts_as_well() -> None:
    assert family_us(os.getpid()) >= process_us(os.getpid())
    child = f"{BUSY}\nprint(flush=True)\ninput()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    before = family_us(os.getpid())
    with subprocess.Popen([sys.executable, "-c", child], **pipes) as one:  # type: ignore[call-overload]
        one.stdout.readline()
        assert family_us(os.getpid()) - before >= 200_000 - TICK_US
        one.communicate(b"\n")


def test_holes_in_a_file_take_no_room(tmp_path: Path) -> None:
    with (tmp_path / "index").open("wb") as file:
        file.truncate(10_000_000)
    assert on_disk(tmp_path) < 1_000_000
