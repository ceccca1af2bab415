"""Waiting by the hub's clock."""

import asyncio

from channels.base import Clock


async def until(event: asyncio.Event, clock: Clock, at_most_ms: int) -> None:
    """Until it rings, at most so long; not at all where that is 0 or less."""
    if event.is_set() or at_most_ms <= 0:
        return
    racers = (asyncio.create_task(event.wait()), asyncio.create_task(clock.sleep_ms(at_most_ms)))
    try:
        await asyncio.wait(racers, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for racer in racers:
            racer.cancel()
