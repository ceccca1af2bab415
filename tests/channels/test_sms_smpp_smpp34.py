"""The SMPP channel against smpp34's server, which runs in this process: no part is needed."""

import asyncio
from collections.abc import AsyncIterator
from random import Random

import pytest
import smpp34

from channels.base import Accepted, Collected, Message, NotSent, Permanent, Throttled
from channels.smpp_account import Smpp
from channels.sms_smpp import SmppChannel
from hub.clock import Real
from templates.segments import split
from tests.cluster.native_kafka import free_ports

LANE = "sms-ctcc"
STATUSES = {"1": smpp34.ESME_RTHROTTLED, "2": smpp34.ESME_RINVDSTADR}
"""By the last digit of the destination; any other is taken, and reported."""


class Carrier:
    """Answers what comes, until it is stopped."""

    def __init__(self) -> None:
        [self.port] = free_ports(1)
        self.texts: list[bytes] = []
        self._server = smpp34.Server("127.0.0.1", self.port)
        self._serving: asyncio.Task[None] | None = None
        self._reporting: set[asyncio.Task[object]] = set()
        self._binds: dict[str, smpp34.Esme] = {}

    async def start(self) -> None:
        await self._server.start()
        self._serving = asyncio.create_task(self._serve())

    async def stop(self) -> None:
        if self._serving is not None:
            self._serving.cancel()
            await asyncio.gather(self._serving, return_exceptions=True)
        await self._server.stop()
        await asyncio.gather(*self._reporting, return_exceptions=True)

    async def _serve(self) -> None:
        while True:
            event = await self._server.next()
            if isinstance(event, smpp34.Esme):
                self._binds[event.session_id] = event
            elif isinstance(event, smpp34.SubmitSmEvent):
                self._answer(event)

    def _answer(self, event: smpp34.SubmitSmEvent) -> None:
        status = STATUSES.get(event.destination_addr[-1])
        if status is not None:
            event.reject(status)
            return
        self.texts.append(event.short_message)
        name = str(len(self.texts))
        event.accept(name)
        text = (
            f"id:{name} sub:001 dlvrd:001 submit date:1 done date:2611241210 stat:DELIVRD err:000"
        )
        reporting = self._binds[event.session_id].deliver_sm(
            event.source_addr, text.encode(), source_addr=event.destination_addr, esm_class=4
        )
        self._reporting.add(asyncio.ensure_future(reporting))


@pytest.fixture
async def carrier() -> AsyncIterator[Carrier]:
    carrier = Carrier()
    await carrier.start()
    yield carrier
    await carrier.stop()


@pytest.fixture
async def channel(carrier: Carrier) -> AsyncIterator[SmppChannel]:
    account = Smpp(
        host="127.0.0.1", port=carrier.port, system_id="fenghuo", password_env="-"
    )  # fmt: skip
    channel = SmppChannel(Real(), {LANE: account}, {LANE: "secret"}, split, Random(1))
    yield channel
    await channel.close()


def message(n: int, last: str = "0", text: str = "【交管12123】限速") -> Message:
    before_ms = Real().now_ms() + 60_000
    return Message(f"{n:032x}:1", f"+86138{n:07d}{last}", text, before_ms, sender="12123")


async def collected(channel: SmppChannel, receipts: int) -> list[Collected]:
    """What comes until so many parts are reported."""
    found = []
    async with asyncio.timeout(10):
        while sum(len(r.ref.split()) for one in found for r in one.receipts) < receipts:
            await channel.arrived()
            found.append(await channel.collect())
            await channel.acknowledge(found[-1].token)
    return found


async def test_sent_answered_and_reported(carrier: Carrier, channel: SmppChannel) -> None:
    outcomes = await channel.send(LANE, [message(n) for n in range(200)], 5_000)
    refs = {outcome.ref for outcome in outcomes if isinstance(outcome, Accepted)}
    found = [r for one in await collected(channel, 200) for r in one.receipts]
    assert len(refs) == 200
    assert {r.ref for r in found} == refs
    assert carrier.texts[0].decode("utf-16-be") == "【交管12123】限速"


async def test_refused(channel: SmppChannel) -> None:
    outcomes = await channel.send(LANE, [message(1, "1"), message(2), message(3, "2")], 5_000)
    assert [type(outcome) for outcome in outcomes] == [Throttled, Accepted, Permanent]


async def test_a_long_text_is_one_message(carrier: Carrier, channel: SmppChannel) -> None:
    (outcome,) = await channel.send(LANE, [message(1, text="烽" * 130 + "😀")], 5_000)
    found = [r for one in await collected(channel, 2) for r in one.receipts]
    assert isinstance(outcome, Accepted)
    # this server may report one part before it answers for the other: then each by itself
    assert sorted(part for r in found for part in r.ref.split()) == sorted(outcome.ref.split())
    parts = sorted(carrier.texts, key=lambda one: one[6])  # it hands them out in any order
    assert "".join(one[7:].decode("utf-16-be") for one in parts) == "烽" * 130 + "😀"


async def test_nobody_there(carrier: Carrier, channel: SmppChannel) -> None:
    await carrier.stop()
    (outcome,) = await channel.send(LANE, [message(1)], 5_000)
    assert isinstance(outcome, NotSent)
    assert carrier.texts == []
