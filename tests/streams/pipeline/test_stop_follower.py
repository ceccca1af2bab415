"""A stop of a case with more legs than one transaction should cancel."""

import copy
import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from streams.clock import Clock
from streams.journal.base import Group
from streams.pipeline import stop_follower, stopping
from streams.pipeline.river import state_of
from streams.pipeline.route import route
from streams.pipeline.stop_follower import follow_stops
from streams.pipeline.stopping import held_back
from streams.pipeline.tick import tick
from streams.topics import Record
from tests.journeys.town import TUESDAY, Town, town

PEOPLE = [f"P{n}" for n in range(11)]
FINE: dict[str, Any] = {
    "violation_no": "3501020019876543", "plate": "闽A12345", "place": "五四路", "fine": 20000,
    "occurred_at": "2026-11-20T08:30:00+08:00", "offence": "违反禁止标线指示", "points": 1,
}  # fmt: skip
PAID: dict[str, Any] = {
    "violation_no": "3501020019876543", "plate": "闽A12345", "amount": 20000,
    "paid_at": "2026-11-24T22:40:00+08:00", "receipt_no": "350100261124000001",
}  # fmt: skip


@pytest.fixture
async def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Town]:
    """A case waits for the morning with eleven people; a stop cancels two legs at once, and looks
    up four."""
    for module in (stopping, stop_follower):
        monkeypatch.setattr(module, "STOP_AT_ONCE", 2)
    monkeypatch.setattr(stop_follower, "PAGE", 4)
    async with town(tmp_path, TUESDAY.replace(hour=22, minute=30)) as made:
        for n, ref in enumerate(PEOPLE):
            await made.register(ref, phones=[f"133123400{n:02d}"])
        await made.register("P99", phones=["13312340099"])
        for ref in PEOPLE:
            await made.post("gov.traffic.violation.recorded.v1", ref, FINE)
        yield made


def open_legs(here: Town) -> int:
    return sum(told.status == "held" for ref in PEOPLE for told in here.told(ref))


async def settle(here: Town) -> None:
    await here.post("gov.traffic.violation.paid.v1", "P99", PAID)


async def test_every_leg_is_cancelled_once(here: Town) -> None:
    assert open_legs(here) == len(PEOPLE)
    await settle(here)
    await here.pass_(seconds=5)
    for ref in PEOPLE:
        [told] = here.told(ref)
        assert told.status == "cancelled", ref
        assert told.state.cancelled == "case_settled"
    rows = here.hub.store.since(0, 10_000)
    assert sum(row.type.startswith("Cancelled") for row in rows) == len(PEOPLE)
    await here.books_agree()


async def test_no_transaction_cancels_more_than_so_many(
    here: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, cancelled = here.hub.river.journal, list[int]()
    appending = journal.append

    async def noting(group: Group) -> Any:
        committed = await appending(group)
        cancelled.append(len([unit for unit in committed.looked if unit.rows]))
        return committed

    monkeypatch.setattr(journal, "append", noting)
    await settle(here)
    await here.pass_(seconds=5)
    assert max(cancelled) == 2
    assert sum(cancelled) == len(PEOPLE)


async def test_it_goes_on_where_it_died(here: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second page is cancelled in part when the worker dies."""
    await here._director.end()  # from here on the steps are called by hand
    river, cancel, calls = here.hub.river, stop_follower._cancel, list[int]()

    async def dies(*args: Any) -> None:
        calls.append(1)
        if len(calls) == 4:
            raise ConnectionResetError
        await cancel(*args)

    monkeypatch.setattr(stop_follower, "_cancel", dies)
    await route(river, [Record(b"", paid(here))])
    assert len(stopped(here)) == 2
    await tick(river)
    with pytest.raises(ConnectionResetError):
        await tick(river)
    assert len(stopped(here)) == 8
    while await tick(river):
        pass
    assert len(stopped(here)) == len(PEOPLE)


async def test_workers_that_see_to_the_same_page_ask_for_the_next_one_once(
    here: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of them asked at a moment of its own: twice as many timers with every page."""
    await here._director.end()
    river, other = copy.copy(here.hub.river), copy.copy(here.hub.river)
    other.clock = Later(other.clock)  # type: ignore[assignment]  # it only tells the time
    page, pages = river.journal.page, list[bytes]()

    async def noting(key: bytes, sub: bytes, after: bytes, limit: int) -> list[bytes]:
        pages.append(after)
        return await page(key, sub, after, limit)

    monkeypatch.setattr(river.journal, "page", noting)
    await route(river, [Record(b"", paid(here))])
    while timers := await river.journal.due(other.clock.now_ms(), 500):
        for each in (river, other):
            await follow_stops(each, timers)
        await river.journal.delete_timers(timers)
    assert len(stopped(here)) == len(PEOPLE)
    assert set(Counter(pages).values()) == {2}, "each page once by each worker"


async def test_what_moves_on_while_its_page_is_read_is_cancelled_all_the_same(
    here: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another worker decides again on whatever is not cancelled yet, before every append."""
    await here._director.end()
    river = here.hub.river
    await route(river, [Record(b"", paid(here))])
    case, appending = river.index.case(f"violation_no={FINE['violation_no']}"), river.journal.append

    async def overtaken(group: Group) -> Any:
        legs = (await river.journal.page([case], river.index.NOTE, b"", 100))[case]
        states = {s: state_of(r) for s, r in (await river.journal.read(legs)).items()}
        waiting = {s: state for s, state in states.items() if state.status == "held"}
        now_ms = river.clock.now_ms()
        await appending(Group([held_back(river, s, state, now_ms) for s, state in waiting.items()]))
        return await appending(group)

    monkeypatch.setattr(river.journal, "append", overtaken)
    await follow_stops(river, await river.journal.due(river.clock.now_ms(), 500))
    assert len(stopped(here)) == 2 + 4


class Later:
    """The clock of a worker that comes to the same thing a little later."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def now_ms(self) -> int:
        return self._clock.now_ms() + 7


def paid(here: Town) -> bytes:
    event = {
        "specversion": "1.0", "id": "paid", "source": "journey", "subject": "P99", "data": PAID,
        "type": "gov.traffic.violation.paid.v1", "time": here.now().isoformat(),
    }  # fmt: skip
    return json.dumps(event, ensure_ascii=False).encode()


def stopped(here: Town) -> list[str]:
    return [ref for ref in PEOPLE if here.told(ref)[0].status == "cancelled"]
