"""What Faust's fetcher makes of its cancellation in the middle of a rebalance."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from faust.transport.consumer import Fetcher

from streams.slices import SliceConsumer


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
