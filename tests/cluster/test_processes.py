"""Only the process that was meant is ever told anything, and an ended one is known as such."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack

import msgspec
import pytest

from tests.cluster import processes
from tests.cluster.processes import Process, end, process

STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1); signal.pause()"
PLAIN = "import signal; print(1, flush=True); signal.pause()"


class Children:
    """Processes of this test, which are gone at its end."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    def start(self, code: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-u", "-c", code]
        child = self._stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE))
        self._stack.callback(child.kill)
        assert child.stdout is not None
        assert child.stdout.readline() == b"1\n"
        return child


@pytest.fixture
def children() -> Iterator[Children]:
    with ExitStack() as stack:
        yield Children(stack)


def test_one_that_runs_is_alive_until_it_has_ended(children: Children) -> None:
    child = children.start(PLAIN)
    known = process(child.pid)
    assert known.alive
    end([known])
    assert not known.alive  # though its parent has not asked yet
    assert child.wait() == -signal.SIGTERM
    assert not known.alive
    end([known])


def test_another_with_its_id_is_left_alone(children: Children) -> None:
    child = children.start(PLAIN)
    known = process(child.pid)
    former = Process(known.pid, known.born - 1)
    assert not former.alive
    end([former])
    former.tell(signal.SIGKILL)
    assert known.alive


def test_a_paused_one_ends_as_well(children: Children) -> None:
    child = children.start(PLAIN)
    known = process(child.pid)
    known.tell(signal.SIGSTOP)
    end([known])
    assert child.wait() == -signal.SIGTERM


def test_one_that_does_not_listen_is_killed(
    children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "PATIENCE_S", 0.3)
    child = children.start(STUBBORN)
    end([process(child.pid)])
    assert child.wait() == -signal.SIGKILL


def test_each_ends_by_its_own_signal(children: Children) -> None:
    child = children.start(PLAIN)
    known = process(child.pid, ends_by=signal.SIGINT)
    again = msgspec.json.decode(msgspec.json.encode(known), type=Process)
    end([again])
    assert child.wait() == -signal.SIGINT
