"""A whole hub whose lanes describe a provider by HTTPS, as the guide does, and that provider."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from unittest import mock

import uvicorn
from msgspec.structs import replace

from channels.http_sandbox import Account, HttpSandbox
from channels.sandbox import read_ledger
from hub.clock import Scaled
from hub.serving import Server
from preferences.fault import Fault
from streams.core.policy import dump
from tests.channels.http_bench import APP, NUMBER_OF, QUICK, SECRETS, SMS, VOICE
from tests.web.twilio_world import QUICK as POLICY
from tests.web.twilio_world import Abroad
from tests.web.world import START_MS, World, world

LISTENER = "+8613812340001"
"""Somebody whom nothing befalls; called, they press 1."""

PUSH = (
    SMS.replace("sms-example", "push-example")
    .replace('channel = "sms"', 'channel = "push"')
    .replace("sms_http", "push_http")
    .replace("/v1/messages", "/v1/pushes")
    .replace("segments_max = 10\n", "")
)
"""The same provider, of push messages."""

INBOX = """
[[lane]]
name = "inbox"
channel = "inbox"
provider = "inbox"
rate_per_s = 100
"""

__all__ = ["LISTENER", "NUMBER_OF", "SECRETS", "Declared", "declared"]


class Declared(Abroad):
    """The hub, and the provider that its lanes describe."""

    def __init__(self, world: World, provider: HttpSandbox, ledger: Path) -> None:
        self.world = world
        self.provider = provider
        self._ledger = ledger

    def taken(self) -> list[str]:
        """Attempts that the provider took."""
        return [e.attempt for e in read_ledger(self._ledger) if e.outcome == "taken"]


@asynccontextmanager
async def declared(folder: Path) -> AsyncIterator[Declared]:
    clock = Scaled(1, START_MS)
    ledger = folder / "provider.jsonl"
    account = Account(APP, SECRETS["key"], SECRETS["callback"])
    provider = HttpSandbox(clock, account, ledger, faults=replace(QUICK, late_ms=400))
    await provider.start()
    lanes = folder / "lanes.toml"
    lanes.write_text((SMS + VOICE + PUSH + INBOX).replace("http://127.0.0.1:8125", provider.url))
    secrets = {"EXAMPLE_KEY": SECRETS["key"]}
    (folder / "callback_key").write_text(SECRETS["callback"] + "\n")
    secrets["EXAMPLE_CALLBACK_KEY_FILE"] = str(folder / "callback_key")
    with mock.patch.dict(os.environ, secrets), socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        door.listen(64)
        url = f"http://127.0.0.1:{door.getsockname()[1]}"
        async with world(folder, public_url=url, lanes=lanes) as made:
            put = await made.hub.commands.publish_policy(dump(POLICY).decode(), "test")
            assert not isinstance(put, Fault), put
            config = uvicorn.Config(made.app, log_level="warning", access_log=False, loop="none")
            server = Server(config)
            serving = asyncio.create_task(server.serve(sockets=[door]))
            try:
                yield Declared(made, provider, ledger)
            finally:
                await provider.stop()
                server.should_exit = True
                await serving
