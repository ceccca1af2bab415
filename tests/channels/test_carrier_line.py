"""The queue before a lane's binds: whose fault it is that a batch closed before its turn."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from random import Random

import pytest

from bench.smpp_peer import Peer
from channels import carrier_inbox
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


@asynccontextmanager
async def channel_to(peer: type[Peer]) -> AsyncIterator[SmppChannel]:
    """By one bind with a window of one."""
    server = await asyncio.get_running_loop().create_server(peer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    account = Smpp(
        host="127.0.0.1", port=port, system_id="fenghuo", password_env="-", window=WINDOW
    )
    channel = SmppChannel(Real(), {LANE: account}, {LANE: ""}, split, Random(1))
    async with server:
        yield channel
        await channel.close()


async def sent(channel: SmppChannel, count: int) -> Sequence[Outcome | None]:
    """What becomes of so many messages."""
    far_ms = Real().now_ms() + 60_000
    messages = [
        Message(f"{n:032x}:1", "+8613800138000", "x", far_ms, sender="12123") for n in range(count)
    ]
    return await channel.send(LANE, messages, CLOSE_MS)


async def test_what_a_carrier_at_work_was_not_asked_yet_says_nothing_of_it() -> None:
    async with channel_to(Slow) as channel:
        outcomes = await sent(channel, 20)
    assert isinstance(outcomes[0], Accepted)
    last = outcomes[-1]
    assert isinstance(last, NotSent)
    assert last.ours


async def test_behind_a_window_full_of_what_a_carrier_never_answers_it_is_its_fault() -> None:
    async with channel_to(Silent) as channel:
        first, *others = await sent(channel, 20)
    assert first is None
    assert all(isinstance(one, NotSent) and not one.ours for one in others)


async def test_who_has_too_many_reports_in_hand_sends_nothing_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They would be refused and come again, for ever under load; it is no fault of the carrier."""
    monkeypatch.setattr(carrier_inbox, "CROWDED", 3)
    async with channel_to(Peer) as channel:
        outcomes = await sent(channel, 6)
        assert [type(one) for one in outcomes] == [Accepted] * 3 + [NotSent] * 3
        assert all(one.ours for one in outcomes if isinstance(one, NotSent))
        told = await channel.collect()
        assert len(told.receipts) == 3
        going_on = asyncio.create_task(sent(channel, 3))
        await channel.acknowledge(told.token)
        assert [type(one) for one in await going_on] == [Accepted] * 3
