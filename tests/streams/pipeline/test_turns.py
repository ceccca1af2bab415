"""What is urgent goes first on a loop that it shares; the rest overlaps while nothing is."""

import asyncio

from hub.clock import Scaled, Virtual
from streams.pipeline.turns import AT_ONCE, SMALL, Precedence, Turns

LOOP_TURNS = 20
"""Until all that can go on has gone on, and only sleepers are left."""


class Work:
    """Batches that say when they begin and end, and take some turns of the loop."""

    def __init__(self) -> None:
        self.at_once = 0
        self.most_at_once = 0

    async def batch(self, turns: Turns) -> None:
        async with turns.turn():
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            for _ in range(3):
                await asyncio.sleep(0)
            self.at_once -= 1


async def test_batches_overlap_while_nothing_urgent_is_in_hand() -> None:
    precedence, work = Precedence(Scaled(1, 0)), Work()
    normal = precedence.of(urgent=False)
    await asyncio.gather(*(work.batch(normal) for _ in range(5)))
    assert work.most_at_once == 5
    assert normal.most(SMALL * 5) == SMALL * 5


async def test_behind_something_urgent_they_go_one_by_one_and_small() -> None:
    precedence, work = Precedence(Scaled(1, 0)), Work()
    normal, urgent = precedence.of(urgent=False), precedence.of(urgent=True)
    async with urgent.turn():
        assert normal.most(SMALL * 5) == SMALL
        await asyncio.gather(*(work.batch(normal) for _ in range(5)))
    assert work.most_at_once == 1
    assert normal.most(SMALL * 5) == SMALL * 5, "as before, once it is done"


async def test_behind_something_urgent_each_rests_as_long_as_it_took() -> None:
    clock = Virtual(0)
    precedence = Precedence(clock)
    normal, begun_ms = precedence.of(urgent=False), []

    async def batch() -> None:
        async with normal.turn():
            begun_ms.append(clock.now_ms())
            await clock.sleep_ms(40)

    async def urgent(ms: int) -> None:
        async with precedence.of(urgent=True).turn():
            await clock.sleep_ms(ms)

    everything = asyncio.gather(urgent(130), *(batch() for _ in range(4)))
    while not everything.done():
        for _ in range(LOOP_TURNS):
            await asyncio.sleep(0)
        if (due_ms := clock.next_due_ms()) is not None:
            clock.advance_to(due_ms)
    assert begun_ms[:2] == [0, 80]
    assert begun_ms[2] == 130, "and no longer than something urgent is in hand"


async def test_what_is_urgent_waits_for_nobody() -> None:
    precedence, work = Precedence(Scaled(1, 0)), Work()
    urgent = precedence.of(urgent=True)
    assert urgent.most(SMALL * 5) == SMALL * 5
    await asyncio.gather(*(work.batch(urgent) for _ in range(5)))
    assert work.most_at_once == 5


async def test_an_urgent_batch_that_fails_holds_up_nobody_afterwards() -> None:
    precedence = Precedence(Scaled(1, 0))
    try:
        async with precedence.of(urgent=True).turn():
            raise OSError
    except OSError:
        pass
    assert precedence.of(urgent=False).most(SMALL * 5) == SMALL * 5


async def test_where_a_worker_has_no_loop_of_its_own_nobody_waits() -> None:
    work = Work()
    await asyncio.gather(*(work.batch(AT_ONCE) for _ in range(5)))
    assert (work.most_at_once, AT_ONCE.most(1_000)) == (5, 1_000)
