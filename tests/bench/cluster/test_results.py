"""What is found over SMPP is kept beside what is found with the sandbox."""

import sys
from pathlib import Path

import msgspec
import pytest

from bench.cluster import __main__ as command
from bench.cluster.__main__ import Results
from bench.smpp_peer import Counts


def test_each_carriers_runs_keep_to_themselves(tmp_path: Path) -> None:
    file = tmp_path / "found.json"
    Results(file, "sandbox", 3.0).keep("flow", Counts(1, 1))
    Results(file, "smpp", 4.0).keep("flow", Counts(2, 2))
    Results(file, "sandbox", 5.0).keep("lines", Counts(3, 3))
    one, two, three = ({"taken": n, "acknowledged": n} for n in (1, 2, 3))
    found = msgspec.json.decode(file.read_bytes())
    machines = [found.pop("machine"), found["smpp"].pop("machine")]
    assert found == {"flow": one, "lines": three, "smpp": {"flow": two}}
    assert [one["yardstick_us"][0] for one in machines] == [5.0, 4.0]


def test_one_carriers_rate_is_not_taken_for_anothers(tmp_path: Path) -> None:
    file = tmp_path / "found.json"
    file.write_text('{"flow": {"per_second": 2000}}')
    assert Results(file, "sandbox", 3.0).rate() == 2_000
    with pytest.raises(SystemExit, match="no flow was measured yet"):
        Results(file, "smpp", 3.0).rate()


def test_what_goes_by_other_channels_too_is_not_measured_over_smpp(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["bench.cluster", "--carrier", "smpp", "--parts", "flow", "emergency"]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit):
        command.main()
    assert "--carrier smpp: --parts must be of flow, lines" in capsys.readouterr().err
