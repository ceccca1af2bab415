"""``hub up`` as a newcomer starts it: a page at once, events of their own, and an end in order."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

READY_S = 30


def _free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


class Running:
    """A hub in a process of its own."""

    def __init__(self, process: "subprocess.Popen[str]", folder: Path, url: str) -> None:
        self.process = process
        self.folder = folder
        self.url = url
        self.said = ""

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "hub", *arguments]
        env = {**os.environ, "HUB_DATA_DIR": str(self.folder)}
        return subprocess.run(command, env=env, capture_output=True, text=True, check=False)

    def end(self) -> str:
        """SIGTERM; the last front page that was shown."""
        self.process.send_signal(signal.SIGTERM)
        page = ""
        while self.process.poll() is None:
            with suppress(httpx.HTTPError):
                page = httpx.get(f"{self.url}/?lang=en").text
            time.sleep(0.1)
        return page


@contextmanager
def up(folder: Path, *options: str) -> Iterator[Running]:
    port = _free_port()
    env = {
        **os.environ,
        "HUB_DATA_DIR": str(folder),
        "HUB_PORT": str(port),
        "HUB_SANDBOX_PORT": "0",
    }
    command = [sys.executable, "-m", "hub", "up", *options]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as process:
        running = Running(process, folder, f"http://127.0.0.1:{port}")
        try:
            assert process.stdout is not None
            while "-d '" not in running.said:
                line = process.stdout.readline()
                assert line, "it ended before it began"
                running.said += line
            yield running
        finally:
            if process.poll() is None:
                process.kill()


def _wait_until_delivered(running: Running, count: int) -> None:
    for _ in range(READY_S):
        if json.loads(running.run("report", "--json").stdout)["total"]["delivered"] >= count:
            return
        time.sleep(1)
    raise AssertionError("nothing was delivered")


def test_one_event_by_curl_and_an_end_in_order(tmp_path: Path) -> None:
    with up(tmp_path) as running:
        assert httpx.get(running.url).status_code == 200
        line = running.said[running.said.index("\ncurl") :]
        answer = subprocess.run(["/bin/sh", "-c", line], capture_output=True, check=True)
        assert json.loads(answer.stdout)["accepted"] == 1
        assert "running at" in running.run("doctor").stdout
        published = running.run("publish", "/dev/null", "--json")
        assert json.loads(published.stdout)["accepted"] == 0
        refused = running.run("demo", "--folder", str(tmp_path))
        assert "is in use by process" in refused.stderr
        running.end()
        assert running.process.wait() == 0


def test_the_last_page_says_what_the_report_says(tmp_path: Path) -> None:
    with up(tmp_path, "--sample", "--events-per-second", "50") as running:
        _wait_until_delivered(running, 100)
        page = running.end()
        assert running.process.wait() == 0
        report = running.run("report", "--recount", "--json")
        assert report.returncode == 0, report.stderr
        total = json.loads(report.stdout)["total"]
        shown = re.sub(r"<[^>]+>", " ", page)
        counts = {
            name: int(re.search(rf"{name}\s+([\d,]+)", _categories(shown))[1].replace(",", ""))  # type: ignore[index]
            for name in ("Delivered", "Undelivered", "Suppressed", "Cancelled", "Total")
        }
        assert counts == {
            "Delivered": total["delivered"],
            "Undelivered": total["undelivered"],
            "Suppressed": total["suppressed"],
            "Cancelled": total["cancelled"],
            "Total": total["notifications"],
        }


def _categories(text: str) -> str:
    """The table of the front page that adds up."""
    return text[text.index("What became of every notification") :]
