"""Template messages of WeChat, before our simulator of it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from channels.base import Accepted, NotSent, Permanent, Transient
from channels.wechat import Filled, fill
from channels.wechat_codes import CODES, judge
from tests.channels.wechat_bench import LANE, WechatBench
from tests.contracts.channel_contract import Bench, ChannelContract


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
