"""A channel on a carrier's gateway, as the contract of every channel wants it."""

import asyncio
from collections.abc import Callable, Sequence

from channels.base import Channel, Collected, Message
from hub.clock import Real
from tests.contracts.channel_contract import Bench
from tests.peers.gateway import Gateway

PATIENCE_S = 20
"""For what must come: a gateway stands still for seconds when the machine is busy."""


class GatewayBench(Bench):
    """Subclasses name what their gateway ``can`` and its messages. ``quiet_s`` is longer than it
    delays anything but an answer that is to be late."""

    lane = "sms-cmcc"
    takes_twice = True
    echoes = False
    quiet_s: float
    made: Callable[..., Message]

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.clock = Real()
        self.channel = self.opened()
        self._attempts: dict[str, str] = {}

    def opened(self) -> Channel:
        """A new channel to the gateway."""
        raise NotImplementedError

    def message(self, n: int, behaviour: str = "", call_before_ms: int = 0) -> Message:
        made = type(self).made(n, behaviour, call_before_ms=call_before_ms)
        self._attempts[made.to] = made.attempt
        return made

    def now_ms(self) -> int:
        return self.clock.now_ms()

    async def pass_ms(self, ms: int) -> None:
        await asyncio.sleep(ms / 1000)

    async def collected(self, acknowledge: bool = True) -> list[Collected]:
        """All that comes until the gateway is quiet."""
        found = []
        while True:
            collected = await self.channel.collect()
            found.append(collected)
            if acknowledge:
                await self.channel.acknowledge(collected.token)
            try:
                await asyncio.wait_for(self.channel.arrived(), self.quiet_s)
            except TimeoutError:
                return found

    def hold(self) -> None:
        self.gateway.tell("hold")

    def release(self) -> None:
        self.gateway.tell("release")

    def taken(self) -> Sequence[str]:
        return [self._attempts["+" + entry["to"]] for entry in self.gateway.taken()]

    async def stop_provider(self) -> None:
        self.gateway.kill()

    async def reconnect(self) -> None:
        await self.channel.close()
        self.channel = self.opened()


async def brought(channel: Channel, quiet_s: float) -> list[Collected]:
    """All that comes until the gateway is quiet, acknowledged."""
    found = []
    while True:
        collected = await channel.collect()
        found.append(collected)
        await channel.acknowledge(collected.token)
        if collected.next_ms and collected.next_ms <= Real().now_ms():
            continue
        try:
            await asyncio.wait_for(channel.arrived(), quiet_s)
        except TimeoutError:
            return found


async def written(channel: Channel, many: int) -> list[str]:
    """What people wrote, until it is so many, acknowledged."""
    texts: list[str] = []
    async with asyncio.timeout(PATIENCE_S):
        while len(texts) < many:
            collected = await channel.collect()
            texts += [reply.text for reply in collected.replies]
            await channel.acknowledge(collected.token)
            if not collected.replies:
                await channel.arrived()
    return texts
