"""A partition in this worker's hands: its slices are served one after another, by a task of its
own, so that a slow partition holds up no other.

    partition.bring(slice)      from the stream, in order
    await partition.let_go()    it is being taken away, or the worker stops
    partition.served            up to which offset its records are done with
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from streams.ending import end_process
from streams.topics import Record

UNDONE_S = 60
"""A handler that leaves a slice undone says that somebody else owns the partition. Kafka then says
the same within a session time-out; where it does not, starting again is the only way to agree."""


class Serve(Protocol):
    """What a step does with a slice."""

    async def __call__(self, partition: "Partition", records: Sequence[Record]) -> bool:
        """Serve them; True: all is done and may be acknowledged. False: something was left undone,
        since the partition is ``leaving`` or was lost; the slice comes again to its next owner.

        Looks at ``partition.leaving`` between its batches. What it raises ends the process.
        """


class Handler(NamedTuple):
    """Who serves a topic, and how many records at most are acknowledged together."""

    serve: Serve
    slice_records: int = 1_000


class Slice:
    """Records of one partition that follow each other; acknowledged whole."""

    __slots__ = ("end", "partition", "records")

    def __init__(self, partition: "Partition", records: Sequence[Record]) -> None:
        self.partition = partition
        self.records = records
        self.end = records[-1].offset + 1


class Partition:
    """One partition for as long as it stays here; another assignment is another object.

    ``relieved`` is called after each slice, when there is room for more.
    """

    def __init__(
        self, topic: str, number: int, handler: Handler, relieved: Callable[["Partition"], None]
    ) -> None:
        self.topic = topic
        self.number = number
        self.leaving = False
        self.served = 0
        self._handler = handler
        self._relieved = relieved
        self._held = 0
        self._cut: deque[Slice] = deque()
        self._brought: deque[Slice] = deque()
        self._bell = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"{self.topic}/{self.number}"

    @property
    def held(self) -> int:
        """Records that are here and not served yet."""
        return self._held

    def is_full(self) -> bool:
        """Whether to stop fetching: it has more than the slice it is at and the next one."""
        return self._held > 2 * self._handler.slice_records

    def cut(self, records: Sequence[Record]) -> list[Slice]:
        """What was fetched, in slices. From here on it is held, and is to be brought in order."""
        size = self._handler.slice_records
        self._held += len(records)
        slices = [Slice(self, records[i : i + size]) for i in range(0, len(records), size)]
        self._cut += slices
        return slices

    @property
    def on_the_way(self) -> list[Slice]:
        """What was cut and has not been brought."""
        return list(self._cut)

    def bring(self, slice_: Slice) -> None:
        """Its turn comes after those cut before, and once; not at all when the partition is
        leaving.

        Whoever brings them may lose some on the way, as Faust does when it empties its streams
        after a rebalance: what was cut before this one and never came is taken up with it. To pass
        over it would be to acknowledge it.
        """
        if self.leaving or slice_ not in self._cut:
            return
        while self._cut[0] is not slice_:
            self._brought.append(self._cut.popleft())
        self._brought.append(self._cut.popleft())
        self._bell.set()
        if self._task is None:
            self._task = asyncio.create_task(self._work(), name=f"partition {self!r}")

    async def let_go(self) -> None:
        """Tell the handler to leave, and wait until it has; what is not begun is dropped."""
        self.leaving = True
        self._cut.clear()
        self._brought.clear()
        self._bell.set()
        if self._task is not None:
            await self._task

    async def _work(self) -> None:
        try:
            while not self.leaving:
                if not self._brought:
                    self._bell.clear()
                    await self._bell.wait()
                    continue
                slice_ = self._next()
                if not await self._handler.serve(self, slice_.records):
                    await self._wait_for_loss()
                    return
                self.served = slice_.end
                self._held -= len(slice_.records)
                self._relieved(self)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise  # the loop itself is ending
            end_process(f"the step of {self!r} was cancelled from inside", error)
        except Exception as error:
            # Whatever came next could acknowledge the slice: Faust would, if this reached it.
            end_process(f"the step of {self!r} failed", error)

    def _next(self) -> Slice:
        """What came in several fetches while the last was served, as one slice: served one by one,
        a few records each, they would never be caught up with."""
        records = [*self._brought.popleft().records]
        size = self._handler.slice_records
        while self._brought and len(records) + len(self._brought[0].records) <= size:
            records += self._brought.popleft().records
        return Slice(self, records)

    async def _wait_for_loss(self) -> None:
        """Nothing is served until whoever took the partition is known to Kafka as well."""
        self._cut.clear()
        self._brought.clear()
        try:
            async with asyncio.timeout(UNDONE_S):
                while not self.leaving:
                    self._bell.clear()
                    await self._bell.wait()
        except TimeoutError:
            end_process(f"{self!r} was left undone, and nobody took it over")
