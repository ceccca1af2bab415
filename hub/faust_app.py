"""One kind of worker as a Faust app: ``faust -A streams.app worker``, with ``HUB_WORKER_KIND``.

Faust makes the app before there is a loop, and the hub is opened in one; so the app's handlers
open it when they are first asked, or when the app has started.
"""

import asyncio
import os
from collections.abc import Sequence

from hub.bootstrap import documents
from hub.clock import clock_of
from hub.cluster import ClusterHub, open_cluster
from hub.settings import Settings, load
from hub.workers import Worker, bed_of, slices_of
from streams.partition import Handler, Partition
from streams.topics import Record


class _Late:
    """A worker that is opened by whoever needs it first."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._kind = settings.worker_kind
        self._ending = asyncio.Event()
        self._opening = asyncio.Lock()
        self._hub: ClusterHub | None = None
        self._worker: Worker | None = None

    async def serve(self, partition: Partition, records: Sequence[Record]) -> bool:
        worker = await self._opened()
        handler = worker.handlers[self._kind][partition.topic]
        return await handler.serve(partition, records)

    async def beside(self) -> None:
        """What the worker does by the clock."""
        worker = await self._opened()
        await worker.beside(print)

    async def close(self) -> None:
        self._ending.set()
        if self._hub is not None:
            await self._hub.close()

    async def _opened(self) -> Worker:
        async with self._opening:
            if self._worker is None:
                clock = clock_of(self._settings.clock)
                self._hub = await open_cluster(self._settings, clock, self._ending, patient=True)
                self._worker = Worker(self._hub, [self._kind], self._ending)
            return self._worker


_settings = load(os.environ)
_late = _Late(_settings)
_slices = slices_of(_settings.worker_kind, documents(_settings).lanes, _settings.partitions)

app = bed_of(
    _settings,
    _settings.worker_kind,
    {topic: Handler(_late.serve, records) for topic, records in _slices.items()},
).app
app.closing = _late.close
app.task(_late.beside)
