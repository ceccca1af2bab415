"""An unknown attempt whose horizon has come: its provider is asked before it is given up."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from channels.base import Receipt
from channels.finding import Match, Sought
from channels.sandbox_model import Faults
from streams.pipeline import reconcile as module
from tests.streams.small_hub import SmallHub, small_hub

LOST = Faults(answer_lost=1.0, receipt_lost=1.0)
HOUR_MS = 3_600_000


class Finder:
    """Has what it is told to have, and remembers what it was asked."""

    def __init__(self, *matches: Match) -> None:
        self.matches = matches
        self.asked: list[Sought] = []

    async def find(self, sought: Sought) -> Sequence[Match]:
        self.asked.append(sought)
        return self.matches


async def doubted(small: SmallHub, finder: Finder, ref: str = "a", number: str = "1") -> str:
    """The status of somebody's notification once its horizon is over."""
    small.hub.river.finders = {"sandbox": finder}
    await small.register(ref, emails=[])
    await small.violation(ref, number.zfill(16))
    await small.pass_time(HOUR_MS)
    return small.reading.history(ref)[0].status


async def test_what_is_found_is_the_attempt(tmp_path: Path) -> None:
    async with small_hub(tmp_path, faults=LOST) as small:
        finder = Finder(Match("SM1"))
        assert await doubted(small, finder) == "accepted"
        (sought,) = finder.asked
        assert sought.attempt == f"{small.stream_of('a')}:2"
        assert (sought.lane, sought.to) == ("sms-cmcc", "+8613800001234")
        assert "违" in sought.text
        assert 0 <= sought.until_ms - sought.since_ms <= 10_000


async def test_its_last_word_comes_with_it(tmp_path: Path) -> None:
    async with small_hub(tmp_path, faults=LOST) as small:
        report = Receipt("sms-cmcc", "SM1", "delivered", "delivered", 1)
        assert await doubted(small, Finder(Match("SM1", report))) == "delivered"


async def test_nothing_found_is_unconfirmed(tmp_path: Path) -> None:
    async with small_hub(tmp_path, faults=LOST) as small:
        finder = Finder()
        assert await doubted(small, finder) == "unconfirmed"
        assert len(finder.asked) == 1


async def test_what_another_attempt_has_is_left_to_it(tmp_path: Path) -> None:
    async with small_hub(tmp_path, faults=LOST) as small:
        assert await doubted(small, Finder(Match("SM1"))) == "accepted"
        again = Finder(Match("SM1"))
        assert await doubted(small, again, "b", "2") == "unconfirmed"
        assert await doubted(small, Finder(Match("SM1"), Match("SM2")), "c", "3") == "accepted"


async def test_a_provider_that_cannot_be_asked_is_not(tmp_path: Path) -> None:
    async with small_hub(tmp_path, faults=LOST) as small:
        await small.register("a", emails=[])
        await small.violation("a")
        await small.pass_time(HOUR_MS)
        assert small.reading.history("a")[0].status == "unconfirmed"


async def test_one_that_does_not_answer_holds_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import asyncio

    class Silent(Finder):
        async def find(self, sought: Sought) -> Sequence[Match]:
            await asyncio.Event().wait()
            return ()

    monkeypatch.setattr(module, "ASK_S", 0.1)
    async with small_hub(tmp_path, faults=LOST) as small:
        assert await doubted(small, Silent()) == "unconfirmed"
