"""A lane's owner hands over, until another has claimed its partition."""

import copy
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from channels.base import Accepted, Message, NotSent, Outcome
from channels.breaker import HALF_CALLS_MIN, Breaker
from channels.lanes import Standing
from channels.pacer import Pacer
from streams.clock import Clock
from streams.core import events as e
from streams.journal.base import Store
from streams.lane_owner import Ownership
from streams.pipeline import dispatch as dispatching
from streams.pipeline.dispatch import NAP_MS, LaneWork, dispatch
from streams.pipeline.river import River, decode_dispatch, encode_dispatch
from streams.pipeline.route import route
from streams.topics import Record
from tests.streams.pipeline.reports import Kept
from tests.streams.small_hub import SmallHub, small_hub

LEGS = 3


class Overtaken:
    """A carrier that takes all; another worker claims the lane while it answers."""

    def __init__(self, ownership: Ownership, lane: str) -> None:
        self.called: list[str] = []
        self.deadlines_ms: list[int] = []
        self._ownership = ownership
        self._lane = lane

    async def send(
        self, lane: str, messages: Sequence[Message], close_ms: int
    ) -> list[Outcome | None]:
        self.called += [message.attempt for message in messages]
        self.deadlines_ms += [message.call_before_ms for message in messages]
        self._ownership.claim(self._lane, 0, "another", 0)
        return [Accepted(message.attempt) for message in messages]


def fine(n: int) -> dict[str, object]:
    return {
        "violation_no": f"{n:016d}", "plate": "闽A12345", "place": "五四路", "fine": 20000,
        "occurred_at": "2026-11-20T08:30:00+08:00", "offence": "违反禁止标线指示", "points": 1,
    }  # fmt: skip


async def ready(small: SmallHub) -> tuple[River, str, list[Record]]:
    """Messages that are ready on one lane, which no dispatcher of the hub's sees."""
    refs = [f"P{n}" for n in range(LEGS)]
    for ref in refs:
        await small.register(ref)
    await small.pass_time(1)
    river = copy.copy(small.hub.river)
    river.topics = kept = Kept()  # type: ignore[assignment]  # it only publishes
    kind = "gov.traffic.violation.recorded.v1"
    raws = [small.event(kind, ref, fine(n)) for n, ref in enumerate(refs)]
    await route(river, [Record(b"", raw, n) for n, raw in enumerate(raws)])
    [(topic, records)] = kept.records.items()
    assert len(records) == LEGS
    return river, topic, records


def intents(store: Store) -> int:
    return sum(row.type.startswith(e.AttemptIntended.__name__) for row in store.since(0, 1_000))


async def test_a_claim_between_two_intents_stops_the_former_owner(
    tmp_path: Path, hub_store: Store
) -> None:
    ownership = Ownership(hub_store.transaction)
    async with small_hub(tmp_path, store=hub_store) as small:
        river, topic, records = await ready(small)
        carrier = Overtaken(ownership, topic)
        former, successor = (lane(river, topic, carrier) for _ in range(2))
        former.claim = ownership.claim(topic, 0, "former", 0)

        assert await dispatch(river, former, records[:1]), "it was intended before the claim"
        assert not await dispatch(river, former, records[1:])
        assert former.leaving
        assert (len(carrier.called), intents(hub_store)) == (1, 1)

        successor.claim = ownership.claim(topic, 0, "successor", 0)
        assert await dispatch(river, successor, records)
        assert len(set(carrier.called)) == len(carrier.called) == LEGS
        assert list(hub_store.verify()) == []


async def test_no_call_starts_after_the_window_or_the_expiry(tmp_path: Path) -> None:
    """A worker can be stopped for minutes between its look at the clock and its call."""
    async with small_hub(tmp_path) as small:
        river, topic, records = await ready(small)
        now_ms = river.clock.now_ms()
        windows = ({"window_end_ms": now_ms + 7}, {"expiry_ms": now_ms + 5}, {})
        short = [
            record._replace(value=encode_dispatch(replace(decode_dispatch(record.value), **window)))
            for record, window in zip(records, windows, strict=True)
        ]
        carrier = Overtaken(Ownership(small.hub.store.transaction), topic)
        assert await dispatch(river, lane(river, topic, carrier), short)
        latest_ms = now_ms + river.documents.policy.call_before_ms
        assert carrier.deadlines_ms == [now_ms + 6, now_ms + 4, latest_ms]


@pytest.mark.parametrize("strange", [b"", b"poison", b"\xc0", b"\x91\x01"])
async def test_a_record_that_nobody_can_read_is_set_aside_and_the_others_go(
    tmp_path: Path, strange: bytes
) -> None:
    """It would end each dispatcher in its turn, and all of their lanes would stand still."""
    async with small_hub(tmp_path) as small:
        river, topic, records = await ready(small)
        carrier = Overtaken(Ownership(small.hub.store.transaction), topic)
        among = [records[0], Record(b"", strange), *records[1:]]
        for _ in range(2):  # it comes again after a crash
            assert await dispatch(river, lane(river, topic, carrier), among)
        assert len(set(carrier.called)) == len(carrier.called) == LEGS
        await small.pass_time(5_000)
        [item] = small.hub.reading.quarantined()
        assert (item.where, item.field) == (topic, "record")
        assert small.hub.reading.quarantined_raw(item.id) == strange


class Refusing:
    """A carrier to which nothing is handed over, for one reason."""

    def __init__(self, why: NotSent) -> None:
        self._why = why

    async def send(
        self, lane: str, messages: Sequence[Message], close_ms: int
    ) -> list[Outcome | None]:
        return [self._why] * len(messages)


@pytest.mark.parametrize("ours", [True, False])
async def test_what_we_do_not_get_round_to_says_nothing_of_the_carrier(
    tmp_path: Path, ours: bool
) -> None:
    """A hub that takes on more than it can do must not leave its lanes for that."""
    async with small_hub(tmp_path) as small:
        river, topic, _ = await ready(small)
        breaker = Breaker()
        for _ in range(HALF_CALLS_MIN):  # more than enough for it
            if breaker.state == "closed":
                records = river.topics.records.pop(topic)  # type: ignore[attr-defined]
                work = lane(river, topic, Refusing(NotSent("any", ours)))
                work.breaker = breaker
                await dispatch(river, work, records)
        assert breaker.state == ("closed" if ours else "open")


class Slow:
    """A carrier on a line that gets round to so many of a batch."""

    def __init__(self, reach: int) -> None:
        self.reach = reach
        self.batches: list[int] = []

    async def send(
        self, lane: str, messages: Sequence[Message], close_ms: int
    ) -> list[Outcome | None]:
        self.batches.append(len(messages))
        left_over = max(len(messages) - self.reach, 0)
        taken = [Accepted(message.attempt) for message in messages[left_over:]]
        return [*taken, *[NotSent("its turn", ours=True)] * left_over]


async def test_a_batch_is_as_large_as_what_the_last_got_round_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatching, "REACH_MIN", 1)
    async with small_hub(tmp_path) as small:
        river, topic, records = await ready(small)
        carrier = Slow(1)
        slow = lane(river, topic, carrier)
        assert await dispatch(river, slow, records)
        assert slow.reach == 1
        carrier.reach = LEGS
        slow.pacer = lane(river, topic, carrier).pacer  # full again
        left_over = river.topics.records[topic][LEGS:]  # type: ignore[attr-defined]
        assert len(left_over) == LEGS - 1
        assert await dispatch(river, slow, left_over)
        assert carrier.batches == [LEGS, 1, LEGS - 2]
        assert slow.reach == 4, "doubled with each batch of which nothing is left over"


class Napping:
    """A clock that notes how long is rested, and lets the worker go after the first time."""

    def __init__(self, clock: Clock, lane: LaneWork) -> None:
        self.naps_ms: list[int] = []
        self.now_ms = clock.now_ms
        self._lane = lane

    async def sleep_ms(self, ms: int) -> None:
        self.naps_ms.append(ms)
        self._lane.leaving = True


async def test_what_waits_for_a_paused_lane_looks_up_seldom(tmp_path: Path) -> None:
    """It looked every millisecond, for as long as the pause."""
    async with small_hub(tmp_path) as small:
        river, topic, records = await ready(small)
        everywhere = {one.name: Standing(paused=True) for one in river.documents.lanes}
        lanes = river.documents.lanes.with_standings(everywhere)
        river.documents = river.documents._replace(lanes=lanes)
        carrier = Overtaken(Ownership(small.hub.store.transaction), topic)
        paused = lane(river, topic, carrier)
        river.clock = clock = Napping(river.clock, paused)  # type: ignore[assignment]
        assert not await dispatch(river, paused, records)
        assert (carrier.called, clock.naps_ms) == ([], [NAP_MS])


def lane(river: River, topic: str, carrier: Overtaken | Refusing | Slow) -> LaneWork:
    """A lane whose bucket is full."""
    name = topic.split(".")[1]
    pacer = Pacer(100, urgent=False, partitions=1, now_ms=river.clock.now_ms() - 60_000)
    return LaneWork(name, carrier, pacer, Breaker(), urgent=False)  # type: ignore[arg-type]  # it only sends
