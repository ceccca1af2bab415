"""A partition serves its slices one after another, beside the others, and can be let go."""

import asyncio
import subprocess
import sys
from collections.abc import Sequence

import pytest

from streams.ending import EXIT_BROKEN
from streams.partition import Handler, Partition
from streams.topics import Record


def records(first: int, count: int) -> Sequence[Record]:
    return [Record(b"r-1", b"", offset) for offset in range(first, first + count)]


class Step:
    """Serves when it is let, and notes what."""

    def __init__(self) -> None:
        self.served: list[int] = []
        self.gate = asyncio.Event()
        self.begun = asyncio.Event()

    async def serve(self, partition: Partition, records: Sequence[Record]) -> bool:
        self.begun.set()
        while not self.gate.is_set():
            if partition.leaving:
                return False
            await asyncio.sleep(0)
        self.served += [record.offset for record in records]
        return True


def bring(partition: Partition, records: Sequence[Record]) -> None:
    for slice_ in partition.cut(records):
        partition.bring(slice_)


async def until(condition) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is waited for rings no bell
            await asyncio.sleep(0)


async def test_slices_are_served_in_order() -> None:
    step, relieved = Step(), []
    partition = Partition("events", 3, Handler(step.serve, 10), relieved.append)
    step.gate.set()
    bring(partition, records(7, 25))
    bring(partition, records(40, 1))
    assert partition.held == 26
    await until(lambda: not partition.held)
    assert step.served == [*range(7, 32), 40]
    assert partition.served == 41
    assert relieved == [partition] * 3
    await partition.let_go()


async def test_what_came_in_many_fetches_is_served_together_up_to_a_slice() -> None:
    """Served one by one, small slices cost their records so much that they are never caught up."""
    sizes: list[int] = []
    step = Step()

    async def serve(partition: Partition, records: Sequence[Record]) -> bool:
        sizes.append(len(records))
        return await step.serve(partition, records)

    partition = Partition("events", 0, Handler(serve, 10), lambda _: None)
    bring(partition, records(0, 1))
    await step.begun.wait()
    for first in range(1, 22, 3):
        bring(partition, records(first, 3))
    step.gate.set()
    await until(lambda: not partition.held)
    assert step.served == [*range(22)]
    assert sizes == [1, 9, 9, 3]
    assert partition.served == 22
    await partition.let_go()


async def test_what_was_lost_on_the_way_is_served_in_its_place() -> None:
    """Faust empties its streams when a group has changed: to go on behind what lay in one would be
    to acknowledge it."""
    step = Step()
    partition = Partition("events", 0, Handler(step.serve, 10), lambda _: None)
    step.gate.set()
    _, _, third, fourth = partition.cut(records(0, 40))
    partition.bring(third)
    await until(lambda: partition.served == 30)
    assert (step.served, partition.held) == ([*range(30)], 10)
    assert partition.on_the_way == [fourth]
    await partition.let_go()


async def test_a_slice_that_is_brought_again_is_served_once() -> None:
    step = Step()
    partition = Partition("events", 0, Handler(step.serve, 10), lambda _: None)
    step.gate.set()
    first, second = partition.cut(records(0, 20))
    for slice_ in (first, second, first, second):
        partition.bring(slice_)
    await until(lambda: not partition.held)
    partition.bring(second)
    for _ in range(10):
        await asyncio.sleep(0)
    assert (step.served, partition.served, partition.held) == ([*range(20)], 20, 0)
    await partition.let_go()


async def test_what_is_in_hand_is_bounded_by_slices() -> None:
    step = Step()
    partition = Partition("events", 0, Handler(step.serve, 10), lambda _: None)
    partition.cut(records(0, 20))
    assert not partition.is_full()
    partition.cut(records(20, 1))
    assert partition.is_full()


async def test_a_slow_partition_holds_up_no_other() -> None:
    slow, quick = Step(), Step()
    quick.gate.set()
    one = Partition("events", 0, Handler(slow.serve), lambda _: None)
    other = Partition("events", 1, Handler(quick.serve), lambda _: None)
    bring(one, records(0, 1))
    bring(other, records(0, 1))
    await until(lambda: other.served)
    assert (one.served, one.held) == (0, 1)
    await one.let_go()
    await other.let_go()


async def test_letting_go_waits_for_the_step_and_drops_the_rest() -> None:
    step = Step()
    partition = Partition("events", 0, Handler(step.serve, 10), lambda _: None)
    bring(partition, records(0, 30))
    await step.begun.wait()
    await partition.let_go()  # the step looks, and leaves its slice undone
    step.gate.set()
    bring(partition, records(30, 1))
    await asyncio.sleep(0)
    assert (step.served, partition.served) == ([], 0)


async def test_a_step_that_finishes_as_it_is_let_go_is_done_with_its_slice() -> None:
    step = Step()

    async def serve(partition: Partition, records: Sequence[Record]) -> bool:
        await until(lambda: partition.leaving)
        step.served += [record.offset for record in records]
        return True

    partition = Partition("events", 0, Handler(serve, 10), lambda _: None)
    bring(partition, records(0, 20))
    await asyncio.sleep(0)
    await partition.let_go()
    assert (step.served, partition.served) == ([*range(10)], 10)


async def test_a_partition_that_was_lost_is_served_no_more() -> None:
    begun = []

    async def serve(partition: Partition, records: Sequence[Record]) -> bool:
        begun.append(records[0].offset)
        return False

    partition = Partition("events", 0, Handler(serve, 10), lambda _: None)
    bring(partition, records(0, 20))
    await until(lambda: begun)
    bring(partition, records(20, 10))
    for _ in range(10):
        await asyncio.sleep(0)
    assert (begun, partition.served) == ([0], 0)
    await partition.let_go()


BROKEN = """
import asyncio, sys
from streams import partition as at
from streams.topics import Record

async def serve(partition, records):
    {step}

async def main():
    at.UNDONE_S = 0.1
    one = at.Partition("events", 4, at.Handler(serve), lambda _: print("acknowledged"))
    for slice_ in one.cut([Record(b"", b"", 1)]):
        one.bring(slice_)
    await asyncio.sleep(20)
    print("it lives")

asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("raise KeyError('unforeseen')", "the step of events/4 failed"),
        ("raise asyncio.CancelledError", "the step of events/4 was cancelled from inside"),
        ("return False", "events/4 was left undone, and nobody took it over"),
    ],
    ids=["raises", "is cancelled", "leaves undone what is still its own"],
)
def test_a_step_that_breaks_its_promise_ends_the_process_at_once(step: str, said: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", BROKEN.format(step=step)], capture_output=True, text=True
    )
    assert ended.returncode == EXIT_BROKEN
    assert said in ended.stderr
    assert ended.stdout == ""
