"""What wakes a page that is open."""

import asyncio
from collections.abc import Collection
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from hub.clock import Scaled
from streams.views import InboxChange
from web import inbox_streams
from web.inbox_streams import InboxStreams

ARRIVED = InboxChange(7, "00", "arrived")


class Inbox:
    """Answers with what stirred, look by look; an exception is raised."""

    def __init__(self, *looks: Any) -> None:
        self._looks = list(looks)
        self.asked: list[tuple[set[str], int]] = []

    def stirred(self, recipients: Collection[str], since_ms: int) -> frozenset[str]:
        self.asked.append((set(recipients), since_ms))
        answer = self._looks.pop(0) if self._looks else ()
        if isinstance(answer, Exception):
            raise answer
        return frozenset(answer)


class Reading:
    """The change is journalled by the ``n``-th time it is read."""

    def __init__(self, n: int) -> None:
        self._n = n
        self.read = 0

    def inbox_changes(self, ref: str, after: int) -> list[InboxChange]:
        self.read += 1
        return [ARRIVED] if self.read >= self._n and after < ARRIVED.pos else []


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Scaled:
    """A second passes in ten milliseconds."""
    monkeypatch.setattr(inbox_streams, "BEAT_MS", 30_000)
    return Scaled(100, 1_000_000_000)


async def first(streams: InboxStreams) -> InboxChange | None:
    changes = streams.follow("P1", 0)
    try:
        return await asyncio.wait_for(anext(changes), 20)
    finally:
        await changes.aclose()  # type: ignore[attr-defined]


async def test_what_is_journalled_a_moment_after_it_was_put_there(clock: Scaled) -> None:
    """At one look it stirs and nothing can be told yet; at the next it has ceased to stir."""
    reading = Reading(3)
    assert await first(InboxStreams(clock, Inbox(["P1"], []), reading)) == ARRIVED  # type: ignore[arg-type]
    assert reading.read == 3


async def test_who_does_not_stir_costs_nothing(clock: Scaled) -> None:
    inbox, reading = Inbox(["P2"], ["P2"], ["P2"]), Reading(9)
    assert await first(InboxStreams(clock, inbox, reading)) is None  # type: ignore[arg-type]
    assert reading.read == 1
    assert all(refs == {"P1"} for refs, _ in inbox.asked)
    sinces = [since_ms for _, since_ms in inbox.asked]
    assert sinces == sorted(set(sinces)), "each look goes on from the last"


async def test_while_the_database_is_away_the_next_look_is_over_all_that_time(
    clock: Scaled,
) -> None:
    gone = OperationalError("", None, Exception())
    inbox = Inbox(gone, gone, ["P1"])
    assert await first(InboxStreams(clock, inbox, Reading(2))) == ARRIVED  # type: ignore[arg-type]
    first_look, *others = [since_ms for _, since_ms in inbox.asked[:3]]
    assert others == [first_look, first_look]
