"""One process has the data folder, and others can ask who."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hub.folder import Occupied, Owner, held, owner

HOLD = """
import sys, time
from pathlib import Path
from hub.folder import held
with held(Path(sys.argv[1])) as folder:
    folder.say("http://127.0.0.1:1")
    print("held", flush=True)
    time.sleep(60)
"""


def test_nobody_has_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert owner(tmp_path / "none") is None


def test_the_owner_says_where_its_pages_are(tmp_path: Path) -> None:
    with held(tmp_path) as folder:
        folder.say("http://127.0.0.1:8122")
        assert owner(tmp_path) == Owner(os.getpid(), "http://127.0.0.1:8122")
        with pytest.raises(Occupied, match=rf"process {os.getpid()}, at http://"), held(tmp_path):
            pass
    assert owner(tmp_path) is None


def test_a_killed_owner_lets_go(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert owner(tmp_path) == Owner(process.pid, "http://127.0.0.1:1")
        process.kill()
    with held(tmp_path):
        pass
