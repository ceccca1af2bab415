"""Template messages of WeChat, before our simulator of it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from channels import couriers
from channels.base import Accepted, NotSent, Permanent, Transient, Unknown
from channels.wechat import Filled, WechatChannel, fill
from channels.wechat_codes import CODES, judge
from tests.channels.odd_servers import of, served, silent
from tests.channels.wechat_bench import ACCOUNT, LANE, SECRET, WechatBench
from tests.contracts.channel_contract import Bench, ChannelContract, kinds


@pytest.fixture
async def bench() -> AsyncIterator[WechatBench]:
    bench = WechatBench()
    await bench.open()
    yield bench
    await bench.close()


class TestWechat(ChannelContract):
    bench_type = WechatBench

    @pytest.fixture
    async def bench(self, bench: WechatBench) -> Bench:
        return bench


async def test_what_is_asked_for_is_what_was_written(bench: WechatBench) -> None:
    (outcome,) = await bench.send(bench.message(7))
    (entry,) = bench.sandbox.entries
    assert (entry.to, entry.template, entry.data) == ("openid-7", "TM-1", {"thing1": "第7步"})
    assert entry.url == "https://122.gov.cn/7"
    (receipt,) = await bench.receipts()
    assert outcome == Accepted(str(entry.msgid))
    assert (receipt.lane, receipt.ref, receipt.status) == (LANE, str(entry.msgid), "delivered")


async def test_one_token_is_fetched_for_all_and_kept(bench: WechatBench) -> None:
    await bench.send(*[bench.message(n) for n in range(20)])
    await bench.send(*[bench.message(n) for n in range(20, 40)])
    assert (bench.sandbox.asked, bench.sandbox.issued) == (1, 1)


async def test_a_token_is_fetched_anew_before_it_ends(
    bench: WechatBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.send(bench.message(1))
    began_ms = bench.clock.now_ms()
    for passed_s, asked in ((6_890, 1), (6_910, 2)):
        monkeypatch.setattr(bench.clock, "now_ms", lambda s=passed_s: began_ms + s * 1_000)
        await bench.send(bench.message(passed_s))
        assert bench.sandbox.asked == asked


async def test_a_token_that_is_void_costs_no_message_and_is_renewed_once(
    bench: WechatBench,
) -> None:
    await bench.send(bench.message(0))
    bench.sandbox.void()
    outcomes = await bench.send_many(*[bench.message(n) for n in range(1, 30)])
    assert {type(outcome) for outcome in outcomes} == {Accepted}
    assert bench.sandbox.issued == 2
    (outcome,) = await bench.send(bench.message(31, "stale"))
    assert isinstance(outcome, Accepted)
    assert len(bench.taken()) == len(set(bench.taken())) == 31


async def test_without_a_token_nothing_is_sent(bench: WechatBench) -> None:
    await bench.channel.close()
    bench.connect(secret="wrong")
    assert await bench.send(bench.message(1)) == [Permanent("40125", "account")]
    assert bench.taken() == []
    await bench.sandbox.stop()
    await bench.reconnect()
    (outcome,) = await bench.send(bench.message(1))
    assert isinstance(outcome, NotSent)


@pytest.mark.parametrize(
    ("behaviour", "code"),
    [("not_following", "43004"), ("refused", "43101"), ("bad_recipient", "40003")],
)
async def test_a_refusal_is_the_recipients(bench: WechatBench, behaviour: str, code: str) -> None:
    assert await bench.send(bench.message(1, behaviour)) == [Permanent(code, "recipient")]


async def test_who_blocks_the_account_is_not_written_to_again(bench: WechatBench) -> None:
    await bench.send(bench.message(1, "undelivered"), bench.message(2, "failed"))
    told = {receipt.code: receipt.then for receipt in await bench.receipts()}
    assert told == {"user block": "never", "system failed": ""}


async def test_a_batch_that_is_cancelled_leaves_the_token_to_the_others(bench: WechatBench) -> None:
    first = asyncio.create_task(bench.send(bench.message(1)))
    await asyncio.sleep(0.002)
    first.cancel()
    assert [type(x) for x in await bench.send(bench.message(2))] == [Accepted]
    assert bench.sandbox.issued == 1


async def test_a_server_that_never_answers_holds_nobody_longer_than_the_limit(
    bench: WechatBench,
) -> None:
    """Of a message that waited for a token nothing was sent; one that was written may be there."""
    bench.connect(answer_s=0.3)
    await bench.send(bench.message(0))
    began_ms = bench.now_ms()
    lost = [bench.message(n, "answer_lost") for n in range(3)]
    assert kinds(await bench.channel.send(LANE, lost, 5_000)) == [Unknown] * 3
    await bench.channel.close()
    async with served(silent) as address:
        bench.connect(answer_s=0.3, url=f"http://{address}")
        waiting = [bench.message(n) for n in range(3)]
        assert kinds(await bench.channel.send(LANE, waiting, 5_000)) == [NotSent] * 3
        await bench.channel.close()
    assert bench.now_ms() - began_ms < 3_000


async def test_a_token_that_comes_after_the_deadline_sends_nothing(bench: WechatBench) -> None:
    token = b'{"access_token": "t", "expires_in": 7200}'
    asked = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        await asyncio.sleep(0.3)
        writer.write(of("200 OK", token.decode()))

    async with served(talk) as address:
        bench.connect(url=f"http://{address}")
        soon = bench.message(1, call_before_ms=bench.now_ms() + 100)
        assert await bench.channel.send(LANE, [soon], 5_000) == [
            NotSent("past its deadline", ours=True)
        ]
        await bench.channel.close()
    assert [line.split()[1] for line in asked] == [b"/cgi-bin/stable_token"]


async def test_a_slow_account_holds_up_no_other(bench: WechatBench) -> None:
    asked = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        asked.set()
        await reader.read()

    async with served(talk) as address:
        slow = replace(ACCOUNT, url=f"http://{address}", connections=1, answer_s=2)
        quick = replace(ACCOUNT, url=bench.sandbox.url, connections=1)
        accounts = {"slow": slow, "quick": quick}
        channel = WechatChannel(bench.clock, accounts, dict.fromkeys(accounts, SECRET))
        messages = [bench.message(n) for n in range(9)]
        waiting = asyncio.create_task(channel.send("slow", messages, 1_000))
        await asyncio.wait_for(asked.wait(), 5)
        assert kinds(await channel.send("quick", [bench.message(10)], 1_000)) == [Accepted]
        assert not waiting.done()
        assert kinds(await waiting) == [type(None)] + [NotSent] * 8
        await channel.close()


async def test_closing_hangs_up_on_what_is_not_answered(
    bench: WechatBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(couriers, "CLOSE_S", 0.2)
    bench.connect(connections=1)
    lost = bench.message(1, "answer_lost")
    sending = asyncio.create_task(bench.channel.send(LANE, [lost, bench.message(2)], 60_000))
    await asyncio.wait_for(bench.door.news.wait(), 5)  # it was taken, and is told of
    await bench.channel.close()
    assert kinds(await asyncio.wait_for(sending, 5)) == [Unknown, NotSent]
    assert bench.taken() == [lost.attempt]


TEMPLATES = {"progress": "TM-1"}


class TestBodies:
    def test_each_line_fills_a_place(self) -> None:
        text = "progress\nthing1: 审核: 通过\ncharacter_string2: A-1\nurl: https://122.gov.cn/x\n"
        data = {"thing1": "审核: 通过", "character_string2": "A-1"}
        assert fill(text, TEMPLATES) == Filled("TM-1", data, "https://122.gov.cn/x")

    @pytest.mark.parametrize(
        ("text", "fault"),
        [
            ("other\nthing1: x", "the account has no template 'other'"),
            ("progress\nno place", "line 2 does not fill a place of its own"),
            ("progress\nthing1: x\nthing1: y", "line 3 does not fill a place of its own"),
            ("progress\nthing1:", "line 2 does not fill a place of its own"),
        ],
    )
    def test_what_is_wrong_is_said_by_line(self, text: str, fault: str) -> None:
        assert fill(text, TEMPLATES) == fault

    async def test_it_is_a_fault_of_the_content(self, bench: WechatBench) -> None:
        message = bench.message(1)
        wrong = type(message)(message.attempt, message.to, "other\nthing1: x", 4 * 10**12)
        (outcome,) = await bench.send(wrong)
        assert isinstance(outcome, Permanent)
        assert outcome.scope == "content"
        assert bench.taken() == []


class TestCodes:
    def test_each_row_says_whose_word_it_is(self) -> None:
        assert all(row.source and row.means for row in CODES.values())
        table = Path("channels/wechat_codes.toml").read_text(encoding="utf-8")
        assert table.count("[[code]]") == len(CODES)

    def test_an_unknown_code_may_be_tried_again(self) -> None:
        assert judge(99999) == Transient("99999")
