"""Every request that our channels make, judged by Twilio's own description of its interface.

The judge stands between the channel and our sandbox, so that the sandbox's answers are judged, too:
it must not be easier to please than what it plays.
"""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from msgspec.structs import replace

from channels.base import Message
from channels.finding import Sought
from channels.sms_twilio import SmsTwilio
from channels.twilio_channel import TwilioChannel
from channels.twilio_sandbox import TwilioSandbox
from channels.voice_twilio import VoiceTwilio
from tests.channels.callback_bench import FAR
from tests.channels.twilio_bench import SID, TOKEN, account
from tests.contracts.channel_contract import kinds
from tests.contracts.clocks import RealClock
from tests.peers.prism import Prism

pytestmark = pytest.mark.peers

HUB = "https://hub.example"
TO = "+15551230001"


@pytest.fixture
async def sandbox() -> AsyncIterator[TwilioSandbox]:
    sandbox = TwilioSandbox(RealClock(), SID, TOKEN)
    sandbox.deaf = True
    await sandbox.start()
    yield sandbox
    await sandbox.stop()


@pytest.fixture
def judge(sandbox: TwilioSandbox, tmp_path: Path) -> Iterator[Prism]:
    with Prism(tmp_path / "prism.log", sandbox.url) as prism:
        yield prism


def message(n: int, expiry_ms: int = 0) -> Message:
    return Message(f"{n:032x}:1", TO, "您有一条 违法记录 & more", FAR, expiry_ms=expiry_ms)


async def creates(channel: TwilioChannel, *messages: Message) -> list[str]:
    try:
        outcomes = await channel.send("a lane", messages, 30_000)
    finally:
        await channel.close()
    return [kind.__name__ for kind in kinds(outcomes)]


async def lists(channel: TwilioChannel) -> int:
    """How many entries are listed; an answer that breaks the document is an error."""
    client, _ = channel.client()
    try:
        return len(list(await channel.listed(client, TO)))
    finally:
        await channel.close()


async def test_text_messages(judge: Prism, sandbox: TwilioSandbox) -> None:
    told = replace(account(judge.url, HUB), answer_s=20)
    clock = RealClock()
    soon = message(2, clock.now_ms() + 3_600_000)
    past = message(3, clock.now_ms() + 3_600_000_000)
    made = await creates(SmsTwilio(clock, told, bool), message(1), soon, past)
    assert made == ["Accepted"] * 3
    service = replace(told, sender="MG" + "a" * 32)
    assert await creates(SmsTwilio(clock, service, bool), message(4)) == ["Accepted"]
    assert len(sandbox.entries) == 4
    assert await lists(SmsTwilio(clock, told, bool)) == 4


async def test_calls(judge: Prism, sandbox: TwilioSandbox) -> None:
    told = replace(account(judge.url, HUB), answer_s=20)
    clock = RealClock()
    assert await creates(VoiceTwilio(clock, told, bool), message(1)) == ["Accepted"]
    (entry,) = sandbox.entries
    assert entry.body.startswith("<Response><Gather")
    assert await lists(VoiceTwilio(clock, told, bool)) == 1


async def test_what_is_listed_is_found(judge: Prism, sandbox: TwilioSandbox) -> None:
    told = replace(account(judge.url, HUB), answer_s=20)
    clock = RealClock()
    channel = SmsTwilio(clock, told, bool)
    began_ms = clock.now_ms()
    await channel.send("a lane", [message(1)], 30_000)
    sought = Sought("a lane", message(1).attempt, TO, message(1).text, began_ms, began_ms + 60_000)
    found = await channel.find(sought)
    await channel.close()
    assert [match.ref for match in found] == [sandbox.entries[0].sid]


async def test_the_judge_refuses_what_is_wrong(judge: Prism, sandbox: TwilioSandbox) -> None:
    """Else the others would prove nothing."""
    async with httpx.AsyncClient(
        base_url=judge.url, auth=(SID, TOKEN), trust_env=False, timeout=20
    ) as client:
        path = f"/2010-04-01/Accounts/{SID}/Messages.json"
        nobody = await client.post(path, data={"Body": "x", "From": "+15550001000"})
        odd = await client.post(
            path, data={"To": TO, "Body": "x", "From": "+15550001000", "ValidityPeriod": "soon"}
        )
    assert (nobody.status_code, odd.status_code) == (422, 422)
    assert sandbox.entries == []


async def test_the_judge_refuses_what_is_answered_wrong(
    judge: Prism, sandbox: TwilioSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox.model, "shown", lambda entry: {"sid": entry.sid, "status": "odd"})
    told = replace(account(judge.url, HUB), answer_s=20)
    assert await creates(SmsTwilio(RealClock(), told, bool), message(1)) == ["Unknown"]
