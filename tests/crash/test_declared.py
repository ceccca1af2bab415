"""A hub that dies between the request to a declared provider and its answer.

What the provider took is known by what it calls back; what it did not take is never sent again
blindly.
"""

import json
import os
import re
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

import httpx
import pytest

from channels.sandbox import read_ledger
from hub.clock import Rehearsal
from streams.core.codec import decode, type_name
from streams.core.events import AttemptIntended, Delivered, Unknown
from streams.core.policy import HOUR_MS
from tests.channels.http_bench import SECRETS, SMS
from tests.cluster.native_kafka import free_ports
from tests.crash.upstream import SHANGHAI, START_MS

pytestmark = pytest.mark.crash

EVENTS = 20
PATIENCE_S = 90
KILLED = -9
SETTLED_S = 2
"""What would be sent again an hour later would be by then."""

REPORTS_MS = 60_000
"""Reports come when the hub is back."""

INBOX = """
[[lane]]
name = "inbox"
channel = "inbox"
provider = "inbox"
rate_per_s = 100
"""


class Killed:
    """A hub with its door, the provider, and the time that both go by."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ledger = folder / "provider.jsonl"
        self._clock = folder / "clock"
        Rehearsal.set(self._clock, START_MS, 1)
        [port] = free_ports(1)
        self._environment = {
            **{name: text for name, text in os.environ.items() if not name.startswith("HUB_")},
            "HUB_DATA_DIR": str(folder / "hub"), "HUB_CLOCK": str(self._clock),
            "HUB_LANES": str(folder / "lanes.toml"), "HUB_PORT": str(port),
            "EXAMPLE_KEY": SECRETS["key"], "EXAMPLE_CALLBACK_KEY": SECRETS["callback"],
        }  # fmt: skip
        self._running: list[subprocess.Popen[str]] = []
        faults = json.dumps({"receipt_ms": REPORTS_MS})
        words = ["http-sandbox", "--port", "0", "--ledger", str(self.ledger), "--faults", faults]
        line = self._started(words).split()[-1]
        (folder / "lanes.toml").write_text(SMS.replace("http://127.0.0.1:8125", line) + INBOX)

    def start(self, failpoint: str = "") -> None:
        """Returns when it takes events."""
        told = {"HUB_FAILPOINT": failpoint} if failpoint else {}
        said = self._started(["up", "--no-sandbox"], "Bearer", **told)
        [self._url] = re.findall(r"curl -sS (\S+)/v1/events", said)
        [self._key] = re.findall(r"Bearer ([^']+)'", said)

    def bring(self) -> None:
        headers = {
            "authorization": f"Bearer {self._key}",
            "content-type": "application/cloudevents-batch+json",
        }
        body = json.dumps([event(n) for n in range(EVENTS)])
        answer = httpx.post(
            f"{self._url}/v1/events", content=body, headers=headers, trust_env=False, timeout=30
        )
        assert answer.status_code < 300, answer.text

    @property
    def died(self) -> int | None:
        return self._running[-1].poll()

    def move_on(self, ms: int) -> None:
        Rehearsal.set(self._clock, Rehearsal(self._clock).now_ms() + ms, 1)

    def journalled(self) -> Counter[str]:
        with closing(sqlite3.connect(self.folder / "hub" / "hub.db")) as database:
            rows = database.execute("SELECT type, count(*) FROM journal GROUP BY type")
            return Counter(dict(map(tuple, rows)))

    def taken(self) -> Counter[str]:
        """How often the provider took a message of each stream."""
        entries = read_ledger(self.ledger)
        return Counter(e.attempt.partition(":")[0] for e in entries if e.outcome == "taken")

    def delivered(self) -> set[str]:
        with closing(sqlite3.connect(self.folder / "hub" / "hub.db")) as database:
            rows = database.execute("SELECT stream, type, data FROM journal").fetchall()
        return {s.hex() for s, kind, data in rows if isinstance(decode(kind, data), Delivered)}

    def close(self) -> None:
        for process in self._running:
            process.kill()
            process.communicate()

    def _started(self, words: list[str], until: str = "listening", **told: str) -> str:
        """What it says up to the line that has this word."""
        process = subprocess.Popen(
            [sys.executable, "-m", "hub", *words],
            env={**self._environment, **told}, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._running.append(process)
        assert process.stdout is not None
        said = ""
        while until not in said:
            line = process.stdout.readline()
            assert line, f"hub {words[0]} ended: {said}"
            said += line
        return said


def event(n: int) -> dict[str, object]:
    """Somebody, who is told of a violation."""
    at = datetime.fromtimestamp(START_MS / 1000, SHANGHAI).isoformat()
    return {
        "specversion": "1.0", "id": f"e{n}", "source": "/crash", "subject": f"P{n}", "time": at,
        "type": "gov.traffic.violation.recorded.v1",
        "data": {
            "recipient": {
                "ref": f"P{n}", "kind": "person", "name": "王丽", "phones": [f"1380000{n:04d}"],
            },
            "violation_no": f"{n:016d}", "plate": "闽A12345", "place": "五四路", "points": 1,
            "occurred_at": "2026-11-20T08:30:00+08:00", "offence": "违反禁止标线指示",
            "fine": 20000,
        },
    }  # fmt: skip


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Killed]:
    hub = Killed(tmp_path)
    yield hub
    hub.close()


def until(true: Callable[[], object], what: str) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end_s, f"waited {PATIENCE_S} s for {what}"
        time.sleep(0.1)


@pytest.mark.parametrize("point", ["after_intent_commit", "mid_batch_call", "after_call"])
def test_what_was_taken_is_known_and_nothing_is_sent_twice(hub: Killed, point: str) -> None:
    hub.start(f"{point}:1")
    hub.bring()
    until(lambda: hub.died is not None, "its death")
    assert hub.died == KILLED
    died_with = hub.taken()
    if point == "after_intent_commit":
        assert not died_with
    else:
        assert died_with
    intended, lost = type_name(AttemptIntended), type_name(Unknown)
    hub.start()
    until(lambda: hub.journalled()[intended] == EVENTS, "the rest to be sent")
    hub.move_on(REPORTS_MS)  # reports are due, and who waits for an answer gives up
    until(lambda: hub.taken().keys() <= hub.delivered(), "reports on all that was taken")
    untaken = EVENTS - len(hub.taken())
    until(lambda: hub.journalled()[lost] >= untaken, "the others to be given up")
    hub.move_on(HOUR_MS)
    time.sleep(SETTLED_S)
    assert hub.journalled()[intended] == EVENTS
    assert set(hub.taken().values()) == {1}
    assert hub.died is None
