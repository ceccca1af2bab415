"""The SMPP channel against node-smpp: the contract of every channel, and what is SMPP's own."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from random import Random
from typing import Any, ClassVar

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from msgspec.structs import replace

from channels import carrier_inbox
from channels.base import (
    Accepted,
    LateAnswer,
    Message,
    NotSent,
    Permanent,
    Receipt,
    Throttled,
    Unknown,
)
from channels.smpp_account import Smpp
from channels.sms_smpp import SmppChannel
from hub.clock import Real, Scaled
from templates.segments import count, split
from tests.channels.gateway_bench import GatewayBench, brought, written
from tests.contracts.channel_contract import CLOSE_MS, ChannelContract, kinds
from tests.peers.node_smpp import NodeGateway

pytestmark = pytest.mark.peers

LANE = "sms-cmcc"
FAR_MS = 60_000
QUIET_S = 0.5
"""Longer than the gateway delays anything but an answer that is to be late."""

KINDS = {
    "": "00", "throttled": "01", "transient": "02", "bad_recipient": "03", "bad_content": "04",
    "bad_account": "05", "answer_lost": "06", "answer_late": "07", "unknown": "08",
    "undelivered": "09", "receipt_lost": "10", "receipt_repeated": "11", "conflicting": "12",
    "receipt_early": "13", "receipt_late": "14", "other_bind": "15", "odd_spelling": "16",
    "part_throttled": "17", "part_lost": "18", "bad_sender": "19", "replied": "20",
}  # fmt: skip
LONG = "【交管12123】" + "您的车辆有一条交通违法记录，请及时处理😀" * 8


def message(n: int, behaviour: str = "", text: str = "【交管12123】限速", **more: Any) -> Message:
    before_ms = more.pop("call_before_ms", 0) or Real().now_ms() + FAR_MS
    to = f"+86138{KINDS[behaviour]}{n:06d}"
    return Message(f"{n:032x}:1", to, text, before_ms, sender="12123", **more)


def account(gateway: NodeGateway, **more: Any) -> Smpp:
    who = {"host": "127.0.0.1", "port": gateway.port, "system_id": "fenghuo"}
    usual = {"password_env": "PASSWORD", "binds": 2, "answered_id": "hex"}
    return Smpp(**{**who, **usual, "codes": {"0x401": "content"}, **more})


def open_channel(gateway: NodeGateway, **more: Any) -> SmppChannel:
    return SmppChannel(Real(), {LANE: account(gateway, **more)}, {LANE: "secret"}, split, Random(1))


class SmppBench(GatewayBench):
    can = frozenset(KINDS) - {""} | {"receipt", "stop"}
    quiet_s = QUIET_S
    made = staticmethod(message)
    more: ClassVar[dict[str, Any]] = {}
    gateway: NodeGateway

    def opened(self) -> SmppChannel:
        return open_channel(self.gateway, **self.more)


class ExtendedBench(SmppBench):
    echoes = True
    more: ClassVar[dict[str, Any]] = {"extension_digits": 4}


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[NodeGateway]:
    gateway = NodeGateway(tmp_path / "ledger.jsonl", receiptIds="decimal")
    gateway.start()
    yield gateway
    gateway.kill()


class TestSmppChannel(ChannelContract):
    bench_type = SmppBench

    @pytest.fixture
    async def bench(self, gateway: NodeGateway) -> AsyncIterator[GatewayBench]:
        bench = SmppBench(gateway)
        yield bench
        await bench.channel.close()


class TestSmppChannelWithExtensions(ChannelContract):
    bench_type = ExtendedBench

    @pytest.fixture
    async def bench(self, gateway: NodeGateway) -> AsyncIterator[GatewayBench]:
        bench = ExtendedBench(gateway)
        yield bench
        await bench.channel.close()


@pytest.fixture
async def channel(gateway: NodeGateway) -> AsyncIterator[SmppChannel]:
    channel = open_channel(gateway)
    yield channel
    await channel.close()


async def receipts(channel: SmppChannel) -> list[Receipt]:
    return [receipt for found in await brought(channel, QUIET_S) for receipt in found.receipts]


async def both_bound(gateway: NodeGateway) -> None:
    for _ in range(200):
        if gateway.counts()["bound"] == 2:
            break
        await asyncio.sleep(0.05)
    assert gateway.counts()["bound"] == 2


# Long texts


async def test_a_long_text_arrives_whole_in_as_many_parts_as_are_counted(
    gateway: NodeGateway, channel: SmppChannel
) -> None:
    (outcome,) = await channel.send(LANE, [message(1, text=LONG)], CLOSE_MS)
    taken = gateway.taken()
    assert "".join(part["text"] for part in taken) == LONG
    assert len(taken) == count(LONG).segments
    assert [part["part"] for part in taken] == list(range(1, len(taken) + 1))
    assert isinstance(outcome, Accepted)
    assert outcome.ref.split() == [str(part["id"]) for part in taken]


async def test_all_parts_are_needed_for_delivered(channel: SmppChannel) -> None:
    (outcome,) = await channel.send(LANE, [message(1, text=LONG)], CLOSE_MS)
    assert isinstance(outcome, Accepted)
    assert [(r.ref, r.status) for r in await receipts(channel)] == [(outcome.ref, "delivered")]
    await channel.send(LANE, [message(2, "part_lost", text=LONG)], CLOSE_MS)
    assert await receipts(channel) == []


async def test_one_part_undelivered_is_the_message_undelivered(channel: SmppChannel) -> None:
    (outcome,) = await channel.send(LANE, [message(1, "undelivered", text=LONG)], CLOSE_MS)
    assert isinstance(outcome, Accepted)
    whole, *parts = await receipts(channel)
    assert (whole.ref, whole.status) == (outcome.ref, "undelivered")
    assert {part.ref for part in parts} < set(outcome.ref.split())


async def test_who_forgot_what_belongs_together_is_told_of_each_part(
    gateway: NodeGateway, channel: SmppChannel
) -> None:
    (outcome,) = await channel.send(LANE, [message(1, text=LONG)], CLOSE_MS)
    assert isinstance(outcome, Accepted)
    await asyncio.sleep(0.2)  # reported, and not collected
    await channel.close()
    again = open_channel(gateway)
    assert {r.ref for r in await receipts(again)} == set(outcome.ref.split())
    await again.close()


async def test_a_part_refused_for_rate_is_written_again(
    gateway: NodeGateway, channel: SmppChannel
) -> None:
    outcomes = await channel.send(LANE, [message(1, "part_throttled", text=LONG)], CLOSE_MS)
    assert kinds(outcomes) == [Accepted]
    assert sorted(part["part"] for part in gateway.taken()) == [1, 2, 3]


async def test_latin_letters_go_in_seven_bits(gateway: NodeGateway, channel: SmppChannel) -> None:
    text = "Fine of [100] yuan: see 122.gov.cn " * 5
    assert kinds(await channel.send(LANE, [message(1, text=text)], CLOSE_MS)) == [Accepted]
    assert [part["coding"] for part in gateway.taken()] == [0, 0]
    assert "".join(part["text"] for part in gateway.taken()) == text


# What is said of a message


async def test_a_refused_sender_is_the_senders_fault(channel: SmppChannel) -> None:
    assert await channel.send(LANE, [message(1, "bad_sender")], CLOSE_MS) == [
        Permanent("0x0a", "sender")
    ]


async def test_what_is_no_number_is_refused_here(
    gateway: NodeGateway, channel: SmppChannel
) -> None:
    bad = replace(message(1), to="somebody@example.org")
    assert await channel.send(LANE, [bad], CLOSE_MS) == [Permanent("no number", "recipient")]
    assert gateway.taken() == []


async def test_a_message_is_of_no_use_after_its_expiry(
    gateway: NodeGateway, channel: SmppChannel
) -> None:
    now_ms = Real().now_ms()
    await channel.send(LANE, [message(1, expiry_ms=now_ms + 3_600_000), message(2)], CLOSE_MS)
    with_expiry, without = gateway.taken()
    until = datetime.fromisoformat(with_expiry["validity"]).timestamp() * 1000
    assert abs(until - now_ms - 3_600_000) < 5_000
    assert not without["validity"]


async def test_odd_spelling_and_the_other_bind_change_nothing(channel: SmppChannel) -> None:
    outcomes = await channel.send(
        LANE, [message(1, "odd_spelling"), message(2, "other_bind")], CLOSE_MS
    )
    refs = {outcome.ref for outcome in outcomes if isinstance(outcome, Accepted)}
    found = await receipts(channel)
    assert len(refs) == 2
    assert {r.ref for r in found} == refs
    assert {r.status for r in found} == {"delivered"}


async def test_a_reply_is_brought_and_kept_until_it_is_durable(gateway: NodeGateway) -> None:
    channel = open_channel(gateway, extension_digits=4)
    sent = message(1, "replied")
    await channel.send(LANE, [sent], CLOSE_MS)
    replies = [reply for found in await brought(channel, QUIET_S) for reply in found.replies]
    assert [(r.lane, r.source, r.text, r.attempt) for r in replies] == [
        (LANE, sent.to, "TD 退订", sent.attempt)
    ]
    assert replies[0].to.startswith("12123")
    assert len(replies[0].to) == 9
    assert gateway.counts()["owed"] == 0
    await channel.close()


async def test_a_receipt_finds_its_message_though_the_answer_was_lost(
    gateway: NodeGateway,
) -> None:
    channel = open_channel(gateway, extension_digits=4)
    sent = message(1, "answer_lost")
    assert await channel.send(LANE, [sent], CLOSE_MS) == [None]
    assert [r.attempt for r in await receipts(channel)] == [sent.attempt]
    await channel.close()


# Links


def test_on_the_loop_that_the_hub_runs_on(gateway: NodeGateway) -> None:
    async def talk() -> None:
        channel = open_channel(gateway)
        assert kinds(await channel.send(LANE, [message(1), message(2)], CLOSE_MS)) == [Accepted] * 2
        assert len(await receipts(channel)) == 2
        await channel.close()

    uvloop.run(talk())
    assert gateway.counts()["owed"] == 0


async def test_a_link_cut_between_messages_is_made_anew(
    gateway: NodeGateway, channel: SmppChannel
) -> None:
    assert kinds(await channel.send(LANE, [message(1)], CLOSE_MS)) == [Accepted]
    gateway.tell("cut")
    await asyncio.sleep(0.1)
    assert kinds(await channel.send(LANE, [message(2)], CLOSE_MS)) == [Accepted]


async def test_a_carrier_that_was_away_is_found_again(
    gateway: NodeGateway, channel: SmppChannel
) -> None:
    await channel.send(LANE, [message(1)], CLOSE_MS)
    gateway.kill()
    assert kinds(await channel.send(LANE, [message(2)], CLOSE_MS)) in ([NotSent], [Unknown])
    gateway.start()
    for n in range(3, 50):
        outcomes = await channel.send(LANE, [message(n)], CLOSE_MS)
        if kinds(outcomes) == [Accepted]:
            break
        await asyncio.sleep(0.2)
    assert kinds(outcomes) == [Accepted]
    assert len(gateway.taken()) == 2


async def test_a_wrong_password_is_tried_seldom_and_said_once(
    gateway: NodeGateway, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Scaled(30, Real().now_ms())  # two minutes in four seconds
    channel = SmppChannel(clock, {LANE: account(gateway)}, {LANE: "wrong"}, split, Random(1))
    far_ms = clock.now_ms() + 10**9
    (outcome,) = await channel.send(LANE, [message(1, call_before_ms=far_ms)], CLOSE_MS)
    assert isinstance(outcome, NotSent)
    assert "ESME_RINVPASWD" in outcome.reason
    await asyncio.sleep(4)
    assert 2 <= gateway.counts()["binds"] <= 6
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    await channel.close()


async def test_a_silent_link_is_asked_and_then_cut(
    gateway: NodeGateway, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Scaled(30, Real().now_ms())
    channel = SmppChannel(clock, {LANE: account(gateway)}, {LANE: "secret"}, split, Random(1))
    await channel.collect()
    await both_bound(gateway)
    await asyncio.sleep(2)  # a minute, in which it answered when it was asked
    assert gateway.counts()["binds"] == 2
    assert not caplog.records
    gateway.pause()
    await asyncio.sleep(2)
    assert any("fell silent" in record.message for record in caplog.records)
    gateway.resume()
    await channel.close()


async def test_who_stood_still_asks_before_it_cuts(
    gateway: NodeGateway, caplog: pytest.LogCaptureFixture
) -> None:
    """A process that was stopped, or a machine that slept, finds a carrier that is well."""
    clock = Stopped()
    channel = SmppChannel(clock, {LANE: account(gateway)}, {LANE: "secret"}, split, Random(1))
    await channel.collect()
    await both_bound(gateway)
    clock.stood_ms = 600_000
    await asyncio.sleep(1)
    assert gateway.counts()["binds"] == 2
    assert not caplog.records
    before_ms = clock.now_ms() + FAR_MS
    outcomes = await channel.send(LANE, [message(1, call_before_ms=before_ms)], CLOSE_MS)
    assert kinds(outcomes) == [Accepted]
    await channel.close()


class Stopped(Real):
    """Time as whoever stood still for a while sees it."""

    stood_ms = 0

    def now_ms(self) -> int:
        return super().now_ms() + self.stood_ms


async def test_by_tls_to_whom_the_authority_vouches_for(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    gateway = NodeGateway(tmp_path / "tls.jsonl", key=str(key), cert=str(certificate))
    gateway.start()
    trusting = open_channel(gateway, tls=True, tls_ca=str(certificate))
    assert kinds(await trusting.send(LANE, [message(1)], CLOSE_MS)) == [Accepted]
    await trusting.close()
    wary = open_channel(gateway, tls=True)
    (outcome,) = await wary.send(LANE, [message(2)], CLOSE_MS)
    assert isinstance(outcome, NotSent)
    assert "certificate" in outcome.reason.lower()
    await wary.close()
    gateway.kill()
    assert len(gateway.taken()) == 1


async def test_noise_from_the_carrier_is_said_and_survived(
    gateway: NodeGateway, channel: SmppChannel, caplog: pytest.LogCaptureFixture
) -> None:
    await channel.send(LANE, [message(1)], CLOSE_MS)
    await both_bound(gateway)
    malformed = "0000001400000005000000000000000901020304"
    unknown = "0000001000000666000000000000000a"
    gateway.tell("write", hex=malformed + unknown)
    gateway.tell("enquire")
    await asyncio.sleep(0.1)
    assert kinds(await channel.send(LANE, [message(2)], CLOSE_MS)) == [Accepted]
    assert sum("malformed" in record.message for record in caplog.records) == 2  # on each bind
    gateway.tell("write", hex="ffffffff" * 4)
    await asyncio.sleep(0.1)
    assert sum("is garbage" in record.message for record in caplog.records) == 2
    await asyncio.sleep(0.1)
    await both_bound(gateway)
    assert kinds(await channel.send(LANE, [message(3)], CLOSE_MS)) == [Accepted]


async def test_a_flood_is_bounded_and_loses_nothing(
    gateway: NodeGateway, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(carrier_inbox, "KEPT_MAX", 500)
    channel = open_channel(gateway)
    await channel.send(LANE, [message(1)], CLOSE_MS)
    await receipts(channel)
    gateway.tell("flood", times=2_000)
    await asyncio.sleep(0.5)
    assert kinds(await channel.send(LANE, [message(2, "receipt_lost")], CLOSE_MS)) == [Accepted]
    assert any("told to wait" in record.message for record in caplog.records)
    assert sorted(await written(channel, 2_000)) == sorted(f"TD {n}" for n in range(2_000))
    await channel.close()


async def test_throttled_for_a_while_nothing_is_lost(
    gateway: NodeGateway, channel: SmppChannel
) -> None:
    gateway.tell("throttle", ms=300)
    outcomes = await channel.send(LANE, [message(n) for n in range(20)], CLOSE_MS)
    assert set(kinds(outcomes)) <= {Throttled, Accepted}
    assert kinds(outcomes)[0] is Throttled
    assert len(gateway.taken()) == kinds(outcomes).count(Accepted)


async def test_a_late_answer_of_a_lost_link_is_unknown(
    gateway: NodeGateway, channel: SmppChannel
) -> None:
    late = message(1, "answer_lost")
    assert await channel.send(LANE, [late], CLOSE_MS) == [None]
    gateway.tell("cut")
    answers = [answer for found in await brought(channel, QUIET_S) for answer in found.late]
    assert [(a.attempt, type(a.outcome)) for a in answers] == [(late.attempt, Unknown)]
    assert isinstance(answers[0], LateAnswer)


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate for loopback that vouches for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "gateway")])
    today = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(certificate.public_bytes(pem))
    (folder / "key.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "cert.pem", folder / "key.pem"
