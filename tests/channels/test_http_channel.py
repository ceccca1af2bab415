"""Lanes that describe their provider: before the sandbox of one, and before servers that
misbehave."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from channels import couriers
from channels.base import (
    Accepted,
    Message,
    NotSent,
    Outcome,
    Permanent,
    Throttled,
    Transient,
    Unknown,
)
from channels.http_channel import HttpChannel
from channels.lanes_file import LanesError
from channels.sandbox import read_ledger
from tests.channels.callback_bench import FAR
from tests.channels.http_bench import NUMBER_OF, SECRETS, VOICE, HttpBench, declared
from tests.channels.odd_servers import Talk, of, served, silent
from tests.contracts.channel_contract import CLOSE_MS, Bench, ChannelContract, kinds
from tests.contracts.clocks import RealClock


class VoiceBench(HttpBench):
    def __init__(self) -> None:
        super().__init__(VOICE, "voice-example", "voice_http")

    def usual(self, n: int) -> str:
        return NUMBER_OF["hangs_up"]  # a key would be a report of its own


@pytest.fixture
async def bench() -> AsyncIterator[HttpBench]:
    bench = HttpBench()
    await bench.open()
    yield bench
    await bench.close()


@pytest.fixture
async def calls() -> AsyncIterator[VoiceBench]:
    bench = VoiceBench()
    await bench.open()
    yield bench
    await bench.close()


class TestSmsHttp(ChannelContract):
    bench_type = HttpBench

    @pytest.fixture
    async def bench(self, bench: HttpBench) -> Bench:
        return bench


class TestVoiceHttp(ChannelContract):
    bench_type = VoiceBench

    @pytest.fixture
    async def bench(self, calls: VoiceBench) -> Bench:
        return calls


async def test_the_provider_gets_what_was_written(bench: HttpBench) -> None:
    message = bench.message(1)
    (outcome,) = await bench.send(message)
    (entry,) = read_ledger(bench.ledger)
    assert isinstance(outcome, Accepted)
    assert (entry.ref, entry.attempt, entry.lane) == (outcome.ref, message.attempt, "sms-http")


async def test_a_report_names_the_attempt_and_what_the_provider_calls_it(bench: HttpBench) -> None:
    message = bench.message(1)
    (outcome,) = await bench.send(message)
    (receipt,) = await bench.receipts()
    assert isinstance(outcome, Accepted)
    assert (receipt.attempt, receipt.ref, receipt.lane, receipt.status) == (
        message.attempt, outcome.ref, bench.lane, "delivered",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("behaviour", "taken"), [("server_error", 1), ("dropped", 0), ("not_sent", 0)]
)
async def test_without_an_answer_that_can_be_read_nothing_is_known(
    bench: HttpBench, behaviour: str, taken: int
) -> None:
    assert kinds(await bench.send(bench.message(1, behaviour))) == [Unknown]
    assert len(bench.taken()) == taken


async def test_a_throttled_request_says_how_long_to_wait(bench: HttpBench) -> None:
    assert await bench.send(bench.message(1, "throttled")) == [Throttled("4290", 1_000)]


@pytest.mark.parametrize(
    ("secrets", "outcome"),
    [
        ({"key": "wrong", "callback": "x"}, Permanent("4010", "account")),
        (SECRETS, None),
    ],
)
async def test_a_wrong_signature_is_the_accounts_trouble(
    bench: HttpBench, secrets: dict[str, str], outcome: Permanent | None
) -> None:
    bench.connect(secrets)
    (found,) = await bench.send(bench.message(1))
    assert found == outcome if outcome else isinstance(found, Accepted)


async def test_a_report_that_nobody_took_is_brought_again(bench: HttpBench) -> None:
    bench.door.fails = 1
    await bench.send(bench.message(1))
    bench.idle_s = 2
    assert [receipt.status for receipt in await bench.receipts()] == ["delivered"]


async def test_a_server_that_never_answers_holds_nobody_longer_than_the_limit(
    bench: HttpBench,
) -> None:
    bench.sandbox.hung = True
    bench.connect(answer_ms=300)
    began_ms = bench.now_ms()
    outcomes = await bench.channel.send(bench.lane, [bench.message(n) for n in range(3)], 5_000)
    assert kinds(outcomes) == [Unknown] * 3
    assert bench.now_ms() - began_ms < 2_000


async def test_a_connection_that_is_not_made_by_the_deadline_sent_nothing(
    bench: HttpBench,
) -> None:
    bench.connect(url="http://192.0.2.1:9/v1/messages")  # reserved for documentation
    soon_ms = bench.now_ms() + 100
    began_ms = bench.now_ms()
    outcomes = await bench.channel.send(
        bench.lane, [bench.message(1, call_before_ms=soon_ms)], 5_000
    )
    assert kinds(outcomes) == [NotSent]
    assert bench.now_ms() - began_ms < 2_000


async def test_a_slow_provider_holds_up_no_other(bench: HttpBench) -> None:
    other = replace(bench.http, url=f"{bench.sandbox.url}/v1/messages", connections=1)
    async with served(silent) as address:
        slow = replace(other, url=f"http://{address}/", answer_ms=600)
        accounts = {"slow": slow, "quick": other}
        channel = HttpChannel(
            bench.clock, accounts, dict.fromkeys(accounts, SECRETS), bench.door.url, "sms_http"
        )
        waiting = asyncio.create_task(channel.send("slow", [bench.message(9)], 5_000))
        await asyncio.sleep(0.05)
        assert kinds(await channel.send("quick", [bench.message(1)], CLOSE_MS)) == [Accepted]
        assert not waiting.done()
        assert kinds(await waiting) == [Unknown]
        await channel.close()


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"", Unknown),
        (b"nonsense\r\n\r\n", Unknown),
        (of("200 OK", "<p>"), Unknown),
        (of("200 OK", '{"code": "0"}'), Unknown),
        (of("200 OK", '{"code": "0", "data": {"id": "x"}}'), Accepted),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 90\r\n\r\nhalf", Unknown),
        (of("302 Found", "", "location: /elsewhere"), Unknown),
        (of("503 Busy"), Unknown),
        (of("400 No"), Transient),
        (of("403 No"), Permanent),
        (of("429 Slow", "", "retry-after: 3"), Throttled),
        (of("200 OK", '{"code": "0", "data": {"id": "x"}}' + " " * 70_000), Unknown),
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

    assert kinds([await asked_once(talk)]) == [kind]
    assert requests == 1  # whatever was answered, nobody asked again


async def asked_once(talk: Talk) -> Outcome | None:
    """What comes of one message to a server of the test's own."""
    async with served(talk) as address:
        http = replace(declared(), url=f"http://{address}/")
        channel = HttpChannel(RealClock(), {"a": http}, {"a": SECRETS}, "http://hub", "sms_http")
        message = Message("00" * 16 + ":1", "+8613800138000", "x", FAR)
        try:
            (outcome,) = await channel.send("a", [message], 5_000)
        finally:
            await channel.close()
    return outcome


async def test_closing_hangs_up_on_what_is_not_answered(
    bench: HttpBench, monkeypatch: pytest.MonkeyPatch
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


async def test_a_secret_of_two_lines_is_said_at_once() -> None:
    secrets = {**SECRETS, "key": "two\nlines"}
    with pytest.raises(LanesError, match="lane a: the secret key must be one line"):
        HttpChannel(RealClock(), {"a": declared()}, {"a": secrets}, "http://hub", "sms_http")


async def test_an_authoritys_file_that_is_not_there_is_said_at_once() -> None:
    http = replace(declared(), url="https://sms.example/", tls_ca="/nowhere/ca.pem")
    with pytest.raises(LanesError, match=r"lane a: http\.tls_ca: /nowhere/ca\.pem"):
        HttpChannel(RealClock(), {"a": http}, {"a": SECRETS}, "http://hub", "sms_http")


async def test_what_speaks_no_tls_sent_nothing() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 No\r\n\r\n")
        writer.close()

    async with served(talk) as address:
        http = replace(declared(), url=f"https://{address}/")
        channel = HttpChannel(RealClock(), {"a": http}, {"a": SECRETS}, "http://hub", "sms_http")
        message = Message("00" * 16 + ":1", "+8613800138000", "x", FAR)
        assert kinds(await channel.send("a", [message], 5_000)) == [NotSent]
        await channel.close()
