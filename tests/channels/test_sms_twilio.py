"""Text messages by Twilio, before our simulator of it and before servers that misbehave."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from channels import couriers
from channels.base import Accepted, LateAnswer, NotSent, Permanent, Transient, Unknown
from channels.finding import Sought
from channels.sms_twilio import SmsTwilio
from channels.twilio_account import Account
from tests.channels.callback_bench import FAR
from tests.channels.twilio_bench import NUMBER_OF, SENDER, TwilioBench, account
from tests.contracts.channel_contract import CLOSE_MS, Bench, ChannelContract, kinds
from tests.contracts.clocks import RealClock


def make(clock: RealClock, told: Account) -> SmsTwilio:
    return SmsTwilio(clock, told, lambda lane: lane == "sms-abroad-allowed")


class SmsBench(TwilioBench):
    def __init__(self) -> None:
        super().__init__("sms-abroad", make)


@pytest.fixture
async def bench() -> AsyncIterator[SmsBench]:
    bench = SmsBench()
    await bench.open()
    yield bench
    await bench.close()


class TestSmsTwilio(ChannelContract):
    bench_type = SmsBench

    @pytest.fixture
    async def bench(self, bench: SmsBench) -> Bench:
        return bench


async def test_a_report_names_the_attempt_and_what_twilio_calls_it(bench: SmsBench) -> None:
    message = bench.message(1)
    (outcome,) = await bench.send(message)
    (receipt,) = await bench.receipts()
    assert isinstance(outcome, Accepted)
    assert (receipt.attempt, receipt.ref, receipt.lane, receipt.status) == (
        message.attempt, outcome.ref, bench.lane, "delivered",
    )  # fmt: skip


async def test_what_is_asked_for_is_what_was_written(bench: SmsBench) -> None:
    message = bench.message(1)
    await bench.send(message)
    (entry,) = bench.sandbox.entries
    assert (entry.to, entry.sender, entry.body) == (message.to, SENDER, message.text)
    assert entry.callback == f"{bench.door.url}/callbacks/twilio/sms/sms-abroad/{1:032x}/1"


async def test_a_messaging_service_is_named_as_one(bench: SmsBench) -> None:
    bench.connect(sender="MG" + "1" * 32)
    assert kinds(await bench.send(bench.message(1))) == [Accepted]
    assert bench.sandbox.entries[0].sender == "MG" + "1" * 32


async def test_numbers_of_the_mainland_stay_here_until_a_lane_is_allowed(bench: SmsBench) -> None:
    message = bench.message(1)
    home = type(message)(message.attempt, "+8613800138000", message.text, FAR)
    (outcome,) = await bench.send(home)
    assert outcome == Permanent("transfer_not_allowed", "lane")
    assert bench.sandbox.entries == []
    allowed = await bench.channel.send("sms-abroad-allowed", [home], CLOSE_MS)
    assert kinds(allowed) == [Accepted]


async def test_a_callback_tells_what_a_lost_answer_would_have(bench: SmsBench) -> None:
    message = bench.message(1, "unknown")
    assert kinds(await bench.send(message)) == [Unknown]
    await bench.sandbox.settled()
    assert bench.door.accepted() == [(message.attempt, bench.sandbox.entries[0].sid)]
    assert len(bench.sandbox.entries) == 1


async def test_a_servers_error_proves_nothing(bench: SmsBench) -> None:
    assert kinds(await bench.send(bench.message(1, "server_error"))) == [Unknown]
    assert len(bench.sandbox.entries) == 1


async def test_a_server_that_never_answers_holds_nobody_longer_than_the_limit(
    bench: SmsBench,
) -> None:
    bench.sandbox.hung = True
    bench.connect(answer_s=0.3)
    began_ms = bench.now_ms()
    outcomes = await bench.channel.send(bench.lane, [bench.message(n) for n in range(3)], 5_000)
    assert kinds(outcomes) == [Unknown] * 3
    assert bench.now_ms() - began_ms < 2_000


async def test_a_connection_that_is_not_made_by_the_deadline_sent_nothing(
    bench: SmsBench,
) -> None:
    bench.connect(api_url="http://192.0.2.1:9")  # reserved for documentation: nobody is there
    soon_ms = bench.now_ms() + 100
    began_ms = bench.now_ms()
    outcomes = await bench.channel.send(
        bench.lane, [bench.message(1, call_before_ms=soon_ms)], 5_000
    )
    assert kinds(outcomes) == [NotSent]
    assert bench.now_ms() - began_ms < 2_000


async def test_closing_hangs_up_on_what_is_not_answered(
    bench: SmsBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(couriers, "CLOSE_S", 0.2)
    bench.connect(connections=1)
    sending = asyncio.create_task(
        bench.channel.send(bench.lane, [bench.message(1, "answer_lost"), bench.message(2)], 60_000)
    )
    await asyncio.sleep(0.2)
    await bench.channel.close()
    assert kinds(await asyncio.wait_for(sending, 5)) == [Unknown, NotSent]
    assert bench.taken() == [bench.message(1).attempt]


async def test_an_answer_that_comes_too_late_is_told_later(bench: SmsBench) -> None:
    bench.connect(answer_s=1.2)
    lost = bench.message(1, "answer_lost")
    assert await bench.send(lost) == [None]
    await asyncio.wait_for(bench.channel.arrived(), 5)
    collected = await bench.channel.collect()
    while not collected.late:
        await asyncio.wait_for(bench.channel.arrived(), 5)
        collected = await bench.channel.collect()
    assert collected.late == (LateAnswer(bench.lane, lost.attempt, Unknown("SocketTimeoutError")),)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"", Unknown),
        (b"HTTP/1.1 201 Created\r\ncontent-length: 3\r\n\r\n<p>", Unknown),
        (b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\n{}", Unknown),
        (b"HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n", Unknown),
        (b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n", Unknown),
        (b"nonsense\r\n\r\n", Unknown),
        (b"HTTP/1.1 400 No\r\ncontent-length: 0\r\n\r\n", Transient),
        (b"HTTP/1.1 403 No\r\ncontent-length: 0\r\n\r\n", Permanent),
    ],
)
async def test_what_a_server_may_answer(answer: bytes, kind: type) -> None:
    requests = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        await reader.readuntil(b"\r\n\r\n")
        requests += 1
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        channel = make(RealClock(), account(url, "http://127.0.0.1:1"))
        message = SmsBench().message(1)
        assert kinds(await channel.send("sms-abroad", [message], 5_000)) == [kind]
        await channel.close()
    assert requests == 1  # whatever was answered, nobody asked again


def sought(bench: SmsBench, attempt: str, to: str, text: str, since_ms: int) -> Sought:
    return Sought(bench.lane, attempt, to, text, since_ms, since_ms + 10_000)


async def test_a_lost_create_is_found_in_the_list(bench: SmsBench) -> None:
    began_ms = bench.now_ms()
    lost = bench.message(1, "silent")
    bench.connect(answer_s=0.3)
    assert kinds(await bench.send(lost)) == [Unknown]
    await bench.send(bench.message(2))
    (found,) = await bench.channel.find(sought(bench, lost.attempt, lost.to, lost.text, began_ms))
    assert found.ref == bench.sandbox.entries[0].sid
    assert found.report is None
    assert len(bench.sandbox.entries) == 2


async def test_the_list_tells_how_it_ended(bench: SmsBench) -> None:
    began_ms = bench.now_ms()
    message = bench.message(1, "undelivered")
    await bench.send(message)
    await bench.sandbox.settled()
    (found,) = await bench.channel.find(
        sought(bench, message.attempt, message.to, message.text, began_ms)
    )
    assert found.report is not None
    assert (found.report.status, found.report.code) == ("undelivered", "30003")


async def test_a_list_of_long_texts_is_read(bench: SmsBench) -> None:
    began_ms = bench.now_ms()
    messages = [
        replace(bench.message(n), to=SENDER, text=f"{n:04d}" + "字" * 1_596) for n in range(60)
    ]
    assert set(kinds(await bench.send_many(*messages))) == {Accepted}
    last = messages[-1]
    (found,) = await bench.channel.find(sought(bench, last.attempt, last.to, last.text, began_ms))
    assert found.ref in {entry.sid for entry in bench.sandbox.entries}


async def test_what_only_resembles_it_is_not_found(bench: SmsBench) -> None:
    began_ms = bench.now_ms()
    message = bench.message(1)
    await bench.send(message)
    find = bench.channel.find
    other = sought(bench, message.attempt, message.to, "other words", began_ms)
    assert await find(other) == []
    earlier = sought(bench, message.attempt, message.to, message.text, began_ms - 3_600_000)
    assert await find(earlier) == []
    elsewhere = sought(bench, message.attempt, NUMBER_OF["silent"], message.text, began_ms)
    assert await find(elsewhere) == []


async def test_a_provider_that_cannot_be_asked_has_nothing_found(bench: SmsBench) -> None:
    await bench.sandbox.stop()
    assert not await bench.channel.find(sought(bench, "00:1", "+15551234567", "x", 0))


def test_no_secret_is_shown() -> None:
    assert "not-a-secret" not in repr(account("http://x", "http://y"))
