"""Push to browsers, before a service that opens what it is brought, and before odd ones."""

import asyncio
import json
from collections.abc import AsyncIterator

import http_ece
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from msgspec.structs import replace

from channels.base import Accepted, Permanent, Throttled, Transient, Unknown
from channels.push_account import WebPush
from channels.push_address import read_subscription
from channels.push_web import PLAIN_MAX, encrypted
from tests.channels.push_bench import CONTACT, PushBench
from tests.contracts.channel_contract import Bench, ChannelContract, kinds

HOUR_MS = 3_600_000


@pytest.fixture
async def bench() -> AsyncIterator[PushBench]:
    bench = PushBench()
    await bench.open()
    yield bench
    await bench.close()


class TestPushWeb(ChannelContract):
    bench_type = PushBench

    @pytest.fixture
    async def bench(self, bench: PushBench) -> Bench:
        return bench


async def test_the_device_opens_what_was_written(bench: PushBench) -> None:
    message = bench.message(1)
    await bench.send(message)
    (taken,) = bench.service.taken
    assert taken.shown == {
        "title": message.subject,
        "body": message.text,
        "tag": "0" * 31 + "1",
        "proof": f"https://hub.example/push-web/{message.attempt}",
    }


async def test_the_service_learns_who_sends_and_nothing_of_what(bench: PushBench) -> None:
    await bench.send(bench.message(1))
    (taken,) = bench.service.taken
    assert (taken.claims["sub"], taken.claims["aud"]) == (CONTACT, bench.service.url)
    ends_s = bench.now_ms() // 1_000 + 12 * 3_600
    assert ends_s - 5 <= taken.claims["exp"] <= ends_s
    assert "咨询" not in json.dumps(taken.headers)


@pytest.mark.parametrize("text", ["短", "长" * 60])
async def test_the_length_tells_nothing_of_a_message(bench: PushBench, text: str) -> None:
    await bench.send(replace(bench.message(1), text=text))
    assert int(bench.service.taken[0].headers["Content-Length"]) == 512 + 103


@pytest.mark.parametrize(
    ("cls", "urgency"),
    [
        ("emergency", "high"),
        ("code", "high"),
        ("notice", "normal"),
        ("reminder", "normal"),
        ("bulletin", "low"),
        ("", "normal"),
    ],
)
async def test_urgent_is_what_its_class_says(bench: PushBench, cls: str, urgency: str) -> None:
    await bench.send(replace(bench.message(1), cls=cls))
    assert bench.service.taken[0].headers["Urgency"] == urgency


@pytest.mark.parametrize(
    ("expires_in_ms", "ttl_s"), [(HOUR_MS, 3_600), (90 * 24 * HOUR_MS, 2_419_200), (-1, 0)]
)
async def test_the_service_keeps_it_until_its_expiry(
    bench: PushBench, expires_in_ms: int, ttl_s: int
) -> None:
    expiry_ms = bench.now_ms() + expires_in_ms
    await bench.send(replace(bench.message(1), expiry_ms=expiry_ms))
    assert ttl_s - 2 <= int(bench.service.taken[0].headers["TTL"]) <= ttl_s


async def test_two_sends_of_one_message_show_once(bench: PushBench) -> None:
    first = bench.message(1)
    again = replace(first, attempt=first.attempt.replace(":1", ":4"))
    assert kinds(await bench.send(first) + await bench.send(again)) == [Accepted] * 2
    await bench.send(bench.message(2))
    assert len(bench.service.taken) == 3
    assert [taken.shown["body"] for taken in bench.service.screen().values()] == [
        first.text, "请打开查看 2",
    ]  # fmt: skip
    assert len({taken.shown["tag"] for taken in bench.service.taken}) == 2


async def test_one_token_an_origin_serves_for_eleven_hours(bench: PushBench) -> None:
    def tokens() -> set[str]:
        return {taken.headers["Authorization"] for taken in bench.service.taken}

    await bench.send(bench.message(1), bench.message(2))
    bench.clock.ahead_ms = 11 * HOUR_MS - 5_000
    await bench.send(bench.message(3))
    assert len(tokens()) == 1
    bench.clock.ahead_ms = 11 * HOUR_MS + 5_000
    await bench.send(bench.message(4))
    assert len(tokens()) == 2


@pytest.mark.parametrize(
    ("behaviour", "outcome"),
    [
        ("bad_recipient", Permanent("410", "recipient")),
        ("bad_content", Permanent("413", "content")),
        ("sender", Permanent("403", "sender")),
        ("transient", Transient("503")),
        ("throttled", Throttled("429", 7_000)),
        ("unknown", Unknown("HTTP 500")),
    ],
)
async def test_what_an_answer_means(bench: PushBench, behaviour: str, outcome: object) -> None:
    assert await bench.send(bench.message(1, behaviour)) == [outcome]


async def test_an_address_of_elsewhere_is_never_called(bench: PushBench) -> None:
    here = bench.message(1)
    bench.connect(hosts=("push.example", "*.push.example"))
    assert await bench.send(here) == [Permanent("host_not_allowed", "lane")]
    assert bench.taken() == []


@pytest.mark.parametrize("address", ["", "token", "apns:00ff", "https://push.example/1#x.y"])
async def test_what_is_no_subscription_is_refused(bench: PushBench, address: str) -> None:
    outcomes = await bench.send(replace(bench.message(1), to=address))
    assert outcomes == [Permanent("not_a_subscription", "recipient")]


async def test_a_key_that_is_no_point_of_the_curve(bench: PushBench) -> None:
    endpoint, _, keys = bench.message(1).to.partition("#")
    odd = f"{endpoint}#B{'A' * 85}E.{keys.partition('.')[2]}"
    assert read_subscription(odd) is not None
    outcomes = await bench.send(replace(bench.message(1), to=odd))
    assert outcomes == [Permanent("not_a_subscription", "recipient")]


async def test_a_message_that_no_service_takes(bench: PushBench) -> None:
    outcomes = await bench.send(replace(bench.message(1), text="长" * PLAIN_MAX))
    assert outcomes == [Permanent("413", "content")]
    assert bench.taken() == []


async def test_a_service_that_never_answers_holds_nobody_longer_than_the_limit(
    bench: PushBench,
) -> None:
    bench.connect(answer_s=0.2, connect_s=0.2)
    began_ms = bench.now_ms()
    outcomes = await bench.channel.send(bench.lane, [bench.message(1, "answer_lost")], 10_000)
    assert kinds(outcomes) == [Unknown]
    assert bench.now_ms() - began_ms < 2_000


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"", Unknown),
        (b"HTTP/1.1 20", Unknown),
        (b"HTTP/1.1 307 Away\r\nlocation: /\r\ncontent-length: 0\r\n\r\n", Unknown),
        (b"HTTP/1.1 400 What\r\ncontent-length: 0\r\n\r\n", Transient),
        (b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n", Accepted),
    ],
)  # fmt: skip
async def test_what_a_server_may_answer(bench: PushBench, answer: bytes, kind: type) -> None:
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
        message = bench.message(1)
        there = replace(message, to=message.to.replace(bench.service.url, url))
        bench.connect(hosts=(url,))
        assert kinds(await bench.channel.send(bench.lane, [there], 5_000)) == [kind]
        await bench.channel.close()
    assert requests == 1, "whatever was answered, nobody asked again"


def test_as_the_standard_shows_it() -> None:
    """What the device of RFC 8291 appendix A is sent, it opens with its private key there."""
    secret = "BTBZMqHH6r4Tts7J_aSIgg"
    point = (
        "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
    )
    to = read_subscription(f"https://push.example/1#{point}.{secret}")
    assert to is not None
    private = int.from_bytes(
        bytes.fromhex("ab5757a70dd4a53e553a6bbf71ffefea2874ec07a6b379e3c48f895a02dc33de")
    )
    device = ec.derive_private_key(private, ec.SECP256R1())
    body = encrypted(b"When I grow up, I want to be a watermelon", to)
    assert body is not None
    opened = http_ece.decrypt(body, private_key=device, auth_secret=to.secret)
    assert opened == b"When I grow up, I want to be a watermelon"


def test_no_secret_is_shown() -> None:
    assert "secret" not in repr(WebPush(CONTACT, b"a-secret"))
