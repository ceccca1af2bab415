"""The CMPP channel, in both versions, against SMSGate: the contract of every channel, and what is
CMPP's own."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from random import Random
from typing import Any, ClassVar

import pytest
from msgspec.structs import replace

from channels import carrier_inbox
from channels import cmpp_codec as codec
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
from channels.cmpp_account import Cmpp
from channels.sms_cmpp import CmppChannel
from hub.clock import Real, Scaled
from templates.segments import count, split
from tests.channels import cmpp_tables as tables
from tests.channels.gateway_bench import GatewayBench, brought, written
from tests.contracts.channel_contract import CLOSE_MS, ChannelContract, kinds
from tests.peers.sms_core import PROTOCOLS, CmppGateway

pytestmark = pytest.mark.peers

LANE = "sms-cmcc"
FAR_MS = 60_000
QUIET_S = 1.0
"""Longer than the gateway delays anything but an answer that is to be late, and a tick on top."""


KINDS = {
    "": "00", "throttled": "01", "transient": "02", "bad_recipient": "03", "bad_content": "04",
    "bad_account": "05", "answer_lost": "06", "answer_late": "07", "unknown": "08",
    "undelivered": "09", "receipt_lost": "10", "receipt_repeated": "11", "conflicting": "12",
    "receipt_early": "13", "receipt_late": "14", "other_bind": "15", "wrong_network": "16",
    "part_throttled": "17", "part_lost": "18", "bad_sender": "19", "replied": "20",
    "cut_untaken": "21",
}  # fmt: skip
LONG = "【交管12123】" + "您的车辆有一条交通违法记录，请及时处理😀" * 8
BEIJING = timezone(timedelta(hours=8))


def message(n: int, behaviour: str = "", text: str = "【交管12123】限速", **more: Any) -> Message:
    before_ms = more.pop("call_before_ms", 0) or Real().now_ms() + FAR_MS
    to = f"+86138{KINDS[behaviour]}{n:06d}"
    return Message(f"{n:032x}:1", to, text, before_ms, sender="12123", **more)


def account(gateway: CmppGateway, version: str, **more: Any) -> Cmpp:
    who = {"host": "127.0.0.1", "port": gateway.ports[version], "source_addr": "901783"}
    usual = {"password_env": "SECRET", "binds": 2, "service_id": "NOTICE"}
    return Cmpp(**{**who, **usual, **more})


def open_channel(gateway: CmppGateway, version: str, **more: Any) -> CmppChannel:
    cmpp = account(gateway, version, **more)
    return CmppChannel(Real(), {LANE: cmpp}, {LANE: "secret"}, split, Random(1), version)


class CmppBench(GatewayBench):
    can = frozenset(KINDS) - {""} | {"receipt", "stop"}
    quiet_s = QUIET_S
    made = staticmethod(message)
    more: ClassVar[dict[str, Any]] = {}
    gateway: CmppGateway

    def __init__(self, gateway: CmppGateway, version: str) -> None:
        self.version = version
        super().__init__(gateway)

    def opened(self) -> CmppChannel:
        return open_channel(self.gateway, self.version, **self.more)


class ExtendedBench(CmppBench):
    echoes = True
    more: ClassVar[dict[str, Any]] = {"extension_digits": 4}


@pytest.fixture(scope="module")
def warm() -> Iterator[CmppGateway]:
    gateway = CmppGateway()
    yield gateway
    gateway.kill()


@pytest.fixture
def gateway(warm: CmppGateway, tmp_path: Path) -> CmppGateway:
    warm.begin(tmp_path / "ledger.jsonl")
    return warm


@pytest.mark.parametrize("version", PROTOCOLS)
class TestCmppChannel(ChannelContract):
    bench_type = CmppBench

    @pytest.fixture
    async def bench(self, gateway: CmppGateway, version: str) -> AsyncIterator[GatewayBench]:
        bench = CmppBench(gateway, version)
        yield bench
        await bench.channel.close()


class TestCmppChannelWithExtensions(ChannelContract):
    bench_type = ExtendedBench

    @pytest.fixture
    async def bench(self, gateway: CmppGateway) -> AsyncIterator[GatewayBench]:
        bench = ExtendedBench(gateway, "cmpp2")
        yield bench
        await bench.channel.close()


@pytest.fixture(params=PROTOCOLS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def channel(gateway: CmppGateway, version: str) -> AsyncIterator[CmppChannel]:
    channel = open_channel(gateway, version)
    yield channel
    await channel.close()


async def receipts(channel: CmppChannel) -> list[Receipt]:
    return [receipt for found in await brought(channel, QUIET_S) for receipt in found.receipts]


async def both_bound(gateway: CmppGateway, binds: int = 2) -> None:
    """Both links are up, and so many were made since the beginning."""
    for _ in range(200):
        counts = gateway.counts()
        if counts["binds"] >= binds and counts["bound"] == 2:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"not bound: {counts}")


# What a submit says


async def test_the_gateway_reads_what_the_contract_says(gateway: CmppGateway, version: str) -> None:
    channel = open_channel(gateway, version, fee_user_type=3, fee_type="02", fee_code="10")
    (outcome,) = await channel.send(LANE, [replace(message(1), sender="106575")], CLOSE_MS)
    (taken,) = gateway.taken()
    assert outcome == Accepted(taken["id"])
    named = ("source", "service", "payer", "fee", "from", "to", "report", "udhi")
    assert [taken[name] for name in named] == [
        "901783", "NOTICE", 3, "02 10", "106575", "8613800000001", True, 0,
    ]  # fmt: skip
    assert taken["whole"] == "【交管12123】限速"
    await channel.close()


async def test_a_long_text_arrives_whole_in_as_many_parts_as_are_counted(
    gateway: CmppGateway, channel: CmppChannel
) -> None:
    (outcome,) = await channel.send(LANE, [message(1, text=LONG)], CLOSE_MS)
    taken = gateway.taken()
    assert taken[-1]["whole"] == LONG
    assert len(taken) == count(LONG).segments
    assert [part["part"] for part in taken] == list(range(1, len(taken) + 1))
    assert {(part["parts"], part["udhi"]) for part in taken} == {(len(taken), 1)}
    assert isinstance(outcome, Accepted)
    assert outcome.ref.split() == [part["id"] for part in taken]


async def test_all_parts_are_needed_for_delivered(channel: CmppChannel) -> None:
    (outcome,) = await channel.send(LANE, [message(1, text=LONG)], CLOSE_MS)
    assert isinstance(outcome, Accepted)
    assert [(r.ref, r.status) for r in await receipts(channel)] == [(outcome.ref, "delivered")]
    await channel.send(LANE, [message(2, "part_lost", text=LONG)], CLOSE_MS)
    assert await receipts(channel) == []


async def test_a_part_refused_for_rate_is_written_again(
    gateway: CmppGateway, channel: CmppChannel
) -> None:
    outcomes = await channel.send(LANE, [message(1, "part_throttled", text=LONG)], CLOSE_MS)
    assert kinds(outcomes) == [Accepted]
    assert sorted(part["part"] for part in gateway.taken()) == [1, 2, 3]


async def test_ascii_goes_an_octet_a_character(gateway: CmppGateway, channel: CmppChannel) -> None:
    text = "Fine of [100] yuan: see 122.gov.cn " * 5
    assert kinds(await channel.send(LANE, [message(1, text=text)], CLOSE_MS)) == [Accepted]
    assert [part["coding"] for part in gateway.taken()] == [0, 0]
    assert gateway.taken()[-1]["whole"] == text


async def test_letters_that_cmpp_has_no_alphabet_for_arrive_all_the_same(
    gateway: CmppGateway, channel: CmppChannel
) -> None:
    text = "Amende à payer: café " * 7
    assert count(text).segments == 1
    assert kinds(await channel.send(LANE, [message(1, text=text)], CLOSE_MS)) == [Accepted]
    assert gateway.taken()[-1]["whole"] == text
    assert len(gateway.taken()) == 3


async def test_a_message_is_of_no_use_after_its_expiry(
    gateway: CmppGateway, channel: CmppChannel
) -> None:
    soon_ms = Real().now_ms() + 3_600_000 + 500
    await channel.send(LANE, [message(1, expiry_ms=soon_ms), message(2)], CLOSE_MS)
    assert sorted(part["validity"] for part in gateway.taken()) == ["", "000000010000000R"]


# What is said of a message


async def test_another_lane_may_reach_who_is_not_served_here(
    gateway: CmppGateway, channel: CmppChannel
) -> None:
    outcomes = await channel.send(LANE, [message(1, "wrong_network"), message(2)], CLOSE_MS)
    assert outcomes[0] == Permanent("9", "lane")
    assert len(gateway.taken()) == 1


async def test_a_refused_sender_is_the_senders_fault(channel: CmppChannel) -> None:
    assert await channel.send(LANE, [message(1, "bad_sender")], CLOSE_MS) == [
        Permanent("10", "sender")
    ]


async def test_a_carriers_own_results_go_first(gateway: CmppGateway) -> None:
    channel = open_channel(gateway, "cmpp3", codes={"7": "throttled"})
    assert await channel.send(LANE, [message(1, "bad_account")], CLOSE_MS) == [Throttled("7")]
    await channel.close()


@pytest.mark.parametrize("sender", ["", "TRAFFIC", "1" * 22])
async def test_without_a_service_number_nothing_goes(gateway: CmppGateway, sender: str) -> None:
    channel = open_channel(gateway, "cmpp2")
    odd = replace(message(1), sender=sender)
    assert await channel.send(LANE, [odd], CLOSE_MS) == [Permanent("no sender", "sender")]
    assert gateway.taken() == []
    await channel.close()


async def test_a_report_keeps_the_networks_own_word(channel: CmppChannel) -> None:
    (outcome,) = await channel.send(LANE, [message(1, "undelivered")], CLOSE_MS)
    assert isinstance(outcome, Accepted)
    (receipt,) = await receipts(channel)
    assert (receipt.ref, receipt.status, receipt.code) == (outcome.ref, "undelivered", "MK:0001")
    assert abs(receipt.at_ms - Real().now_ms()) < 120_000  # the gateway's clock is Beijing's


async def test_the_other_bind_changes_nothing(gateway: CmppGateway, channel: CmppChannel) -> None:
    await channel.collect()
    await both_bound(gateway)
    (outcome,) = await channel.send(LANE, [message(1, "other_bind")], CLOSE_MS)
    assert isinstance(outcome, Accepted)
    assert [(r.ref, r.status) for r in await receipts(channel)] == [(outcome.ref, "delivered")]


@pytest.mark.parametrize("octets", [60, 71])
async def test_a_report_of_either_version_is_read_in_both(
    gateway: CmppGateway, channel: CmppChannel, version: str, octets: int
) -> None:
    await channel.collect()
    await both_bound(gateway)
    number = 2 if version == "cmpp2" else 3
    done = datetime.now(UTC).astimezone(BEIJING).strftime("%y%m%d%H%M")
    report = tables.write(
        tables.report(2 if octets == 60 else 3),
        {"Msg_Id": 7, "Stat": "DELIVRD", "Done_time": done, "Dest_terminal_Id": "8613800138000"},
    )
    fields = {"Msg_Id": 8, "Dest_Id": "12123", "Registered_Delivery": 1, "Msg_Length": octets}
    body = tables.write(tables.deliver(number), fields) + report + bytes(tables.tail(number))
    gateway.tell("write", codec.frame(codec.DELIVER, 5, body).hex())
    found = await receipts(channel)
    assert {(r.ref, r.status) for r in found} == {(codec.written_id(7), "delivered")}
    assert len(found) == 2  # one on each bind


async def test_a_reply_is_brought_and_kept_until_it_is_durable(
    gateway: CmppGateway, version: str
) -> None:
    channel = open_channel(gateway, version, extension_digits=4)
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
    gateway: CmppGateway, version: str
) -> None:
    channel = open_channel(gateway, version, extension_digits=4)
    sent = message(1, "answer_lost")
    assert await channel.send(LANE, [sent], CLOSE_MS) == [None]
    assert [r.attempt for r in await receipts(channel)] == [sent.attempt]
    await channel.close()


# Links


async def test_a_link_cut_between_messages_is_made_anew(
    gateway: CmppGateway, channel: CmppChannel
) -> None:
    assert kinds(await channel.send(LANE, [message(1)], CLOSE_MS)) == [Accepted]
    gateway.tell("cut")
    await asyncio.sleep(0.2)
    assert kinds(await channel.send(LANE, [message(2)], CLOSE_MS)) == [Accepted]


async def test_a_gateway_that_says_goodbye_is_found_again(
    gateway: CmppGateway, channel: CmppChannel, caplog: pytest.LogCaptureFixture
) -> None:
    await channel.send(LANE, [message(1)], CLOSE_MS)
    await both_bound(gateway)
    gateway.tell("goodbye")
    await both_bound(gateway, binds=4)
    assert sum("said goodbye" in record.message for record in caplog.records) == 2
    assert kinds(await channel.send(LANE, [message(2)], CLOSE_MS)) == [Accepted]


@pytest.mark.parametrize(("behaviour", "taken"), [("unknown", 1), ("cut_untaken", 0)])
async def test_nobody_knows_what_became_of_a_submit_whose_link_was_cut(
    gateway: CmppGateway, channel: CmppChannel, behaviour: str, taken: int
) -> None:
    (outcome,) = await channel.send(LANE, [message(1, behaviour)], CLOSE_MS)
    assert isinstance(outcome, Unknown)
    assert "with the message written" in outcome.evidence
    assert len(gateway.taken()) == taken


async def test_a_carrier_that_was_away_is_found_again(
    gateway: CmppGateway, channel: CmppChannel
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
    gateway: CmppGateway, version: str, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Scaled(30, Real().now_ms())  # two minutes in four seconds
    accounts = {LANE: account(gateway, version)}
    channel = CmppChannel(clock, accounts, {LANE: "wrong"}, split, Random(1), version)
    far_ms = clock.now_ms() + 10**9
    await channel.collect()
    await asyncio.sleep(4)
    (outcome,) = await channel.send(LANE, [message(1, call_before_ms=far_ms)], CLOSE_MS)
    assert isinstance(outcome, NotSent)
    assert "authentication failed (3)" in outcome.reason
    assert 2 <= gateway.counts()["binds"] <= 6
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    await channel.close()


async def test_a_silent_link_is_asked_and_then_cut(
    gateway: CmppGateway, version: str, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Scaled(30, Real().now_ms())
    accounts = {LANE: account(gateway, version)}
    channel = CmppChannel(clock, accounts, {LANE: "secret"}, split, Random(1), version)
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


async def test_noise_from_the_carrier_is_said_and_survived(
    gateway: CmppGateway, channel: CmppChannel, caplog: pytest.LogCaptureFixture
) -> None:
    await channel.send(LANE, [message(1)], CLOSE_MS)
    await both_bound(gateway)
    malformed = "00000016000000050000000900000000000000010102"
    unknown = "0000000c0000066600000009"
    gateway.tell("write", malformed + unknown)
    gateway.tell("probe")
    await asyncio.sleep(0.3)
    assert kinds(await channel.send(LANE, [message(2)], CLOSE_MS)) == [Accepted]
    said = [record.message for record in caplog.records if "malformed" in record.message]
    assert len(said) == 4  # two on each bind
    gateway.tell("write", "ffffffff" * 4)
    await asyncio.sleep(0.3)
    assert sum("is garbage" in record.message for record in caplog.records) == 2
    await both_bound(gateway, binds=4)
    assert kinds(await channel.send(LANE, [message(3)], CLOSE_MS)) == [Accepted]


async def test_a_flood_is_bounded_and_loses_nothing(
    gateway: CmppGateway, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(carrier_inbox, "KEPT_MAX", 500)
    channel = open_channel(gateway, "cmpp2")
    await channel.send(LANE, [message(1)], CLOSE_MS)
    await receipts(channel)
    gateway.tell("flood", 2_000)
    for _ in range(100):
        if any("told to wait" in record.message for record in caplog.records):
            break
        await asyncio.sleep(0.05)
    assert any("told to wait" in record.message for record in caplog.records)
    assert kinds(await channel.send(LANE, [message(2, "receipt_lost")], CLOSE_MS)) == [Accepted]
    assert sorted(await written(channel, 2_000)) == sorted(f"TD {n}" for n in range(2_000))
    await channel.close()


async def test_throttled_for_a_while_nothing_is_lost(
    gateway: CmppGateway, channel: CmppChannel
) -> None:
    gateway.tell("throttle", 300)
    outcomes = await channel.send(LANE, [message(n) for n in range(20)], CLOSE_MS)
    assert set(kinds(outcomes)) <= {Throttled, Accepted}
    assert kinds(outcomes)[0] is Throttled
    assert len(gateway.taken()) == kinds(outcomes).count(Accepted)


async def test_a_late_answer_of_a_lost_link_is_unknown(
    gateway: CmppGateway, channel: CmppChannel
) -> None:
    late = message(1, "answer_lost")
    assert await channel.send(LANE, [late], CLOSE_MS) == [None]
    gateway.tell("cut")
    answers = [answer for found in await brought(channel, QUIET_S) for answer in found.late]
    assert [(a.attempt, type(a.outcome)) for a in answers] == [(late.attempt, Unknown)]
    assert isinstance(answers[0], LateAnswer)
