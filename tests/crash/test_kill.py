"""kill -9 of the hub at random moments; the carrier never dies; then the books must agree."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.world import START_MS, load_recipients
from channels.sandbox import read_ledger
from hub import bootstrap
from hub.clock import Real
from hub.settings import load
from streams.core.codec import decode
from streams.core.events import Head
from streams.core.lifecycle import NOT_SENT, State, Status
from streams.core.policy import DAY_MS, DEFAULT
from streams.journal.sqlite import SqliteStore
from streams.pipeline.river import state_of

pytestmark = pytest.mark.crash

EVENTS = 20_000
KILLS = 30
FACTOR = 20.0
"""An answer that never comes is given up after two real seconds, an unknown after thirty."""

DRAIN_S = 120


class Carrier:
    """The sandbox carrier's process, with lost answers and receipts switched on."""

    def __init__(self, folder: Path) -> None:
        self.ledger = folder / "ledger.jsonl"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.carrier", str(self.ledger)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def end(self) -> None:
        self._process.terminate()
        self._process.communicate()


class HubProcess:
    def __init__(self, folder: Path, port: int, origin_s: float) -> None:
        self._folder = folder
        self._command = [
            sys.executable, "-m", "tests.crash.hub_process", str(folder), str(port),
            str(EVENTS), str(FACTOR), str(origin_s),
        ]  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        (self._folder / "standing.json").unlink(missing_ok=True)
        self._process = subprocess.Popen(self._command)

    def kill(self) -> None:
        assert self._process is not None
        if self._process.poll() is not None:
            pytest.fail("the hub ended by itself")
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def standing(self) -> dict[str, int]:
        try:
            return dict(json.loads((self._folder / "standing.json").read_text()))
        except FileNotFoundError:
            return {}


@pytest.fixture(scope="module")
def aftermath(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Aftermath"]:
    """One run of 20,000 events with 30 kills, drained."""
    folder = tmp_path_factory.mktemp("kill")
    register(folder)
    carrier = Carrier(folder)
    hub = HubProcess(folder, carrier.port, time.time())
    chance = random.Random(20261124)
    try:
        for _ in range(KILLS):
            hub.start()
            wait_for(lambda: hub.standing() != {}, 30)
            time.sleep(chance.uniform(0.0, 0.8))
            hub.kill()
        hub.start()
        wait_for(lambda: hub.standing().get("fed") and not hub.standing()["backlog"], 300)
        wait_for(lambda: drained(folder), DRAIN_S)
    finally:
        hub.kill()
        carrier.end()
    found = Aftermath(folder, carrier.ledger)
    yield found
    found.store.close()


def register(folder: Path) -> None:
    settings = load({**os.environ, "HUB_DATA_DIR": str(folder)}, None)

    async def fill() -> None:
        hub = bootstrap.open_hub(settings, Real())
        await load_recipients(hub.vault, hub.journal, EVENTS)
        await hub.close()

    asyncio.run(fill())


def wait_for(condition, seconds: float) -> None:  # type: ignore[no-untyped-def]
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError("it did not come about in time")


def drained(folder: Path) -> bool:
    """Nothing is open or waiting any more but reminders for another day."""
    store = SqliteStore(folder / "hub.db")
    try:
        due_ms = store.next_due_ms()
        return due_ms is None or due_ms > START_MS + DAY_MS
    finally:
        store.close()


class Aftermath:
    """The journal and the carrier's ledger, side by side."""

    def __init__(self, folder: Path, ledger: Path) -> None:
        self.store = SqliteStore(folder / "hub.db")
        self.states: dict[bytes, State] = {}
        self.heads: dict[bytes, Head] = {}
        rows: dict[bytes, list] = {}  # type: ignore[type-arg]
        pos = 0
        while page := self.store.since(pos, 5_000):
            pos = page[-1].pos
            for row in page:
                rows.setdefault(row.stream, []).append(row)
        for stream, history in rows.items():
            state = state_of(history)
            if state.head is not None:
                self.states[stream] = state
        self.ledger = read_ledger(ledger)
        self.taken = Counter(
            bytes.fromhex(entry.attempt.partition(":")[0])
            for entry in self.ledger
            if entry.outcome == "taken"
        )
        self.rows = rows


def test_every_event_has_its_notification_and_none_has_two(aftermath: Aftermath) -> None:
    told = Counter((s.head.event, s.head.notice) for s in aftermath.states.values() if s.head)
    assert len({event for event, _ in told}) == EVENTS
    assert set(told.values()) == {1}


def test_nothing_is_sent_twice_in_the_classes_that_say_never(aftermath: Aftermath) -> None:
    for stream, state in aftermath.states.items():
        assert state.head is not None
        rule = DEFAULT.classes[state.head.cls]
        if "sms" not in rule.resend_unknown:
            assert aftermath.taken[stream] <= 1, stream.hex()


def test_nothing_stays_open_or_unknown(aftermath: Aftermath) -> None:
    left = Counter(s.status for s in aftermath.states.values())
    for status in (Status.OPEN, Status.UNKNOWN, Status.READY, Status.BACKOFF):
        assert left[status] == 0, left
    held = {s.held_reason for s in aftermath.states.values() if s.status is Status.HELD}
    assert held <= {"not_due"}


def test_what_says_not_sent_was_not_sent(aftermath: Aftermath) -> None:
    for stream, state in aftermath.states.items():
        if state.status in NOT_SENT:
            assert aftermath.taken[stream] == 0, (stream.hex(), state.status)


def test_what_says_sent_was_taken(aftermath: Aftermath) -> None:
    for stream, state in aftermath.states.items():
        sent = state.status in (Status.ACCEPTED, Status.DELIVERED, Status.UNDELIVERED)
        if sent and state.route and state.route.channel != "inbox":
            assert aftermath.taken[stream] >= 1


def test_no_carrier_was_called_without_an_intent_before_it(aftermath: Aftermath) -> None:
    intents = {
        (row.stream, row.version)
        for history in aftermath.rows.values()
        for row in history
        if row.type.startswith("AttemptIntended")
    }
    for entry in aftermath.ledger:
        stream, _, version = entry.attempt.partition(":")
        assert (bytes.fromhex(stream), int(version)) in intents


def test_every_row_decodes_and_the_chain_holds(aftermath: Aftermath) -> None:
    for history in aftermath.rows.values():
        for row in history:
            decode(row.type, row.data)
    assert list(aftermath.store.verify()) == []


def test_the_run_was_worth_it(aftermath: Aftermath) -> None:
    """The kills left attempts in doubt, and most messages arrived all the same."""
    statuses = Counter(s.status for s in aftermath.states.values())
    due = len(aftermath.states) - statuses[Status.HELD]
    assert statuses[Status.DELIVERED] >= due * 0.9, statuses
    unknown = sum(
        row.type.startswith("Unknown") for history in aftermath.rows.values() for row in history
    )
    assert unknown >= 1
