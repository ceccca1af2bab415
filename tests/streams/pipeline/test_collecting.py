"""What a channel reports while batches are handed over on its lanes."""

from collections import deque

from channels.base import Collected, Receipt
from streams.pipeline import collecting
from streams.pipeline.collecting import HELD_MAX, Collector
from streams.pipeline.receive import HOLD_MS
from streams.pipeline.river import River
from streams.topics import PARKED
from tests.streams.pipeline.reports import LANE, receipt

OTHER = "sms-cucc"


class Told:
    """A channel that tells what it is given, a take at a time, and notes what it hears."""

    name = "sms"

    def __init__(self, *takes: list[Receipt]) -> None:
        self.takes = deque(takes)
        self.asked = 0
        self.acknowledged: list[int] = []

    async def collect(self) -> Collected:
        self.asked += 1
        receipts = tuple(self.takes.popleft()) if self.takes else ()
        return Collected(receipts, (), self.asked if receipts else 0, 0)

    async def acknowledge(self, token: int) -> None:
        self.acknowledged.append(token)


async def test_what_waits_for_its_batch_holds_up_nobody_behind_it(river: River) -> None:
    kept = river.topics.records  # type: ignore[attr-defined]
    channel = Told([receipt("1")], [receipt("2", OTHER)])
    collector = Collector(river, channel)  # type: ignore[arg-type]  # it only collects
    with river.attempts.handing(LANE):
        assert (await collector.look()).rest_ms == HOLD_MS
        assert channel.acknowledged == []
        assert not kept
        await collector.look()
        assert channel.acknowledged == [2], "the second take was not about that lane"
        assert len(kept.pop(PARKED)) == 1
    assert (await collector.look()).moved
    assert channel.acknowledged == [2, 1]
    assert len(kept[PARKED]) == 1


async def test_while_something_waits_a_quiet_channel_is_not_asked_all_the_time(
    river: River,
) -> None:
    channel = Told([receipt("1")])
    collector = Collector(river, channel)  # type: ignore[arg-type]  # it only collects
    with river.attempts.handing(LANE):
        for _ in range(20):
            await collector.look()
        assert channel.asked == 2


async def test_when_much_waits_no_more_is_taken(river: River) -> None:
    channel = Told(*([receipt(str(n))] for n in range(HELD_MAX + 1)))
    collector = Collector(river, channel)  # type: ignore[arg-type]  # it only collects
    with river.attempts.handing(LANE):
        for _ in range(HELD_MAX + 5):
            await collector.look()
        assert channel.asked == HELD_MAX
    await collector.look()
    assert channel.acknowledged == [*range(1, HELD_MAX + 2)]


async def test_nothing_to_wait_for_is_acknowledged_at_once(river: River) -> None:
    channel = Told([receipt("1")])
    collector = Collector(river, channel)  # type: ignore[arg-type]  # it only collects
    look = await collector.look()
    assert look == collecting.Look(moved=True, rest_ms=None)
    assert channel.acknowledged == [1]
