"""Two workers at once over one journal: what the simulator meets too rarely to be relied on."""

import asyncio
import copy
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from msgspec.structs import replace

from channels.base import Accepted, Message, Receipt
from channels.breaker import Breaker
from channels.pacer import Pacer
from preferences.changes import GiveConsent, SwitchCategory
from streams.core.codec import decode
from streams.core.events import AttemptIntended, Released, Routed, Unknown
from streams.journal.base import Group, Unit
from streams.pipeline.answers import Answer, record_answers
from streams.pipeline.dispatch import LaneWork, dispatch
from streams.pipeline.river import Known, People, River, decode_dispatch, entry
from streams.pipeline.route import route
from streams.pipeline.shifting import Key, shift
from streams.topics import EVENTS, Record
from tests.journeys.town import Town, town

PAID = {
    "violation_no": "3501020019876543", "plate": "闽A12345", "amount": 20000,
    "paid_at": "2026-11-24T09:40:00+08:00", "receipt_no": "350100261124000001",
}  # fmt: skip


class Kept:
    """Topics that hold what is published, for whoever takes it by hand."""

    def __init__(self) -> None:
        self.batches: dict[str, Sequence[Record]] = {}

    async def publish(self, batches: Mapping[str, Sequence[Record]]) -> None:
        self.batches.update(batches)


class DiesAtTheCall:
    """The channel of a worker that dies between its intent and its call."""

    async def send(self, lane: str, messages: Sequence[Message], close_ms: int) -> NoReturn:
        raise ConnectionError("died")


class ChoosesMeanwhile:
    """The people as a worker sees them: the moment after it first looked, somebody chooses."""

    def __init__(self, people: People, choose: Callable[[], Awaitable[object]]) -> None:
        self._people = people
        self._choose: Callable[[], Awaitable[object]] | None = choose

    def __getattr__(self, name: str) -> Any:
        return getattr(self._people, name)

    async def load(self, refs: Sequence[str]) -> Mapping[str, Known]:
        known = await self._people.load(refs)
        if choose := self._choose:
            self._choose = None
            await choose()
        return known


class NobodyPublishes:
    """Topics of a worker that dies between its commit and its publishing."""

    async def publish(self, batches: Mapping[str, Sequence[Record]]) -> None:
        raise ConnectionError("died")


def record(here: Town, kind: str, data: dict[str, Any], number: int) -> Record:
    """An event as it lies on the events topic."""
    event = {
        "specversion": "1.0", "id": f"race-{number}", "source": "race", "type": kind,
        "subject": "P1", "time": here.now().isoformat(), "data": data,
    }  # fmt: skip
    raw = json.dumps(event, ensure_ascii=False).encode()
    return Record(b"P1", here.hub.river.hub_key.seal(raw, EVENTS.encode()), number)


def tip(number: int) -> dict[str, Any]:
    return {"tip_no": f"XF2026-{number}", "headline": "冬季用电取暖", "tip": "离开时关闭电源"}


async def published(here: Town) -> tuple[River, Sequence[Record]]:
    """A message that is ready, and that no dispatcher of the hub's sees."""
    river: River = copy.copy(here.hub.river)
    river.topics = kept = Kept()  # type: ignore[assignment]  # it only publishes
    await route(river, [record(here, "gov.traffic.violation.paid.v1", PAID, 1)])
    [records] = kept.batches.values()
    return river, records


def deadly(river: River, records: Sequence[Record]) -> LaneWork:
    """The lane of these, whose worker dies over the call."""
    name = decode_dispatch(records[0].value).lane
    pacer = Pacer(100, urgent=False, partitions=1, now_ms=river.clock.now_ms() - 60_000)
    return LaneWork(name, DiesAtTheCall(), pacer, Breaker(), urgent=False)  # type: ignore[arg-type]  # it only sends


async def test_two_workers_that_both_found_room_do_not_pass_a_cap_together(tmp_path: Path) -> None:
    async with town(tmp_path) as here:
        await here.register("P1", phones=["13312340001"])
        await here.choose("P1", GiveConsent("fire-safety", "柜台签字单 2026-0017"))
        records = [record(here, "gov.fire.tip.published.v1", tip(n), n) for n in (1, 2)]
        await asyncio.gather(*(route(here.hub.river, [one]) for one in records))
        await here.pass_(hours=6)
        sent = [told for told in here.told("P1") if told.intended]
        assert len(here.told("P1")) == 2
        assert len(sent) <= 1, "the cap is one a day"
        await here.pass_(days=1)
        assert any(told.status == "delivered" for told in here.told("P1"))


async def test_what_is_refused_while_it_is_routed_is_not_sent(tmp_path: Path) -> None:
    """The router had looked at what its recipient wants; they chose, and found no leg yet."""
    async with town(tmp_path) as here:
        await here.register("P1", phones=["13312340001"])
        await here.choose("P1", GiveConsent("fire-safety", "柜台签字单 2026-0017"))
        refused = SwitchCategory("fire-safety", "*", on=False)
        river: River = copy.copy(here.hub.river)
        river.people = ChoosesMeanwhile(  # type: ignore[assignment]  # it stands for the others
            river.people, lambda: here.commands.change_preferences("P1", refused, "citizen")
        )
        await route(river, [record(here, "gov.fire.tip.published.v1", tip(1), 1)])
        await here.pass_(minutes=10)
        [told] = here.told("P1")
        assert (told.status, told.state.reason) == ("suppressed", "opted_out")
        assert told.intended == []


async def test_what_is_refused_while_it_moves_to_another_lane_is_not_sent(tmp_path: Path) -> None:
    """The shift had looked at what its recipient wants; their choice found the leg ready, and took
    the version that the shift was about to write."""
    async with town(tmp_path) as here:
        await here.register("P1", phones=["13312340001"])
        await here.choose("P1", GiveConsent("fire-safety", "柜台签字单 2026-0017"))
        refused = SwitchCategory("fire-safety", "*", on=False)
        river: River = copy.copy(here.hub.river)
        river.topics = kept = Kept()  # type: ignore[assignment]  # it only publishes
        await route(river, [record(here, "gov.fire.tip.published.v1", tip(1), 1)])
        [[ready]] = [[decode_dispatch(r.value) for r in some] for some in kept.batches.values()]
        river.people = ChoosesMeanwhile(  # type: ignore[assignment]  # it stands for the others
            river.people, lambda: here.commands.change_preferences("P1", refused, "citizen")
        )
        assert await shift(river, ready.lane, [ready], 1, set()) == {(ready.stream, 1)}
        await here.pass_(minutes=10)
        rows = here.hub.store.read([ready.stream])[ready.stream]
        assert [row.type.partition(".")[0] for row in rows] == ["Routed", "Held", "Suppressed"]
        [told] = here.told("P1")
        assert (told.status, told.state.reason) == ("suppressed", "opted_out")


async def test_an_intent_whose_worker_died_is_unknown_in_minutes(tmp_path: Path) -> None:
    """The record comes again and finds the intent: nobody will answer it, and somebody must say so
    before the hourly sweep does."""
    async with town(tmp_path) as here:
        await here.register("P1", phones=["13312340001"])
        river, records = await published(here)
        lane = deadly(river, records)
        with suppress(ConnectionError):
            await dispatch(river, lane, records)
        assert await dispatch(river, lane, records)
        here.hub.bed.ring()
        await here.pass_(minutes=10)
        [told] = here.told("P1")
        assert told.status == "unknown"


async def test_who_loses_a_race_sees_to_what_the_winner_did_not_live_to_publish(
    tmp_path: Path,
) -> None:
    async with town(tmp_path) as here:
        await here.register("P1", phones=["13312340001"])
        dying: River = copy.copy(here.hub.river)
        dying.topics = NobodyPublishes()  # type: ignore[assignment]  # it only publishes
        one = record(here, "gov.traffic.violation.paid.v1", PAID, 1)
        winner, loser = await asyncio.gather(
            route(dying, [one]), route(here.hub.river, [one]), return_exceptions=True
        )
        assert isinstance(winner, ConnectionError)
        assert loser is None
        await here.pass_(minutes=5)
        [told] = here.told("P1")
        assert told.status == "delivered"


async def test_an_event_that_comes_again_is_not_decided_again(tmp_path: Path) -> None:
    """Its decision was journalled by a worker that died then: this very message is published, not
    one that is made anew."""
    async with town(tmp_path) as here:
        await here.register("P1", phones=["13312340001"])
        one = record(here, "gov.traffic.violation.paid.v1", PAID, 1)
        dying: River = copy.copy(here.hub.river)
        dying.topics = NobodyPublishes()  # type: ignore[assignment]  # it only publishes
        with suppress(ConnectionError):
            await route(dying, [one])
        [told] = here.told("P1")
        after: River = copy.copy(here.hub.river)
        after.topics = kept = Kept()  # type: ignore[assignment]  # it only publishes
        await route(after, [one])
        [[published]] = kept.batches.values()
        assert decode_dispatch(published.value).sealed == told.route.sealed


async def test_of_two_facts_at_once_both_are_kept(tmp_path: Path) -> None:
    """An answer that came late, and a report: who loses the race for a row takes the next."""
    async with town(tmp_path) as here:
        await here.register("P1", phones=["13312340001"])
        river, records = await published(here)
        with suppress(ConnectionError):
            await dispatch(river, deadly(river, records), records)
        ready = decode_dispatch(records[0].value)
        taken = Accepted("ref-1")
        report = Receipt(ready.lane, "ref-1", "delivered", "DELIVRD", here.hub.clock.now_ms())
        await asyncio.gather(
            *(
                record_answers(river, [Answer(ready.stream, ready.version + 1, what, ready.lane)])
                for what in (taken, report)
            )
        )
        rows = here.hub.store.read([ready.stream])[ready.stream]
        assert sorted(row.type.partition(".")[0] for row in rows[2:]) == ["Accepted", "Delivered"]


async def test_what_may_have_been_taken_stays_with_its_lane(tmp_path: Path) -> None:
    """Sent again after an unknown, it waits for a lane that takes nothing: only what was never
    handed over goes another way."""
    async with town(tmp_path) as here:
        await here.register("P1", phones=["13312340001"])
        river, records = await published(here)
        ready = decode_dispatch(records[0].value)
        [row] = here.hub.store.read([ready.stream])[ready.stream]
        routed = decode(row.type, row.data)
        assert isinstance(routed, Routed)
        since = [
            AttemptIntended(lane=ready.lane, call_before_ms=row.at_ms),
            Unknown(attempt=2, evidence="no answer", moved=None),
            Released(
                route=routed.route, facts=routed.facts, policy=routed.policy, reason="resent",
                moved=None,
            ),
        ]  # fmt: skip
        units = [Unit(tuple(entry(ready.stream, n, event) for n, event in enumerate(since, 2)))]
        assert (await river.journal.append(Group(units))).won == (True,)
        fixed: set[Key] = set()
        again = replace(ready, version=4)
        assert await shift(river, ready.lane, [again], 1, fixed) == set()
        assert fixed == {(ready.stream, 4)}
        assert [told.route.lane for told in here.told("P1")] == [ready.lane]
