"""The SMPP channel against jSMPP's simulator, of which not a line is ours."""

import asyncio
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from channels.base import Accepted, Message, NotSent, Receipt, Reply
from channels.smpp_account import Smpp
from channels.sms_smpp import SmppChannel
from hub.clock import Real
from templates.segments import count, split
from tests.peers.jsmpp import PASSWORD, SYSTEM_ID, Jsmpp

pytestmark = pytest.mark.peers

LANE = "sms-cucc"
LONG = "【交管12123】" + "您的车辆有一条交通违法记录，请及时处理😀" * 8
PATIENCE_S = 30


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jsmpp]:
    simulator = Jsmpp(tmp_path_factory.mktemp("jsmpp"))
    simulator.start()
    yield simulator
    simulator.stop()


def channel_to(simulator: Jsmpp, password: str = PASSWORD, **more: Any) -> SmppChannel:
    ids = {"answered_id": "hex", "reported_id": "decimal"}
    account = Smpp(
        host="127.0.0.1", port=simulator.port, system_id=SYSTEM_ID, password_env="PASSWORD",
        binds=2, **{**ids, **more},
    )  # fmt: skip
    return SmppChannel(Real(), {LANE: account}, {LANE: password}, split, Random(1))


def message(n: int, text: str) -> Message:
    now_ms = Real().now_ms()
    return Message(
        f"{n:032x}:1", f"+86138{n:08d}", text, now_ms + 60_000, sender="12123",
        expiry_ms=now_ms + 10**6,
    )  # fmt: skip


async def brought(channel: SmppChannel, receipts: int) -> tuple[list[Receipt], list[Reply]]:
    """What comes until there are so many receipts."""
    found: list[Receipt] = []
    replies: list[Reply] = []
    async with asyncio.timeout(PATIENCE_S):
        while len(found) < receipts:
            collected = await channel.collect()
            found += collected.receipts
            replies += collected.replies
            await channel.acknowledge(collected.token)
            if not collected.receipts:
                await channel.arrived()
    return found, replies


async def test_what_it_takes_is_reported_under_ids_of_another_base(simulator: Jsmpp) -> None:
    before = simulator.taken()
    channel = channel_to(simulator)
    texts = ["hello" if n % 2 else LONG for n in range(100)]
    outcomes = await channel.send(LANE, [message(n, t) for n, t in enumerate(texts)], 10_000)
    refs = {outcome.ref for outcome in outcomes if isinstance(outcome, Accepted)}
    receipts, _ = await brought(channel, 100)
    await channel.close()
    assert len(refs) == 100
    assert {receipt.ref for receipt in receipts} == refs
    assert {receipt.status for receipt in receipts} == {"delivered"}
    assert simulator.taken() - before == sum(count(text).segments for text in texts)


async def test_ids_that_are_not_made_comparable_find_nothing(simulator: Jsmpp) -> None:
    channel = channel_to(simulator, answered_id="text", reported_id="text")
    (outcome,) = await channel.send(LANE, [message(1, "hello")], 5_000)
    ((receipt,), _) = await brought(channel, 1)
    await channel.close()
    assert isinstance(outcome, Accepted)
    assert receipt.ref == str(int(outcome.ref, 16))
    assert receipt.ref != outcome.ref


async def test_its_greeting_is_a_reply(simulator: Jsmpp) -> None:
    channel = channel_to(simulator)
    await channel.send(LANE, [message(1, "hello")], 5_000)
    _, replies = await brought(channel, 1)
    while not replies:
        replies += (await channel.collect()).replies
        await asyncio.sleep(0.1)
    await channel.close()
    assert {reply.text for reply in replies} == {"Hello World"}


async def test_another_password_is_refused(simulator: Jsmpp) -> None:
    channel = channel_to(simulator, password="other")
    (outcome,) = await channel.send(LANE, [message(1, "hello")], 5_000)
    await channel.close()
    assert isinstance(outcome, NotSent)
    assert "ESME_RINVPASWD" in outcome.reason
