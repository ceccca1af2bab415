"""What our consumer makes of what Faust does around a rebalance."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import UnknownError
from faust.transport.consumer import Fetcher

from streams.partition import Handler, Partition, Slice
from streams.slices import SliceConsumer
from streams.topics import Record


class Waiting:
    """A member of a group that waits for records."""

    should_stop = False

    def __init__(self, app: Any) -> None:
        self.app = app
        self.fetches = asyncio.Event()

    async def _fetch(self) -> dict[Any, Any]:
        self.fetches.set()
        await asyncio.Event().wait()
        return {}

    async def _drain_messages(self, fetcher: Any) -> None:
        await SliceConsumer._drain_messages(self, fetcher)  # type: ignore[arg-type]  # its stand-in


@pytest.mark.parametrize("ends", [True, False], ids=["the end", "no end"])
async def test_only_where_nobody_asked_for_the_end_it_has_crashed(ends: bool) -> None:
    """A worker that was told to stop while its group was rebalancing ended as if the brokers had
    left it."""
    crashed: list[BaseException] = []

    async def crash(reason: BaseException) -> None:
        crashed.append(reason)

    app = SimpleNamespace(rebalancing=True, should_stop=False)
    app.consumer = consumer = Waiting(app)
    fetcher = SimpleNamespace(
        app=app, should_stop=False, crash=crash, log=SimpleNamespace(info=print),
        set_shutdown=lambda: None, supervisor=SimpleNamespace(wakeup=lambda: None),
    )  # fmt: skip
    task = asyncio.create_task(Fetcher._fetcher.fun(fetcher))
    await consumer.fetches.wait()
    app.should_stop = ends
    task.cancel()
    await asyncio.wait([task])
    assert [type(reason) for reason in crashed] == ([] if ends else [asyncio.CancelledError])


class Forgetful:
    """A member of a group whose stream loses the last of what it was given."""

    should_stop = False
    app = SimpleNamespace(should_stop=False)

    def __init__(self, held: Partition) -> None:
        self.held = [held]
        self._fetches = [{"events": [Record(b"", b"", n) for n in range(3)]}, {}]

    async def _fetch(self) -> dict[str, list[Record]]:
        self.should_stop = len(self._fetches) == 1
        return self._fetches.pop(0)

    def _hold(self, tp: str, records: list[Record]) -> list[Slice]:
        return self.held[0].cut(records)

    passed = 0

    async def _pass_on(self, slice_: Slice) -> None:
        self.passed += 1
        if self.passed != 3:
            slice_.partition.bring(slice_)


async def test_what_a_stream_lost_is_passed_on_again_when_nothing_comes_behind_it() -> None:
    async def serve(partition: Partition, records: Any) -> bool:
        return True

    held = Partition("events", 0, Handler(serve, 1), lambda _: None)
    consumer = Forgetful(held)
    async with asyncio.timeout(10):
        await SliceConsumer._drain_messages(
            consumer,  # type: ignore[arg-type]  # its stand-in
            SimpleNamespace(should_stop=False),  # type: ignore[arg-type]
        )
        while held.held:  # noqa: ASYNC110 - it rings no bell
            await asyncio.sleep(0)
    assert (held.served, consumer.passed) == (3, 4)
    await held.let_go()


async def test_a_last_commit_that_is_refused_leaves_nothing_in_hand() -> None:
    """aiokafka takes no notice of it, and gives us our next assignment."""

    async def refused() -> None:
        raise UnknownError

    async def serve(partition: Partition, records: Any) -> bool:
        return True

    held = Partition("events", 0, Handler(serve), lambda _: None)
    consumer = SimpleNamespace(held=[held], commit=refused, _held={"events/0": held}, _committed={})
    await SliceConsumer._let_go(consumer)  # type: ignore[arg-type]  # its stand-in
    assert (held.leaving, consumer._held, consumer._let_gone) == (True, {}, True)
