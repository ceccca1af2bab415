"""The demonstrations in small: what the hub's books say is what each peer counted."""

import json
import subprocess
import sys
from typing import Any

import msgspec
import pytest

from tests.demonstration.__main__ import DEMOS, concluded
from tests.demonstration.running import Counts

GOOD = Counts(
    told=10, reports=True, sent=10, accepted=10, delivered=9, unconfirmed=1, segments=15,
    peer_accepted=10, peer_parts=15,
)  # fmt: skip


def shown(demo: str, messages: int) -> tuple[int, dict[str, Any]]:
    """Exit code and last line."""
    command = [sys.executable, "-m", "tests.demonstration", demo, "--messages", str(messages)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


@pytest.mark.peers
@pytest.mark.parametrize("demo", DEMOS)
def test_every_lane_agrees_with_its_peer(demo: str) -> None:
    _, kinds = DEMOS[demo]
    each = 25
    code, last = shown(demo, each * len(kinds))
    assert set(last) == {"lanes"}
    assert last["lanes"].keys() == {kind.name for kind in kinds}
    for name, line in last["lanes"].items():
        reports = next(kind.reports for kind in kinds if kind.name == name)
        assert line["delivered"] == (each if reports else 0), name
        assert line["accepted"] == each, name
        assert line["peer_accepted"] == each, name
        assert line["unconfirmed"] == 0, name
        assert line["sent"] >= each, name
    assert code == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"peer_accepted": 11}, "10 accepted, but its peer took 11"),
        ({"accepted": 9}, "9 accepted, but its peer took 10"),
        ({"peer_parts": 14}, "15 parts accepted, but its peer took 14"),
        ({"delivered": 8}, "10 notified, 8 delivered"),
        ({"told": 11}, "11 notified, 10 accepted"),
    ],
)
def test_what_does_not_agree_is_said_and_fails(
    change: dict[str, int], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = msgspec.structs.replace(GOOD, **change)
    assert concluded({"a": GOOD, "b": bad}) == 1
    out = capsys.readouterr().out.splitlines()
    assert out[0] == f"b: {said}"
    assert json.loads(out[-1])["lanes"]["b"]["accepted"] == bad.accepted


def test_what_agrees_does_not(capsys: pytest.CaptureFixture[str]) -> None:
    assert concluded({"a": GOOD}) == 0
    line = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert line == {
        "lanes": {
            "a": {
                "sent": 10, "accepted": 10, "delivered": 9, "unconfirmed": 1, "peer_accepted": 10,
            }
        }
    }  # fmt: skip
