"""What is told back upstream: each end once, by the event's own key, and nobody's name."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import get_args, get_type_hints

import msgspec
import pytest

from channels.base import Reply
from streams.core.identity import event_key
from streams.core.lifecycle import BUCKETS, CATEGORY
from streams.journal.base import Store
from streams.journal.group import at_once
from streams.outcomes import (
    FIELDS,
    RECORD_MAX,
    REPLY_FIELDS,
    STATES,
    Outcome,
    Replied,
    Teller,
    Told,
    outcomes_after,
)
from streams.pipeline.receive import receive_replies
from streams.pipeline.river import state_of
from streams.topics import EVENTS, OUTCOMES, Record
from tests.streams.histories import write_lives
from tests.streams.small_hub import SmallHub, small_hub


def all_told(store: Store, scan: int = 5_000) -> list[Outcome]:
    told = Told([], [], 0, True)
    outcomes: list[Outcome] = []
    while told.more:
        told = outcomes_after(store, told.pos, scan)
        outcomes += told.outcomes
    assert told.pos == store.head()
    return outcomes


@pytest.mark.parametrize("seed", range(8))
def test_the_last_told_of_a_leg_is_what_a_fold_of_it_comes_to(store: Store, seed: int) -> None:
    write_lives(store, seed, legs=range(150))
    last = {one.notification: (one.event, one.state) for one in all_told(store)}
    ended = {}
    for n in range(150):
        name = n.to_bytes(16, "big")
        [history] = store.read([name]).values()
        state = state_of(history)
        if CATEGORY[state.status] in STATES:
            ended[name.hex()] = (name.hex(), CATEGORY[state.status])
        elif name.hex() in last:
            assert last[name.hex()][1] in STATES, "an end it had before"
            del last[name.hex()]
    assert last == ended
    assert {state for _, state in ended.values()} >= {"delivered", "cancelled", "suppressed"}


@pytest.mark.parametrize("scan", [1, 7, 100])
def test_it_does_not_matter_where_a_stretch_ends(store: Store, scan: int) -> None:
    write_lives(store, 1, legs=range(60))
    told = all_told(store)
    assert all_told(store, scan) == told
    assert [one.pos for one in told] == sorted({one.pos for one in told})


def test_behind_the_journal_there_is_nothing_yet(store: Store) -> None:
    assert outcomes_after(store, 0) == Told([], [], 0, False)
    write_lives(store, 1, legs=range(3))
    assert outcomes_after(store, store.head() + 5) == Told([], [], store.head() + 5, False)


# On a whole hub ----------------------------------------------------------------------------------


@pytest.fixture
async def small(tmp_path: Path) -> AsyncIterator[SmallHub]:
    async with small_hub(tmp_path) as hub:
        await hub.register("P1")
        yield hub


async def test_an_outcome_names_its_event_as_the_door_did_and_nobody(small: SmallHub) -> None:
    await small.violation("P1")
    await small.pass_time()
    key = event_key("test", "e2").hex()
    [told] = all_told(small.hub.store)
    assert (told.event, told.state, told.notice) == (key, "delivered", "violation-recorded")
    assert (told.channel, told.reason) == ("sms", "")
    assert told.notification == small.stream_of("P1")
    raw = msgspec.json.encode(told).decode()
    assert not any(secret in raw for secret in ("P1", "王丽", "13800001234", "闽A12345", "test"))


async def test_why_nothing_was_sent_is_told(small: SmallHub) -> None:
    tip = {"tip_no": "XF2026-1", "headline": "冬季用电取暖", "tip": "离开时关闭电源"}
    await small.tell("gov.fire.tip.published.v1", "P1", tip)
    await small.pass_time()
    [told] = all_told(small.hub.store)
    assert (told.state, told.channel, told.reason) == ("suppressed", "", "no_consent")


async def test_an_event_refused_after_it_was_taken_is_told(small: SmallHub) -> None:
    bad = small.event("gov.traffic.violation.paid.v1", "P1", {}, name="bad")
    unnamed = b'{"specversion": "1.0"}'
    records = [Record(b"P1", value) for value in (bad, unnamed, b"\x01no seal")]
    await small.hub.river.topics.publish({EVENTS: records})
    await small.commands.accept([bad[:-1]])
    await small.pass_time()
    assert len(small.reading.quarantined()) == 4
    [told] = all_told(small.hub.store)
    assert (told.event, told.state) == (event_key("test", "bad").hex(), "refused")
    assert told.reason.startswith("data.violation_no: expected ")
    assert (told.notice, told.notification) == ("", "")


# The teller --------------------------------------------------------------------------------------


class Taken:
    """Topics as a test reads them: what was published, in order."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    async def publish(self, batches: Mapping[str, Sequence[Record]]) -> None:
        assert set(batches) == {OUTCOMES}
        self.records += batches[OUTCOMES]

    @property
    def outcomes(self) -> list[Outcome]:
        raw = [json.loads(record.value)["data"]["outcomes"] for record in self.records]
        return [msgspec.convert(one, Outcome) for some in raw for one in some]


class DiesBehind(Taken):
    """Published, and dead before it was noted."""

    async def publish(self, batches: Mapping[str, Sequence[Record]]) -> None:
        await super().publish(batches)
        raise ConnectionError("died")


async def test_everything_is_told_once_in_records_of_a_hundred(store: Store) -> None:
    write_lives(store, 3, legs=range(400))
    topics = Taken()
    teller = Teller(store, topics, at_once)
    while await teller.tell(scan=1_000):
        pass
    assert topics.outcomes == all_told(store)
    sizes = [len(json.loads(r.value)["data"]["outcomes"]) for r in topics.records]
    assert max(sizes) == RECORD_MAX
    assert {record.key for record in topics.records} == {b"0"}, "one partition, so in order"
    assert await teller.tell() == 0
    write_lives(store, 4, legs=range(400, 440))
    assert await teller.tell() > 40
    assert topics.outcomes == all_told(store)


async def test_what_was_not_noted_is_told_again_under_the_same_positions(store: Store) -> None:
    write_lives(store, 3, legs=range(100))
    dying, topics = DiesBehind(), Taken()
    with pytest.raises(ConnectionError):
        await Teller(store, dying, at_once).tell()
    await Teller(store, topics, at_once).tell()
    assert topics.records == dying.records
    assert topics.outcomes == all_told(store)


class Overtaken(Taken):
    """Before anything is published here, another teller tells two stretches."""

    def __init__(self, other: Teller) -> None:
        super().__init__()
        self._other = other

    async def publish(self, batches: Mapping[str, Sequence[Record]]) -> None:
        await self._other.tell(scan=100)
        await self._other.tell(scan=100)
        await super().publish(batches)


async def test_of_two_tellers_at_once_neither_passes_over_anything(store: Store) -> None:
    write_lives(store, 3, legs=range(200))
    fast = Taken()
    slow = Overtaken(Teller(store, fast, at_once))
    while await Teller(store, slow, at_once).tell(scan=100):
        pass
    told = {one.pos for one in (*fast.outcomes, *slow.outcomes)}
    assert told == {one.pos for one in all_told(store)}


# Its reference -----------------------------------------------------------------------------------


def test_every_field_and_state_is_described() -> None:
    assert list(FIELDS) == [field.name for field in msgspec.structs.fields(Outcome)]
    assert list(REPLY_FIELDS) == [field.name for field in msgspec.structs.fields(Replied)]
    assert list(STATES) == list(get_args(get_type_hints(Outcome)["state"]))
    assert {*BUCKETS.values(), "refused"} == set(STATES)


# What was written back ---------------------------------------------------------------------------


async def test_a_reply_is_told_once_by_name_and_without_its_words(small: SmallHub) -> None:
    await small.register("P1")
    await small.violation("P1")
    await small.pass_time()
    at_ms = small.hub.clock.now_ms()
    text = "那天不是我开的车"
    reply = Reply("sms-cmcc", "+8613800001234", "12123", text, at_ms)
    await receive_replies(small.hub.river, [reply])
    await small.pass_time()
    [told] = outcomes_after(small.hub.store, 0).replies
    [leg] = small.reading.history("P1")
    assert (told.notification, told.notice, told.at_ms) == (leg.stream, leg.notice, at_ms)
    assert told.event == all_told(small.hub.store)[0].event
    assert (told.done, told.asked, told.channel) == ("passed_on", "", "sms")
    known = small.reading.reply(told.reply)
    assert known is not None
    assert known.text == text
    topics = Taken()
    teller = Teller(small.hub.store, topics, at_once)
    while await teller.tell(scan=3):
        pass
    said = [json.loads(record.value) for record in topics.records]
    assert topics.outcomes == all_told(small.hub.store), "they are read as before"
    [mine] = [one for one in said if one["type"] == "hub.replies.v1"]
    assert msgspec.convert(mine["data"]["replies"], list[Replied]) == [told]
    assert not any(secret in r.value for r in topics.records for secret in (b"138", text.encode()))
