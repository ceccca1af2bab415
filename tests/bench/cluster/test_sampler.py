"""What a process did shows in its samples, in the shares in which it spent its CPU."""

import json
import subprocess
import sys
from pathlib import Path

from bench.cluster.lines import TOTAL

PROGRAM = """
import threading, time
from pathlib import Path
from bench.cluster import sampler

def spend(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass

def much(seconds): spend(seconds)
def little(seconds): spend(seconds)
def aside(seconds): spend(seconds)

sampler.line_of = lambda stack: next((f for _, f, _ in stack if f in names), "rest")
names = {"much", "little", "aside"}
one = sampler.Sampler(Path(FILE))
one.start()
other = threading.Thread(target=aside, args=(0.3,), name="other")
other.start()
for _ in range(50):
    much(0.012)
    time.sleep(0.001)  # where it waits it is found no more often
    little(0.004)
other.join()
one._keep()
one.stop()
"""


def test_shares_are_those_of_cpu_and_not_of_time(tmp_path: Path) -> None:
    file = tmp_path / "table.json"
    program = PROGRAM.replace("FILE", repr(str(file)))
    ended = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True)
    assert (ended.returncode, ended.stderr) == (0, b"")
    table = json.loads(file.read_text())
    [main] = [found for name, found in table.items() if name.startswith("MainThread")]
    share = main["much"] / (main["much"] + main["little"])
    assert 0.6 < share < 0.9
    [other] = [found for name, found in table.items() if name.startswith("other")]
    assert other["aside"] > 0
    assert other[TOTAL] > 100_000
