"""Reports that come before the outcomes they are about, and those of parts of a long text."""

import asyncio

from channels.base import Reply
from streams.pipeline.receive import receive, receive_parked, receive_replies
from streams.pipeline.river import River
from streams.topics import INBOUND, PARKED, Record
from tests.streams.pipeline.reports import LANE, receipt


async def test_a_report_waits_for_the_batch_that_is_handed_over(river: River) -> None:
    with river.attempts.handing(LANE):
        waiting = asyncio.create_task(receive(river, [receipt("1")]))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        assert not river.topics.records  # type: ignore[attr-defined]
    await waiting
    assert len(river.topics.records[PARKED]) == 1  # type: ignore[attr-defined]


async def test_it_waits_for_no_other_lane_and_for_no_later_batch(river: River) -> None:
    with river.attempts.handing("sms-cucc"):
        await asyncio.wait_for(receive(river, [receipt("1")]), 5)
    with river.attempts.handing(LANE):
        waiting = asyncio.create_task(receive(river, [receipt("2")]))
        await asyncio.sleep(0.05)
        later = river.attempts.handing(LANE)
        later.__enter__()
    await asyncio.wait_for(waiting, 5)
    later.__exit__(None, None, None)


async def test_what_is_parked_comes_again_until_it_is_found(river: River) -> None:
    kept = river.topics.records  # type: ignore[attr-defined]
    await receive(river, [receipt("1")])
    next_ms = await receive_parked(river, kept.pop(PARKED))
    assert next_ms > river.clock.now_ms()
    assert len(kept[PARKED]) == 1


async def test_what_nobody_can_read_is_set_aside_and_the_rest_waits_on(river: River) -> None:
    kept = river.topics.records  # type: ignore[attr-defined]
    await receive(river, [receipt("1")])
    before = river.journal.head
    assert await receive_parked(river, [Record(b"", b"poison"), *kept.pop(PARKED)])
    assert len(kept[PARKED]) == 1
    assert river.journal.head == before + 1


async def test_replies_are_sealed(river: River) -> None:
    reply = Reply(LANE, "+8613800138000", "12123", "退订", 7)
    await receive_replies(river, [])
    await receive_replies(river, [reply])
    [record] = river.topics.records[INBOUND]  # type: ignore[attr-defined]
    assert b"138" not in record.value
    assert "退订".encode() not in record.value
    assert "退订".encode() in river.hub_key.open(record.value, INBOUND.encode())
