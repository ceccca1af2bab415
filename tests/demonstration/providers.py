"""Lanes to providers that are played by sandboxes of ours, each a process of its own, and the
inbox."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from channels.sandbox import read_ledger
from channels.twilio_sandbox_model import Entry
from hub.bootstrap import Hub
from hub.folder import JOURNAL
from hub.settings import Settings
from preferences.changes import SetOrder
from preferences.fault import Fault
from tests.channels.http_bench import SMS
from tests.demonstration.lane import HUB_FOLDER, DemoLane, Taken, violation

END_S = 10


class _Played(DemoLane):
    """A sandbox that ``hub COMMAND`` runs."""

    command: ClassVar[tuple[str, ...]]

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.url = ""
        self.ledger = self.folder / "ledger.jsonl"
        self._process: subprocess.Popen[str] | None = None

    def start(self, clock: Path, door: str) -> None:
        command = [sys.executable, "-m", "hub", *self.command, "--port", "0", "--with-parent"]
        told = {"HUB_DATA_DIR": str(self.folder), "HUB_CLOCK": str(clock)}
        self._process = subprocess.Popen(
            [*command, "--ledger", str(self.ledger)],
            env={**os.environ, **self.environment(), **told},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().split()[-1]

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        process.wait(END_S)
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()


class DeclaredText(_Played):
    """The lane that the guide on declared providers shows."""

    name = "sms-http"
    command = ("http-sandbox", "--faults", '{"receipt_ms": 200}')

    def toml(self) -> str:
        text = SMS.replace("http://127.0.0.1:8125", self.url)
        text = text.replace('"sms-example"', f'"{self.name}"')
        return text.replace('protocol = "sms_http"', 'protocol = "sms_http"\ncarriers = ["cucc"]')

    def environment(self) -> Mapping[str, str]:
        return {"EXAMPLE_KEY": "demo", "EXAMPLE_CALLBACK_KEY": "demo too"}

    def person(self, n: int) -> Mapping[str, Any]:
        return {"phones": [f"13000{n:06d}"]}

    def taken(self) -> Taken:
        return Taken(sum(entry.outcome == "taken" for entry in read_ledger(self.ledger)))


class TwilioText(_Played):
    """Texts abroad, to the sandbox of Twilio."""

    name = "sms-twilio"
    command = ("twilio-sandbox", "--step-ms", "50")

    def toml(self) -> str:
        return _abroad(self.name, "sms", "sms_twilio")

    def environment(self) -> Mapping[str, str]:
        return {
            "HUB_TWILIO_ACCOUNT": "AC" + "0" * 32,
            "HUB_TWILIO_TOKEN": "demo",
            "HUB_TWILIO_FROM": "+15550001000",
            "HUB_TWILIO_URL": self.url or Settings().twilio_url,
        }

    def person(self, n: int) -> Mapping[str, Any]:
        return {"phones": [f"+1555{2_000_000 + n}"]}

    def taken(self) -> Taken:
        return _taken_of(self.ledger, "sms")


class TwilioCall(DemoLane):
    """Calls abroad. A hub has one account: they go to the sandbox of the texts, and are counted
    apart."""

    name = "voice-twilio"

    def start(self, clock: Path, door: str) -> None:
        """The texts' sandbox is there."""

    def stop(self) -> None:
        """And ends with them."""

    async def prepare(self, hub: Hub, ref: str) -> None:
        order = SetOrder(("voice", "sms", "inbox"))
        chosen = await hub.commands.change_preferences(ref, order, "citizen")
        assert not isinstance(chosen, Fault), chosen

    def toml(self) -> str:
        return _abroad(self.name, "voice", "voice_twilio")

    def person(self, n: int) -> Mapping[str, Any]:
        return {"phones": [f"+1555{6_000_000 + n}"]}

    def case(self, n: int) -> tuple[str, Mapping[str, Any]]:
        return violation(n)

    def taken(self) -> Taken:
        return _taken_of(self.folder.parent / TwilioText.name / "ledger.jsonl", "voice")


class InboxLane(DemoLane):
    """The inbox: its peer is its own table."""

    name = "inbox"

    def start(self, clock: Path, door: str) -> None:
        """It is in the hub."""

    def stop(self) -> None:
        """And ends with it."""

    def toml(self) -> str:
        return """
[[lane]]
name = "inbox"
channel = "inbox"
provider = "inbox"
rate_per_s = 2000
"""

    def person(self, n: int) -> Mapping[str, Any]:
        return {}

    def case(self, n: int) -> tuple[str, Mapping[str, Any]]:
        return violation(n)

    def taken(self) -> Taken:
        with closing(sqlite3.connect(self.folder.parent / HUB_FOLDER / JOURNAL)) as database:
            ((taken,),) = database.execute("SELECT count(*) FROM inbox_message")
        return Taken(taken)


def _abroad(name: str, channel: str, protocol: str) -> str:
    return f"""
[[lane]]
name = "{name}"
channel = "{channel}"
provider = "twilio"
protocol = "{protocol}"
carriers = ["intl"]
rate_per_s = 500
"""


def _taken_of(ledger: Path, kind: str) -> Taken:
    entries = [msgspec.json.decode(line, type=Entry) for line in ledger.read_bytes().splitlines()]
    return Taken(sum(entry.kind == kind for entry in entries))
