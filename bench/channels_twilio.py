"""What a text message and a call by Twilio cost the hub's process, before the sandbox of it.

The sandbox is a process of its own; its callbacks go nowhere, so that only creates are measured.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from channels.base import Accepted, Message
from channels.sms_twilio import SmsTwilio
from channels.twilio_account import Account
from channels.twilio_channel import TwilioChannel
from channels.voice_twilio import VoiceTwilio
from hub.clock import Real

SID, TOKEN = "AC" + "0" * 32, "bench"
TO = "+15551230001"
BATCH = 200
CLOSE_MS = 60_000
NOWHERE = "http://127.0.0.1:9"


async def run(messages: int = 2_000) -> dict[str, dict[str, float]]:
    """For each channel: creates a second, and microseconds of CPU for one."""
    with tempfile.TemporaryDirectory() as folder:
        sandbox = _sandbox(Path(folder))
        try:
            assert sandbox.stdout is not None
            url = sandbox.stdout.readline().split()[-1]
            account = Account(SID, TOKEN, "+15550001000", NOWHERE, api_url=url)
            clock = Real()
            return {
                channel.name: await _measured(channel, messages)
                for channel in (SmsTwilio(clock, account, bool), VoiceTwilio(clock, account, bool))
            }
        finally:
            sandbox.terminate()
            sandbox.wait()
            if sandbox.stdout is not None:
                sandbox.stdout.close()


async def _measured(channel: TwilioChannel, messages: int) -> dict[str, float]:
    text = "您的车辆有一条交通违法记录，请登录交管12123应用查看和处理。"
    far_ms = 4 * 10**12
    began_s, cpu_s = time.monotonic(), time.process_time()
    for start in range(0, messages, BATCH):
        batch = [Message(f"{n:032x}:2", TO, text, far_ms) for n in range(start, start + BATCH)]
        outcomes = await channel.send("abroad", batch, CLOSE_MS)
        assert all(isinstance(outcome, Accepted) for outcome in outcomes)
    cpu_s, took_s = time.process_time() - cpu_s, time.monotonic() - began_s
    await channel.close()
    return {"per_s": round(messages / took_s), "cpu_us": round(cpu_s / messages * 1e6)}


def _sandbox(folder: Path) -> subprocess.Popen[str]:
    told = {
        "HUB_DATA_DIR": str(folder),
        "HUB_TWILIO_ACCOUNT": SID,
        "HUB_TWILIO_TOKEN": TOKEN,
        "HUB_TWILIO_FROM": "+15550001000",
    }
    return subprocess.Popen(
        [sys.executable, "-m", "hub", "twilio-sandbox", "--port", "0", "--step-ms", "3600000"],
        env={**os.environ, **told},
        stdout=subprocess.PIPE,
        text=True,
    )


if __name__ == "__main__":
    print(asyncio.run(run()))
