"""A lane that goes dark under load: its breaker opens, untouched work leaves it at a capped pace,
emergencies keep going, and it gets its work back little by little when it answers again."""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from channels.base import Accepted, Message, NotSent, Outcome
from channels.binding import Refused
from channels.lanes import WHOLE, Lane, Lanes, Standing
from streams.core import codec
from streams.core import events as e
from streams.core.policy import HOUR_MS
from streams.core.standings import lane_stream
from streams.journal.base import Row
from streams.lane_views import LaneView, lane_views
from streams.pipeline import unanswered
from streams.pipeline.shifting import BACK, MOVED_PERCENT, TRIAL_SHARE, others_of, spare
from streams.pipeline.unanswered import UNANSWERED_MAX
from tests.streams.small_hub import NO_FAULTS, Direct, SmallHub, small_hub

A = Lane("sms-a", "sms", "sandbox", 20, ("cmcc",), weight=1)
B = Lane("sms-b", "sms", "sandbox", 20, ("cmcc",), weight=1)
LANES = Lanes([A, B, Lane("voice-a", "voice", "sandbox", 20), Lane("inbox", "inbox", "inbox", 500)])

SECOND_MS = 1_000
MINUTE_MS = 60_000


class Carrier(Direct):
    """Takes everything, but says nothing on lanes that are dark, and nothing is sent on those whose
    account is refused."""

    def __init__(self, clock: Any) -> None:
        super().__init__(clock, NO_FAULTS)
        self.clock = clock
        self.dark: set[str] = set()
        self.refused: dict[str, Refused] = {}
        self.taken: list[tuple[int, str, str]] = []

    async def send(
        self, lane: str, messages: Sequence[Message], close_ms: int
    ) -> list[Outcome | None]:
        if refused := self.refused.get(lane):
            return [NotSent(refused.reason)] * len(messages)
        if lane in self.dark:
            return [None] * len(messages)
        outcomes = await super().send(lane, messages, close_ms)
        self.taken += [
            (self.clock.now_ms(), lane, message.attempt[:32])
            for message, outcome in zip(messages, outcomes, strict=True)
            if isinstance(outcome, Accepted)
        ]
        return outcomes

    def not_bound(self, lane: str) -> Refused | None:
        return self.refused.get(lane)


class Town:
    """A hub with two lanes for one carrier, and people who are told of things."""

    def __init__(self, here: SmallHub, carrier: Carrier) -> None:
        self.here = here
        self.carrier = carrier
        self.told = 0

    def now_ms(self) -> int:
        return self.here.hub.clock.now_ms()

    async def people(self, count: int) -> None:
        for n in range(count):
            await self.here.register(f"r{n}", phones=[f"1380000{n:04d}"], emails=[])
        await self.here.pass_time(SECOND_MS)

    async def fines(self, count: int) -> None:
        for _ in range(count):
            self.told += 1
            await self.here.violation(f"r{self.told % 50}", f"35010000{self.told:08d}")

    async def warn(self, ref: str) -> None:
        self.told += 1
        data = {
            "warning_no": f"w{self.told}", "area": "福州市", "level": "暴雨红色",
            "until": "2026-11-24T20:00:00+08:00", "advice": "请减速慢行",
        }  # fmt: skip
        await self.here.tell("gov.traffic.weather.warned.v1", ref, data)

    async def run(self, seconds: int, fines_per_s: int = 0) -> None:
        for _ in range(seconds):
            await self.fines(fines_per_s)
            await self.here.pass_time(SECOND_MS)

    def rows(self, lane: str) -> list[Row]:
        stream = lane_stream(lane)
        return self.here.hub.store.read([stream]).get(stream, [])

    def shifts(self, lane: str) -> list[tuple[int, e.Shifted]]:
        events = [(row.at_ms, codec.decode(row.type, row.data)) for row in self.rows(lane)]
        return [(at_ms, event) for at_ms, event in events if isinstance(event, e.Shifted)]

    def moved(self) -> list[tuple[int, str]]:
        """When each message was moved to another lane, and to which."""
        found = []
        for row in self.here.hub.store.since(0, 1_000_000):
            if row.type.startswith("Released."):
                event = codec.decode(row.type, row.data)
                if isinstance(event, e.Released) and event.reason == "shifted":
                    found.append((row.at_ms, event.route.lane))
        return found

    def view(self, lane: str) -> LaneView:
        hub = self.here.hub
        views = lane_views(
            hub.store, hub.river.index, hub.river.documents.lanes, self.now_ms(), "en"
        )
        return next(view for view in views if view.name == lane)


@asynccontextmanager
async def town(folder: Path, look_ms: int = HOUR_MS) -> AsyncIterator[Town]:
    made: list[Carrier] = []

    def carrier(clock: Any) -> Carrier:
        made.append(Carrier(clock))
        return made[0]

    async with small_hub(folder, lanes=LANES, carrier=carrier, look_ms=look_ms) as here:
        yield Town(here, made[0])


async def test_a_lane_that_goes_dark_under_load_loses_its_work_and_gets_it_back(
    tmp_path: Path,
) -> None:
    async with town(tmp_path) as here:
        await here.people(50)
        await here.run(5, fines_per_s=10)
        assert here.shifts("sms-a") == []
        # dark, under more than it carries
        await here.fines(400)
        here.carrier.dark.add("sms-a")
        dark_ms = here.now_ms()
        await here.run(60, fines_per_s=4)
        opened_ms, opened = here.shifts("sms-a")[0]
        assert opened_ms - dark_ms <= MINUTE_MS
        assert (opened.share, opened.reason, opened.to) == (0, "errors", ("sms-b",))
        assert opened.errors >= 20
        # untouched work moves, and no faster than its share of what the other has to spare
        moved = here.moved()
        assert len(moved) > 50
        assert {lane for _, lane in moved} == {"sms-b"}
        seconds = Counter(at_ms // SECOND_MS for at_ms, _ in moved)
        assert max(seconds.values()) <= 2 * max(opened.per_s, 1)
        assert opened.per_s <= spare(B, 0) // 100
        # what is routed now goes the other way, and people see why
        view = here.view("sms-a")
        assert view.state in ("left_alone", "coming_back")
        assert any("sms-a is left alone" in said or "probed" in said for _, said in view.reasons)
        # it answers again: its work comes back step by step
        here.carrier.dark.clear()
        well_ms = here.now_ms()
        await here.run(180, fines_per_s=4)
        back = [s.share for at_ms, s in here.shifts("sms-a") if at_ms > well_ms]
        assert back[-len(BACK) :] == list(BACK)
        assert TRIAL_SHARE in [s.share for _, s in here.shifts("sms-a")]
        assert here.view("sms-a").state == "well"
        lanes = Counter(lane for at_ms, lane, _ in here.carrier.taken if at_ms > well_ms)
        assert lanes["sms-a"] > 0


async def test_emergencies_keep_going_while_a_lane_is_dark(tmp_path: Path) -> None:
    async with town(tmp_path) as here:
        await here.people(50)
        here.carrier.dark.add("sms-a")
        await here.fines(300)
        await here.run(30, fines_per_s=4)
        assert here.shifts("sms-a"), "the lane was given up"
        asked: dict[str, int] = {}
        for n in range(20):
            await here.warn(f"r{n}")
            asked[f"r{n}"] = here.now_ms()
            await here.run(1, fines_per_s=4)
        await here.run(10)
        waits = sorted(here_waits(here, asked))
        assert len(waits) == 20
        assert waits[int(len(waits) * 0.95) - 1] <= 5 * SECOND_MS


def here_waits(here: Town, asked: dict[str, int]) -> list[int]:
    """How long each warned person waited for the text message."""
    taken = {stream: at_ms for at_ms, _, stream in here.carrier.taken}
    waits = []
    for ref, asked_ms in asked.items():
        legs = [
            leg for leg in here.here.reading.history(ref)
            if leg.cls == "emergency" and leg.channel == "sms"
        ]  # fmt: skip
        waits += [taken[leg.stream] - asked_ms for leg in legs if leg.stream in taken]
    return waits


async def test_a_refused_account_is_one_alert_until_the_carrier_lets_us_in(
    tmp_path: Path,
) -> None:
    async with town(tmp_path, look_ms=SECOND_MS) as here:
        await here.people(50)
        here.carrier.refused["sms-a"] = Refused("the carrier refused the bind", lasting=True)
        await here.run(5)  # nobody is told of anything, and yet it is found out
        assert here.view("sms-a").state == "left_alone"
        await here.run(200, fines_per_s=2)
        assert [(s.share, s.reason) for _, s in here.shifts("sms-a")] == [(0, "account")]
        assert {lane for _, lane, _ in here.carrier.taken} == {"sms-b"}
        assert len(here.carrier.taken) > 380
        here.carrier.refused.clear()
        await here.run(180, fines_per_s=4)
        assert here.view("sms-a").state == "well"
        assert [s.share for _, s in here.shifts("sms-a")] == [0, TRIAL_SHARE, *BACK]
        await here.run(20)
        taken = Counter(stream for _, _, stream in here.carrier.taken)
        assert len(taken) == here.told
        assert set(taken.values()) == {1}


async def test_a_carrier_that_is_away_for_a_moment_is_no_refused_account(tmp_path: Path) -> None:
    async with town(tmp_path, look_ms=SECOND_MS) as here:
        await here.people(50)
        here.carrier.refused["sms-a"] = Refused("connection refused", lasting=False)
        await here.run(5)
        assert here.shifts("sms-a") == []


async def test_a_dead_carrier_costs_one_batch_and_none_of_it_is_moved(tmp_path: Path) -> None:
    async with town(tmp_path) as here:
        await here.people(50)
        here.carrier.dark.add("sms-a")
        await here.fines(300)
        await here.run(120)
        intents: Counter[bytes] = Counter()
        lanes: dict[bytes, str] = {}
        moved = set()
        for row in here.here.hub.store.since(0, 1_000_000):
            event = codec.decode(row.type, row.data)
            if isinstance(event, e.AttemptIntended):
                intents[row.stream] += 1
                lanes[row.stream] = event.lane
            if isinstance(event, e.Released) and event.reason == "shifted":
                moved.add(row.stream)
        dark = {stream for stream, lane in lanes.items() if lane == "sms-a"}
        assert 0 < len(dark) <= UNANSWERED_MAX
        assert not dark & moved


async def test_what_is_not_answered_makes_no_room_for_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unanswered, "UNANSWERED_MAX", 5)
    async with town(tmp_path) as here:
        await here.people(50)
        here.carrier.dark.add("sms-a")
        await here.fines(100)
        await here.run(3)  # before their silence counts
        rows = here.here.hub.store.since(0, 1_000_000)
        events = [codec.decode(row.type, row.data) for row in rows]
        intents = [x for x in events if isinstance(x, e.AttemptIntended) and x.lane == "sms-a"]
        assert len(intents) == 5


def test_what_may_move_is_a_share_of_what_others_can_spare() -> None:
    lanes = Lanes([A, B, msgspec.structs.replace(B, name="sms-c")])
    assert [lane.name for lane in others_of(lanes, A)] == ["sms-b", "sms-c"]
    assert spare(B, 0) == 16 * MOVED_PERCENT
    assert spare(B, 10) == 6 * MOVED_PERCENT
    assert spare(B, 99) == 1 * MOVED_PERCENT, "never nothing"


def test_lanes_that_are_not_well_themselves_take_nothing() -> None:
    lanes = Lanes([A, B], {"sms-b": Standing(share=WHOLE // 2)})
    assert others_of(lanes, A) == []
