"""Calls by Twilio, before our simulator of it."""

from collections.abc import AsyncIterator

import pytest

from channels.base import Accepted, Permanent, Unknown
from channels.finding import Sought
from channels.twilio_account import Account
from channels.voice_twilio import VoiceTwilio
from tests.channels.twilio_bench import SENDER, TwilioBench
from tests.contracts.channel_contract import Bench, ChannelContract, kinds
from tests.contracts.clocks import RealClock


def make(clock: RealClock, told: Account) -> VoiceTwilio:
    return VoiceTwilio(clock, told, lambda lane: False)


class VoiceBench(TwilioBench):
    def __init__(self) -> None:
        super().__init__("voice-abroad", make)


@pytest.fixture
async def bench() -> AsyncIterator[VoiceBench]:
    bench = VoiceBench()
    await bench.open()
    yield bench
    await bench.close()


class TestVoiceTwilio(ChannelContract):
    bench_type = VoiceBench

    @pytest.fixture
    async def bench(self, bench: VoiceBench) -> Bench:
        return bench


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        ("", ("delivered", "human", "")),
        ("hangs_up", ("delivered", "human", "")),
        ("no_answer", ("undelivered", "no-answer", "again")),
        ("busy", ("undelivered", "busy", "again")),
        ("machine", ("undelivered", "machine_start", "again")),
        ("wrong_number", ("undelivered", "failed 404", "never")),
    ],
)
async def test_what_a_call_comes_to(
    bench: VoiceBench, behaviour: str, said: tuple[str, str, str]
) -> None:
    message = bench.message(1, behaviour)
    (outcome,) = await bench.send(message)
    assert isinstance(outcome, Accepted)
    await bench.sandbox.settled()
    (receipt,) = bench.door.receipts()
    assert (receipt.status, receipt.code, receipt.then) == said
    assert (receipt.attempt, receipt.ref) == (message.attempt, outcome.ref)


async def test_the_call_says_the_text_and_asks_us_about_keys(bench: VoiceBench) -> None:
    message = bench.message(1)
    await bench.send(message)
    await bench.sandbox.settled()
    (entry,) = bench.sandbox.entries
    assert (entry.to, entry.sender) == (message.to, SENDER)
    assert entry.heard[0] == message.text
    base = f"{bench.door.url}/callbacks/twilio/voice/voice-abroad/{1:032x}/1"
    assert entry.callback == base
    assert f'action="{base}/keys/1"' in entry.body


async def test_nobody_of_the_mainland_is_called_from_abroad(bench: VoiceBench) -> None:
    message = bench.message(1)
    home = type(message)(message.attempt, "+8613800138000", "您好", message.call_before_ms)
    assert await bench.send(home) == [Permanent("transfer_not_allowed", "lane")]
    assert bench.sandbox.entries == []


async def test_a_lost_call_is_found_in_the_list(bench: VoiceBench) -> None:
    began_ms = bench.now_ms()
    bench.connect(answer_s=0.3)
    lost = bench.message(1, "silent")
    assert kinds(await bench.send(lost)) == [Unknown]
    sought = Sought(bench.lane, lost.attempt, lost.to, lost.text, began_ms, began_ms + 1_000)
    (found,) = await bench.channel.find(sought)
    assert (found.ref, found.report) == (bench.sandbox.entries[0].sid, None)
    assert len(bench.sandbox.entries) == 1


async def test_the_list_tells_how_a_call_ended(bench: VoiceBench) -> None:
    began_ms = bench.now_ms()
    message = bench.message(1, "machine")
    await bench.send(message)
    await bench.sandbox.settled()
    sought = Sought(bench.lane, message.attempt, message.to, "", began_ms, began_ms + 1_000)
    (found,) = await bench.channel.find(sought)
    assert found.report is not None
    assert (found.report.code, found.report.then) == ("machine_start", "again")
