"""A whole hub with an account at our Twilio: its door on a port, since callbacks come by HTTP."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uvicorn
from msgspec.structs import replace

from channels.sandbox_http import Pace
from channels.twilio_sandbox import TwilioSandbox
from channels.twilio_sandbox_model import SPECIAL
from hub.clock import Scaled
from hub.serving import Server
from hub.settings import Secret
from preferences.changes import SetOrder
from preferences.fault import Fault
from preferences.recipient import Recipient
from streams.core.codec import decode
from streams.core.events import PreferenceChanged
from streams.core.identity import named_stream
from streams.core.policy import DEFAULT, Policy, dump
from streams.recount import charged, counted, recount, report
from streams.views import Timeline
from tests.web.world import START_MS, World, registered, violation, world

SID = "AC" + "0" * 32
TOKEN = "not-a-secret"
SENDER = "+15550001000"
LISTENER = "+15551230001"
"""Somebody abroad who answers, listens, and presses 1."""

NUMBER_OF = {behaviour: "+155" + digits for digits, behaviour in SPECIAL.items()}

LANES = """
[[lane]]
name = "sms-abroad"
channel = "sms"
provider = "sms_twilio"
rate_per_s = 100

[[lane]]
name = "voice-abroad"
channel = "voice"
provider = "voice_twilio"
rate_per_s = 100

[[lane]]
name = "email-a"
channel = "email"
provider = "sandbox"
rate_per_s = 100

[[lane]]
name = "push-a"
channel = "push"
provider = "sandbox"
rate_per_s = 100

[[lane]]
name = "inbox"
channel = "inbox"
provider = "inbox"
rate_per_s = 100
"""

QUICK: Policy = replace(
    DEFAULT,
    version=2,
    classes={cls: replace(rule, horizon_ms=400) for cls, rule in DEFAULT.classes.items()},
    call_before_ms=1_500,
    answer_ms=300,
    backoff_ms=50,
    ring_again_ms=(150, 250),
)
"""A policy whose waits a test can sit through."""


class Abroad:
    """The hub, and the Twilio it knows."""

    def __init__(self, world: World, twilio: TwilioSandbox) -> None:
        self.world = world
        self.twilio = twilio

    async def tell(self, ref: str, phone: str, number: int = 1) -> None:
        """A violation of somebody with this one way to reach them, beside their inbox."""
        await self.world.bring(registered(ref, phones=[phone], emails=[]))
        await self.world.bring(violation(ref, number))

    async def call(self, ref: str, phone: str, number: int = 1) -> None:
        """The same for somebody who would rather be called."""
        await self.world.bring(registered(ref, phones=[phone], emails=[]))
        order = SetOrder(("voice", "sms", "email", "inbox"))
        await self.registered(ref)
        chosen = await self.world.hub.commands.change_preferences(ref, order, "citizen")
        assert not isinstance(chosen, Fault), chosen
        await self.world.bring(violation(ref, number))

    async def registered(self, ref: str) -> Recipient:
        """Somebody, once they are known."""
        for _ in range(500):
            known = (await self.world.hub.river.people.load([ref])).get(ref)
            if known is not None and known.recipient is not None:
                return known.recipient
            await asyncio.sleep(0.02)
        raise AssertionError(f"{ref} was never registered")

    def choices(self, ref: str) -> list[tuple[str, str]]:
        """What somebody's history has of their choices: which, and by whom."""
        stream = named_stream("preferences", ref)
        events = [decode(r.type, r.data) for r in self.world.hub.store.read([stream])[stream]]
        return [(e.kind, e.by) for e in events if isinstance(e, PreferenceChanged)]

    def timeline(self, ref: str) -> Timeline:
        legs = self.world.hub.reading.history(ref)
        assert legs, f"nothing is known of {ref}"
        found = self.world.hub.reading.timeline(legs[-1].stream, unseal=True)
        assert found is not None
        return found

    def kinds(self, ref: str) -> list[str]:
        """What happened to the one notification of somebody, in order."""
        return [moment.type for moment in self.timeline(ref).moments]

    async def ends(self, ref: str, status: str, seconds: float = 15) -> None:
        """Let it run until their notification stands so."""

        def stands() -> bool:
            legs = self.world.hub.reading.history(ref)
            return bool(legs) and legs[-1].status == status

        try:
            await self.world.until(stands, seconds)
        except AssertionError as error:
            legs = [(leg.status, leg.channel) for leg in self.world.hub.reading.history(ref)]
            raise AssertionError(f"{legs}, {self.kinds(ref) if legs else ''}") from error

    async def books_agree(self) -> None:
        """The read models come to say what a recount of the journal says."""

        def agree() -> bool:
            with self.world.hub.store.readers.connect() as connection:
                return report(counted(connection), charged(connection)) == recount(
                    self.world.hub.store
                )

        await self.world.until(agree)

    async def comes_to(self, ref: str, kind: str) -> None:
        """Let it run until this has happened to their notification."""
        await self.world.until(
            lambda: self.world.hub.reading.history(ref) and kind in self.kinds(ref)
        )


@asynccontextmanager
async def abroad(
    folder: Path, scripts: Mapping[str, Sequence[str]] | None = None, policy: Policy = QUICK
) -> AsyncIterator[Abroad]:
    """``scripts``: what befalls the requests to a number, one after the other."""
    twilio = TwilioSandbox(Scaled(1, START_MS), SID, TOKEN, Pace(), scripts)
    await twilio.start()
    lanes = folder / "lanes.toml"
    lanes.write_text(LANES)
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        door.listen(64)
        told: dict[str, Any] = {
            "twilio_account": SID,
            "twilio_token": Secret(TOKEN),
            "twilio_from": SENDER,
            "twilio_url": twilio.url,
            "public_url": f"http://127.0.0.1:{door.getsockname()[1]}",
            "lanes": lanes,
        }
        async with world(folder, **told) as made:
            put = await made.hub.commands.publish_policy(dump(policy).decode(), "test")
            assert not isinstance(put, Fault), put
            config = uvicorn.Config(made.app, log_level="warning", access_log=False, loop="none")
            server = Server(config)
            serving = asyncio.create_task(server.serve(sockets=[door]))
            try:
                yield Abroad(made, twilio)
            finally:
                await twilio.stop()
                server.should_exit = True
                await serving
