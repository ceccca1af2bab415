"""The sandbox carrier's process lives as long as the hub, and again when it dies."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from channels.sandbox import SandboxChannel
from hub.carrier import Carrier, CarrierFailed
from hub.clock import Real


async def _answers(port: int) -> bool:
    channel = SandboxChannel(Real(), "127.0.0.1", port)
    try:
        return await channel.tally() == {}
    finally:
        await channel.close()


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_it_is_started_and_ended(tmp_path: Path) -> None:
    carrier = Carrier("127.0.0.1", 0, tmp_path / "ledger.jsonl")
    await carrier.start()
    assert await _answers(carrier.port)
    pid = carrier.pid
    await carrier.end()
    assert not _alive(pid)
    await carrier.end()  # twice is once


async def test_it_is_started_again_on_the_same_port(tmp_path: Path) -> None:
    carrier = Carrier("127.0.0.1", 0, tmp_path / "ledger.jsonl")
    await carrier.start()
    watching = asyncio.create_task(carrier.watch())
    port, pid = carrier.port, carrier.pid
    os.kill(pid, signal.SIGKILL)
    for _ in range(200):
        if carrier.pid not in (0, pid) and await _reached(port):
            break
        await asyncio.sleep(0.1)
    assert (carrier.pid != pid, carrier.port) == (True, port)
    watching.cancel()
    await carrier.end()


async def _reached(port: int) -> bool:
    try:
        return await _answers(port)
    except Exception:
        return False


async def test_a_port_that_is_taken_is_a_sentence(tmp_path: Path) -> None:
    first = Carrier("127.0.0.1", 0, tmp_path / "one.jsonl")
    await first.start()
    second = Carrier("127.0.0.1", first.port, tmp_path / "two.jsonl")
    with pytest.raises(CarrierFailed, match=str(first.port)):
        await second.start()
    await first.end()


def test_it_ends_with_its_parent(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hub", "sandbox", "--port", "0", "--with-parent"]
    command += ["--ledger", str(tmp_path / "ledger.jsonl")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"listening on 127.0.0.1:")
        process.stdin.close()
        assert process.wait(10) == 0
