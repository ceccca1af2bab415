"""The clocks keep their promises: order, due times, and no waiting longer than asked."""

import asyncio
import time
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.clock import Real, Rehearsal, Scaled, Virtual
from streams.clock import Clock


async def turns() -> None:
    """Let every task run that can."""
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.mark.parametrize("clock", [Real(), Scaled(1000, start=0), Virtual()])
class TestEveryClock:
    async def test_an_event_already_set_is_not_waited_for(self, clock: Clock) -> None:
        event = asyncio.Event()
        event.set()
        assert await clock.wait(event, 60_000)

    async def test_an_event_ends_the_wait(self, clock: Clock) -> None:
        event = asyncio.Event()
        waiting = asyncio.create_task(clock.wait(event, 60_000_000))
        await turns()
        assert not waiting.done()
        event.set()
        assert await waiting

    async def test_zero_only_lets_others_run(self, clock: Clock) -> None:
        ran: list[str] = []

        async def other() -> None:
            ran.append("other")

        task = asyncio.create_task(other())
        await clock.sleep_ms(0)
        assert ran == ["other"]
        await task
        assert not await clock.wait(asyncio.Event(), 0)

    async def test_a_cancelled_wait_leaves_no_task_behind(self, clock: Clock) -> None:
        before = asyncio.all_tasks()
        waiting = asyncio.create_task(clock.wait(asyncio.Event(), 60_000_000))
        await turns()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await turns()
        assert asyncio.all_tasks() == before


class TestReal:
    def test_tells_the_machine_s_time(self) -> None:
        assert abs(Real().now_ms() - time.time() * 1000) < 1000

    async def test_sleeps_no_less_than_asked(self) -> None:
        began = time.monotonic_ns()
        await Real().sleep_ms(20)
        assert time.monotonic_ns() - began >= 19_000_000

    async def test_a_wait_ends_at_its_time_out(self) -> None:
        assert not await Real().wait(asyncio.Event(), 1)


class TestScaled:
    async def test_an_hour_passes_in_a_blink(self) -> None:
        clock = Scaled(360_000, start=1_000)
        assert clock.now_ms() >= 1_000
        began = time.monotonic_ns()
        await clock.sleep_ms(3_600_000)
        assert clock.now_ms() >= 3_600_000
        assert time.monotonic_ns() - began < 5_000_000_000

    async def test_slow_motion(self) -> None:
        clock = Scaled(0.001, start=7)
        await Real().sleep_ms(5)
        assert clock.now_ms() == 7

    @pytest.mark.parametrize("factor", [0, -1])
    def test_time_passes(self, factor: float) -> None:
        with pytest.raises(ValueError, match="above zero"):
            Scaled(factor, start=0)


class TestVirtual:
    async def test_stands_still_until_advanced(self) -> None:
        clock = Virtual(start=100)
        sleeper = asyncio.create_task(clock.sleep_ms(50))
        await turns()
        assert clock.now_ms() == 100
        assert clock.next_due_ms() == 150
        clock.advance_to(149)
        await turns()
        assert not sleeper.done()
        clock.advance_to(150)
        await sleeper
        assert clock.next_due_ms() is None

    def test_never_runs_back(self) -> None:
        clock = Virtual(start=100)
        clock.advance_to(100)
        with pytest.raises(ValueError, match="does not run back"):
            clock.advance_to(99)

    async def test_a_cancelled_sleeper_is_forgotten(self) -> None:
        clock = Virtual()
        early = asyncio.create_task(clock.sleep_ms(10))
        late = asyncio.create_task(clock.sleep_ms(20))
        await turns()
        early.cancel()
        await turns()
        assert clock.next_due_ms() == 20
        clock.advance_to(30)
        await late

    async def test_a_wait_ends_at_its_time_out_and_sleeps_no_longer(self) -> None:
        clock = Virtual()
        event = asyncio.Event()
        first = asyncio.create_task(clock.wait(event, 10))
        second = asyncio.create_task(clock.wait(event, 20))
        await turns()
        clock.advance_to(10)
        assert not await first
        event.set()
        assert await second
        await turns()
        assert clock.next_due_ms() is None

    @given(st.lists(st.integers(min_value=1, max_value=20), min_size=1, max_size=30))
    def test_sleepers_wake_by_due_time_then_as_they_fell_asleep(self, naps: list[int]) -> None:
        async def woken(*, step: bool) -> list[tuple[int, int, int]]:
            clock = Virtual()
            woken: list[tuple[int, int, int]] = []

            async def sleeper(number: int, ms: int) -> None:
                await clock.sleep_ms(ms)
                woken.append((ms, number, clock.now_ms()))

            async with asyncio.TaskGroup() as group:
                for number, ms in enumerate(naps):
                    group.create_task(sleeper(number, ms))
                await turns()
                while (due := clock.next_due_ms()) is not None:
                    clock.advance_to(due if step else 20)
                    await turns()
            return woken

        stepped = asyncio.run(woken(step=True))
        assert all(a < b for a, b in pairwise(stepped))
        assert all(now == ms for ms, _, now in stepped)
        at_once = asyncio.run(woken(step=False))
        assert [w[:2] for w in at_once] == [w[:2] for w in stepped]
        assert {now for *_, now in at_once} == {20}


async def test_virtual_time_says_when_everybody_rests() -> None:
    clock = Virtual()
    bell = asyncio.Event()
    seen: list[int] = []

    async def worker() -> None:
        while True:
            await clock.wait(bell, 1_000)
            bell.clear()
            await asyncio.to_thread(seen.append, clock.now_ms())

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(worker()), group.create_task(clock.sleep_ms(10_000))]
        await clock.settled(2)
        assert seen == []
        bell.set()
        await clock.settled(2)
        assert seen == [0], "the bell was heard before it settled"
        clock.advance_to(1_000)
        await clock.settled(2)
        assert seen == [0, 1_000]
        for task in tasks:
            task.cancel()


class TestRehearsal:
    async def test_a_sleeper_notices_that_time_was_moved_on(self, tmp_path: Path) -> None:
        Rehearsal.set(tmp_path / "clock", 0, 1.0)
        clock = Rehearsal(tmp_path / "clock")
        sleeping = asyncio.create_task(clock.sleep_ms(3_600_000))
        await turns()
        Rehearsal.set(tmp_path / "clock", 3_600_000, 1.0)
        async with asyncio.timeout(60):
            await sleeping

    async def test_who_seldom_looks_wakes_in_time_all_the_same(self, tmp_path: Path) -> None:
        Rehearsal.set(tmp_path / "clock", 0, 1000.0, look_s=3600.0)
        clock = Rehearsal(tmp_path / "clock")
        async with asyncio.timeout(60):
            await clock.sleep_ms(1_000)
        assert clock.now_ms() >= 1_000
