"""Waiting by the hub's clock."""

import asyncio

from channels.waiting import until


class Standing:
    """A clock on which nobody's time is over until it is told so."""

    def __init__(self) -> None:
        self.over = asyncio.Event()
        self.asked_ms: list[int] = []

    def now_ms(self) -> int:
        return 0

    async def sleep_ms(self, ms: int) -> None:
        self.asked_ms.append(ms)
        await self.over.wait()


async def test_it_ends_when_the_event_rings() -> None:
    event, clock = asyncio.Event(), Standing()
    waiting = asyncio.create_task(until(event, clock, 50))
    await asyncio.sleep(0)
    assert not waiting.done()
    event.set()
    await waiting
    assert clock.asked_ms == [50]


async def test_it_ends_when_the_time_is_over() -> None:
    event, clock = asyncio.Event(), Standing()
    waiting = asyncio.create_task(until(event, clock, 50))
    await asyncio.sleep(0)
    clock.over.set()
    await waiting
    assert not event.is_set()


async def test_where_no_time_is_left_nothing_is_waited_for() -> None:
    clock = Standing()
    await until(asyncio.Event(), clock, 0)
    await until(asyncio.Event(), clock, -1)
    assert clock.asked_ms == []
