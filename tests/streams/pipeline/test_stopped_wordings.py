"""A carrier that keeps refusing what a notice says does not get that wording again."""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from channels.base import Accepted, Message, Outcome, Permanent
from channels.lanes import Lane, Lanes
from streams.core import codec
from streams.core import events as e
from streams.core.standings import lane_stream
from streams.pipeline.dispatch import CONTENT_MAX
from tests.streams.small_hub import NO_FAULTS, Direct, SmallHub, small_hub

STRICT, OTHER = "sms-strict", "sms-other"
LANES = Lanes(
    [
        Lane(STRICT, "sms", "sandbox", 100, ("cmcc",), weight=999),
        Lane(OTHER, "sms", "sandbox", 100),
        Lane("inbox", "inbox", "inbox", 500),
    ]
)
CODE = "0x401"


class Carrier(Direct):
    """Refuses on one lane what holds a word it does not like."""

    def __init__(self, clock: Any) -> None:
        super().__init__(clock, NO_FAULTS)
        self.dislikes = ""
        self.asked: Counter[str] = Counter()
        self.taken: Counter[str] = Counter()

    async def send(
        self, lane: str, messages: Sequence[Message], close_ms: int
    ) -> list[Outcome | None]:
        self.asked[lane] += len(messages)
        outcomes = await super().send(lane, messages, close_ms)
        if lane == STRICT and self.dislikes:
            outcomes = [
                Permanent(CODE, "content") if self.dislikes in message.text else outcome
                for message, outcome in zip(messages, outcomes, strict=True)
            ]
        self.taken[lane] += sum(isinstance(outcome, Accepted) for outcome in outcomes)
        return outcomes


class Town:
    """A hub whose first lane's carrier is strict, and people who are fined one after another."""

    def __init__(self, here: SmallHub, carrier: Carrier) -> None:
        self.here = here
        self.carrier = carrier
        self.told = 0

    async def fine(self) -> str:
        """Somebody; who it is."""
        self.told += 1
        ref = f"r{self.told}"
        await self.here.register(ref, phones=[f"1380000{self.told:04d}"], emails=[])
        await self.here.violation(ref, f"35010000{self.told:08d}")
        await self.here.pass_time(5_000)
        return ref

    def stops(self) -> list[e.WordingStopped]:
        stream = lane_stream(STRICT)
        rows = self.here.hub.store.read([stream]).get(stream, [])
        events = [codec.decode(row.type, row.data) for row in rows]
        return [event for event in events if isinstance(event, e.WordingStopped)]

    def channels(self, ref: str) -> set[tuple[str, str, str]]:
        return {(leg.channel, leg.lane, leg.status) for leg in self.here.reading.history(ref)}


@asynccontextmanager
async def town(folder: Path) -> AsyncIterator[Town]:
    made: list[Carrier] = []

    def carrier(clock: Any) -> Carrier:
        made.append(Carrier(clock))
        return made[0]

    async with small_hub(folder, lanes=LANES, carrier=carrier, look_ms=1_000) as here:
        yield Town(here, made[0])


async def test_after_three_refusals_it_goes_another_way(tmp_path: Path) -> None:
    async with town(tmp_path) as here:
        here.carrier.dislikes = "罚款"
        refused = [await here.fine() for _ in range(CONTENT_MAX)]
        (stop,) = here.stops()
        assert (stop.lane, stop.notice, stop.code) == (STRICT, "violation-recorded", CODE)
        for ref in refused:  # the next channel was taken for each of them
            assert ("inbox", "inbox", "delivered") in here.channels(ref)
        later = await here.fine()
        assert here.carrier.asked == {STRICT: CONTENT_MAX, OTHER: 1}
        assert here.channels(later) == {("sms", OTHER, "delivered")}
        view = next(v for v in here.here.reading.lanes(here.here.hub.clock.now_ms(), "en")
                    if v.name == STRICT)  # fmt: skip
        assert view.stopped == ["violation-recorded"]


async def test_one_that_is_taken_between_begins_the_count_anew(tmp_path: Path) -> None:
    """What was filled in may have been to blame."""
    async with town(tmp_path) as here:
        for dislikes in ["罚款"] * (CONTENT_MAX - 1) + [""] + ["罚款"] * (CONTENT_MAX - 1):
            here.carrier.dislikes = dislikes
            await here.fine()
        assert here.stops() == []
        await here.fine()
        assert len(here.stops()) == 1


async def test_only_what_was_refused_is_stopped(tmp_path: Path) -> None:
    async with town(tmp_path) as here:
        here.carrier.dislikes = "罚款"
        for _ in range(CONTENT_MAX):
            await here.fine()
        assert here.stops()
        before = here.carrier.taken[STRICT]
        data = {
            "warning_no": "w1", "area": "福州市", "level": "暴雨红色",
            "until": "2026-11-24T20:00:00+08:00", "advice": "请减速慢行",
        }  # fmt: skip
        await here.here.tell("gov.traffic.weather.warned.v1", "r1", data)
        await here.here.pass_time(5_000)
        assert here.carrier.taken[STRICT] == before + 1


async def test_an_operator_lets_it_go_that_way_again(tmp_path: Path) -> None:
    async with town(tmp_path) as here:
        here.carrier.dislikes = "罚款"
        for _ in range(CONTENT_MAX):
            await here.fine()
        here.carrier.dislikes = ""
        done = await here.here.commands.steer_lane(
            STRICT, "allow", "shell:li", "registered now", notice="violation-recorded"
        )
        assert isinstance(done, e.LaneSteered)
        await here.here.pass_time(3_000)
        later = await here.fine()
        assert here.channels(later) == {("sms", STRICT, "delivered")}
