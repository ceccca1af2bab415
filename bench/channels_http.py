"""What a message costs the hub's process where it goes by HTTP: by Twilio, and by providers that
their lanes describe.

The sandboxes are processes of their own; their callbacks go nowhere, so that only creates are
measured.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from msgspec.structs import replace

from channels.base import Accepted, Channel, Message
from channels.http_channel import HttpChannel
from channels.sms_twilio import SmsTwilio
from channels.twilio_account import Account
from channels.voice_twilio import VoiceTwilio
from hub.clock import Real
from tests.channels.http_bench import SECRETS, declared

SID, TOKEN = "AC" + "0" * 32, "bench"
BATCH = 200
CLOSE_MS = 60_000
FAR_MS = 4 * 10**12
NOWHERE = "http://127.0.0.1:9"

TWILIO = {
    "HUB_TWILIO_ACCOUNT": SID,
    "HUB_TWILIO_TOKEN": TOKEN,
    "HUB_TWILIO_FROM": "+15550001000",
}
DECLARED = {"EXAMPLE_KEY": SECRETS["key"], "EXAMPLE_CALLBACK_KEY": SECRETS["callback"]}

LATER = '{"receipt_ms": 3600000}'

RESOURCES = {"sms_http": "messages", "voice_http": "calls", "push_http": "pushes"}
"""What is asked of a declared provider, by protocol."""

ABROAD = "abroad"


async def measured(text: str, messages: int) -> dict[str, dict[str, float]]:
    """For each way: microseconds of CPU a message, and messages a second."""
    found = {}
    clock = Real()
    made = [
        Message(f"{n:032x}:2", f"+1555{n:07d}", text, FAR_MS, subject="通知")
        for n in range(messages)
    ]
    with _sandbox("twilio-sandbox", "--step-ms", "3600000", **TWILIO) as url:
        account = Account(SID, TOKEN, "+15550001000", NOWHERE, api_url=url)
        for channel in (SmsTwilio(clock, account, bool), VoiceTwilio(clock, account, bool)):
            found[f"{channel.name}, its sandbox"] = await sent(channel, ABROAD, made)
    for name, resource in RESOURCES.items():
        with _sandbox("http-sandbox", "--faults", LATER, **DECLARED) as url:
            http = replace(declared(), url=f"{url}/v1/{resource}")
            by_lane = HttpChannel(clock, {ABROAD: http}, {ABROAD: SECRETS}, NOWHERE, name)
            found[f"{name}, its sandbox"] = await sent(by_lane, ABROAD, made)
    return found


async def sent(channel: Channel, lane: str, messages: Sequence[Message]) -> dict[str, float]:
    """All of them by this lane, in batches, until the last is answered; then the channel's end."""
    began_s, cpu_s = time.perf_counter(), time.process_time()
    for start in range(0, len(messages), BATCH):
        outcomes = await channel.send(lane, messages[start : start + BATCH], CLOSE_MS)
        assert all(isinstance(outcome, Accepted) for outcome in outcomes), outcomes
    cpu_s, took_s = time.process_time() - cpu_s, time.perf_counter() - began_s
    await channel.close()
    return {"us": round(cpu_s / len(messages) * 1e6, 2), "per_s": round(len(messages) / took_s)}


@contextmanager
def _sandbox(*words: str, **told: str) -> Iterator[str]:
    """Where the sandbox that ``hub`` runs so listens."""
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [sys.executable, "-m", "hub", words[0], "--port", "0", *words[1:]],
            env={**os.environ, **told, "HUB_DATA_DIR": str(Path(folder))},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[-1]
        finally:
            process.terminate()
            process.wait()
            process.stdout.close()
