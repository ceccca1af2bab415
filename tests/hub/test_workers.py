"""A dispatcher's hold on the partitions of its lanes."""

import gc
import weakref
from types import SimpleNamespace
from typing import Any

import pytest

from channels.lanes import Lane, Lanes
from hub import workers
from hub.clock import Virtual
from streams.partition import Handler, Partition
from streams.pipeline.dispatch import LaneWork
from streams.pipeline.turns import Precedence
from streams.topics import Record


class Dispatcher:
    """It hands over nothing, and notes by what it would."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.works: list[LaneWork] = []
        lane = Lane("sms-a", "sms", "sandbox", 10)
        river = SimpleNamespace(documents=SimpleNamespace(lanes=Lanes([lane])))
        hub = SimpleNamespace(
            clock=Virtual(7), channels={"sandbox": None}, settings=SimpleNamespace(partitions=3),
            store=SimpleNamespace(transaction=None), reads=self.claims, river=river,
        )  # fmt: skip
        self.lanes = workers._Lanes(hub, Precedence(hub.clock))  # type: ignore[arg-type]
        self.claimed: list[tuple[str, int]] = []
        monkeypatch.setattr(workers, "dispatch", self.dispatch)

    async def claims(self, _: Any, topic: str, number: int, *more: object) -> tuple[str, int]:
        self.claimed.append((topic, number))
        return topic, number

    async def dispatch(self, river: object, work: LaneWork, records: object) -> bool:
        self.works.append(work)
        return True


@pytest.fixture
def dispatcher(monkeypatch: pytest.MonkeyPatch) -> Dispatcher:
    return Dispatcher(monkeypatch)


def assigned(dispatcher: Dispatcher, number: int = 0) -> Partition:
    return Partition("dispatch.sms-a", number, Handler(dispatcher.lanes.serve), lambda _: None)


SOME = [Record(b"", b"", 0)]


async def test_each_assignment_is_claimed_once(dispatcher: Dispatcher) -> None:
    first, other = assigned(dispatcher), assigned(dispatcher, 1)
    for partition in (first, other, first, other):
        await dispatcher.lanes.serve(partition, SOME)
    again = assigned(dispatcher)
    await dispatcher.lanes.serve(again, SOME)
    assert dispatcher.claimed == [(first.topic, 0), (first.topic, 1), (first.topic, 0)]
    assert dispatcher.works[0] is dispatcher.works[2] is not dispatcher.works[4]


async def test_an_assignment_that_ended_is_forgotten(dispatcher: Dispatcher) -> None:
    """With what it had in hand: groups change as often as workers come and go."""
    former = assigned(dispatcher)
    await dispatcher.lanes.serve(former, SOME)
    gone = weakref.ref(former)
    await former.let_go()
    del former
    dispatcher.works.clear()
    await dispatcher.lanes.serve(assigned(dispatcher), SOME)
    gc.collect()
    assert gone() is None


async def test_what_an_assignment_held_is_let_go_with_it(dispatcher: Dispatcher) -> None:
    partition = assigned(dispatcher)
    for slice_ in partition.cut([Record(b"", b"", n) for n in range(3_000)])[:2]:
        partition.bring(slice_)
    await partition.let_go()
    assert partition.on_the_way == []
