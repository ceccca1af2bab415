"""The queue before a lane's binds: whose fault it is that a batch closed before its turn."""

import asyncio
from collections.abc import Sequence
from random import Random

from bench.smpp_peer import Peer
from channels.base import Accepted, Message, NotSent, Outcome
from channels.smpp_account import Smpp
from channels.sms_smpp import SmppChannel
from hub.clock import Real
from templates.segments import split

LANE = "sms-cmcc"
WINDOW = 1
CLOSE_MS = 300


class Slow(Peer):
    """A carrier that takes its time over every submit."""

    SUBMIT_S = 0.1

    def answer(self, pdu: bytes, answers: list[bytes], reports: list[bytes]) -> None:
        mine: list[bytes] = []
        super().answer(pdu, mine, [])
        if self.counts.taken:
            asyncio.get_running_loop().call_later(
                self.SUBMIT_S, self._transport.write, b"".join(mine)
            )
        else:
            answers += mine


class Silent(Peer):
    """A carrier that lets us in and answers no submit, but whatever else it is asked."""

    def answer(self, pdu: bytes, answers: list[bytes], reports: list[bytes]) -> None:
        taken = self.counts.taken
        mine: list[bytes] = []
        super().answer(pdu, mine, [])
        answers += mine if self.counts.taken == taken else []


async def sent(peer: type[Peer], count: int) -> Sequence[Outcome | None]:
    """What becomes of so many messages, by one bind with a window of one."""
    server = await asyncio.get_running_loop().create_server(peer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    account = Smpp(
        host="127.0.0.1", port=port, system_id="fenghuo", password_env="-", window=WINDOW
    )
    clock = Real()
    channel = SmppChannel(clock, {LANE: account}, {LANE: ""}, split, Random(1))
    far_ms = clock.now_ms() + 60_000
    messages = [
        Message(f"{n:032x}:1", "+8613800138000", "x", far_ms, sender="12123") for n in range(count)
    ]
    async with server:
        outcomes = await channel.send(LANE, messages, CLOSE_MS)
        await channel.close()
    return outcomes


async def test_what_a_carrier_at_work_was_not_asked_yet_says_nothing_of_it() -> None:
    outcomes = await sent(Slow, 20)
    assert isinstance(outcomes[0], Accepted)
    last = outcomes[-1]
    assert isinstance(last, NotSent)
    assert last.ours


async def test_behind_a_window_full_of_what_a_carrier_never_answers_it_is_its_fault() -> None:
    first, *others = await sent(Silent, 20)
    assert first is None
    assert all(isinstance(one, NotSent) and not one.ours for one in others)
