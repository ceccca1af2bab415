"""Every part of the benchmark works on real processes, loses nothing, and keeps what it found."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from bench.cluster.__main__ import QUICK
from bench.cluster.bed import Carrier
from bench.cluster.checks import Checked
from bench.cluster.emergency import Emergency, FanOut
from bench.cluster.flow import Flow, Lines
from bench.cluster.growth import Growth
from bench.cluster.latency import Latency
from bench.cluster.lines import BROKER, LINES, SERVER
from bench.cluster.report import rows
from bench.smpp_peer import Counts

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parents[3]


class Found(msgspec.Struct, forbid_unknown_fields=True):
    """The file of results."""

    machine: dict[str, object]
    sizes: dict[str, float]
    loading: dict[str, float] | None = None
    flow: Flow | None = None
    lines: Lines | None = None
    latency: Latency | None = None
    emergency: Emergency | None = None
    fan_out: FanOut | None = None
    growth: Growth | None = None
    checks: Checked | None = None


def measured(out: Path, *parts: str, carrier: Carrier = "sandbox") -> Found:
    command = [sys.executable, "-m", "bench.cluster", "--quick", "--out", str(out)]
    command += ["--carrier", carrier, "--parts", *parts]
    ended = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    found = msgspec.json.decode(out.read_bytes())
    if carrier != "sandbox":
        assert found.keys() == {carrier}, "what the sandbox's runs found is left as it was"
        found = found[carrier]
    assert rows(found)
    return msgspec.convert(found, Found)


def test_flow_and_latency(tmp_path: Path) -> None:
    found = measured(tmp_path / "found.json", "flow", "latency")
    assert found.flow is not None
    assert found.flow.notifications == found.flow.events == QUICK.events
    assert {"router", "dispatcher", "timer", "kafka", "postgres"} <= found.flow.us.keys()
    assert found.latency is not None
    assert found.latency.accepted.count >= QUICK.paced * 0.9
    assert found.checks is not None
    assert found.checks.archived == found.checks.events == QUICK.events + QUICK.paced


def test_flow_over_smpp(tmp_path: Path) -> None:
    found = measured(tmp_path / "found.json", "flow", carrier="smpp")
    assert found.flow is not None
    assert found.flow.delivered == found.flow.events == QUICK.events
    assert found.flow.carrier_us > 0
    assert not {"gateway", "sandbox"} & found.flow.us.keys()
    assert found.checks is not None
    assert found.checks.gateway == Counts(found.checks.parts, found.checks.parts)
    assert found.checks.parts >= QUICK.events


@pytest.mark.soak
def test_lines(tmp_path: Path) -> None:
    found = measured(tmp_path / "found.json", "lines")
    assert found.lines is not None
    assert found.lines.lines.keys() == {*LINES, BROKER, SERVER}
    assert found.lines.attributed > 0.9


@pytest.mark.soak
def test_emergency_and_fan_out(tmp_path: Path) -> None:
    found = measured(tmp_path / "found.json", "emergency", "fan-out")
    assert found.emergency is not None
    assert found.emergency.accepted.keys() == {"sms", "voice", "inbox"}
    assert {w.count for w in found.emergency.accepted.values()} == {QUICK.warnings}
    assert found.fan_out is not None
    assert found.fan_out.legs == 4 * QUICK.fan_out


@pytest.mark.soak
def test_growth(tmp_path: Path) -> None:
    found = measured(tmp_path / "found.json", "growth")
    assert found.growth is not None
    assert found.growth.journalled == (QUICK.base, QUICK.grown)
    assert found.growth.database_mb[0] < found.growth.database_mb[1]
