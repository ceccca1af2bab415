"""Couriers, each with one message at a time: whose fault it is that a batch closed too early."""

import asyncio

import pytest

from channels.base import Accepted, Message, NotSent, Outcome, Unknown
from channels.couriers import Couriers
from tests.contracts.clocks import RealClock

CLOSE_MS = 100


class Stuck:
    """Has an outcome for the first messages, and none for those behind them."""

    def __init__(self, *outcomes: Outcome) -> None:
        self._outcomes = list(outcomes)
        self.going_on = asyncio.Event()

    async def deliver(self, lane: str, message: Message) -> Outcome:
        if self._outcomes:
            return self._outcomes.pop(0)
        await self.going_on.wait()
        return Unknown("timeout")


async def sent(*outcomes: Outcome) -> list[Outcome | None]:
    """What becomes of one message more than there are outcomes for, and of two behind it."""
    courier = Stuck(*outcomes)
    couriers = Couriers(RealClock(), [courier])
    messages = [Message(f"{n}:1", "+8613800138000", "x", 10**13) for n in range(len(outcomes) + 3)]
    found = await couriers.send("lane", messages, CLOSE_MS)
    courier.going_on.set()
    await couriers.finish(5)
    assert found[:-2] == [*outcomes, None]
    return found[-2:]


async def test_what_a_provider_at_work_was_not_asked_yet_says_nothing_of_it() -> None:
    for waiting in await sent(Accepted("1")):
        assert isinstance(waiting, NotSent)
        assert waiting.ours


@pytest.mark.parametrize(
    "outcomes",
    [(), (Unknown("timeout"),), (NotSent("connection refused"),)],
    ids=["silent", "times out", "not there"],
)
async def test_behind_a_provider_that_takes_nothing_it_is_its_fault(
    outcomes: tuple[Outcome, ...],
) -> None:
    for waiting in await sent(*outcomes):
        assert isinstance(waiting, NotSent)
        assert not waiting.ours
