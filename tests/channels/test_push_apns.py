"""Push to Apple's devices, before a real HTTP/2 server that answers as Apple says it does."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from channels.base import Accepted, NotSent, Permanent, Throttled, Transient, Unknown
from channels.push_account import Apns
from channels.push_apns import PLAIN_MAX, TOKEN_S
from tests.channels.apns_bench import PEM, ApnsBench
from tests.contracts.channel_contract import Bench, ChannelContract, kinds

MINUTE_MS = 60_000


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[ApnsBench]:
    bench = ApnsBench(tmp_path)
    await bench.open()
    yield bench
    await bench.close()


class TestPushApns(ChannelContract):
    bench_type = ApnsBench

    @pytest.fixture
    async def bench(self, bench: ApnsBench) -> Bench:
        return bench


async def test_apple_is_told_whose_app_for_whom_and_what(bench: ApnsBench) -> None:
    message = replace(bench.message(1), expiry_ms=1_800_000_000_999)
    (outcome,) = await bench.send(message)
    (taken,) = bench.apple.taken
    assert bench.apple.versions == {"2"}
    assert taken.device == "ok1"
    assert taken.payload == {"aps": {"alert": {"title": message.subject, "body": message.text}}}
    assert taken.headers["apns-topic"] == "cn.gov.app"
    assert taken.headers["apns-push-type"] == "alert"
    assert taken.headers["apns-expiration"] == "1800000000"
    assert (taken.claims["iss"], taken.claims["kid"]) == ("TEAM567890", "KEY4567890")
    assert outcome == Accepted("ID-1")


@pytest.mark.parametrize(
    ("cls", "priority"), [("emergency", "10"), ("status", "10"), ("bulletin", "5"), ("", "10")]
)
async def test_urgent_is_what_its_class_says(bench: ApnsBench, cls: str, priority: str) -> None:
    await bench.send(replace(bench.message(1), cls=cls))
    assert bench.apple.taken[0].headers["apns-priority"] == priority


async def test_two_sends_of_one_message_have_one_name_on_the_device(bench: ApnsBench) -> None:
    first = bench.message(1)
    again = replace(first, attempt=first.attempt.replace(":1", ":4"))
    assert kinds(await bench.send(first) + await bench.send(again)) == [Accepted] * 2
    assert {taken.headers["apns-collapse-id"] for taken in bench.apple.taken} == {f"{1:032x}"}


async def test_one_token_serves_for_forty_minutes(bench: ApnsBench) -> None:
    def tokens() -> list[str]:
        return [taken.headers["authorization"] for taken in bench.apple.taken]

    await bench.send(bench.message(1), bench.message(2))
    bench.clock.ahead_ms = TOKEN_S * 1_000 - MINUTE_MS
    await bench.send(bench.message(3))
    assert len(set(tokens())) == 1
    bench.clock.ahead_ms = TOKEN_S * 1_000 + MINUTE_MS
    await bench.send(bench.message(4))
    assert len(set(tokens())) == 2
    assert 20 * 60 < TOKEN_S < 60 * 60, "Apple's own limits"


@pytest.mark.parametrize(
    ("behaviour", "outcome"),
    [
        ("bad_recipient", Permanent("Unregistered", "recipient")),
        ("bad_token", Permanent("BadDeviceToken", "recipient")),
        ("bad_content", Permanent("PayloadTooLarge", "content")),
        ("sender", Permanent("InvalidProviderToken", "sender")),
        ("transient", Transient("ServiceUnavailable")),
        ("throttled", Throttled("TooManyRequests", 7_000)),
        ("unknown", Unknown("HTTP 502")),
    ],
)
async def test_what_an_answer_means(bench: ApnsBench, behaviour: str, outcome: object) -> None:
    assert await bench.send(bench.message(1, behaviour)) == [outcome]


@pytest.mark.parametrize("to", ["", "apns:", "apns:../x", "token", "https://push.example/1#a.b"])
async def test_what_is_no_devices_token(bench: ApnsBench, to: str) -> None:
    outcomes = await bench.send(replace(bench.message(1), to=to))
    assert outcomes == [Permanent("BadDeviceToken", "recipient")]
    assert bench.taken() == []


async def test_a_message_that_apple_does_not_take(bench: ApnsBench) -> None:
    outcomes = await bench.send(replace(bench.message(1), text="长" * PLAIN_MAX))
    assert outcomes == [Permanent("PayloadTooLarge", "content")]


async def test_a_service_that_never_answers_holds_nobody_longer_than_the_limit(
    bench: ApnsBench,
) -> None:
    bench.connect(answer_s=0.3)
    began_ms = bench.now_ms()
    outcomes = await bench.channel.send(bench.lane, [bench.message(1, "answer_lost")], 10_000)
    assert kinds(outcomes) == [Unknown]
    assert bench.now_ms() - began_ms < 3_000


async def test_a_server_that_is_not_who_it_says_gets_nothing(bench: ApnsBench) -> None:
    """Its certificate is nobody's that this machine trusts."""
    account = bench.channel._account._replace(ca_file="")
    stranger = type(bench.channel)(bench.clock, account)
    assert kinds(await stranger.send(bench.lane, [bench.message(1)], 5_000)) == [NotSent]
    await stranger.close()
    assert bench.taken() == []


def test_no_secret_is_shown() -> None:
    assert "PRIVATE" not in repr(Apns(PEM, "k", "t", "app"))
