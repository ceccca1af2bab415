"""One thread that writes what many callers bring, together: a commit costs the disk once for all.

A caller that comes while the thread is idle is served at once. What comes while it writes waits
for the next round, and that round up to `GATHER_S` for company.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

GATHER_S = 0.005
# A commit of this many costs a row a hundredth of a commit of one; more only adds waiting.
GATHER_ITEMS = 1_000

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Closed(Exception):  # noqa: N818 - a state of the writer, not a mistake
    """The item came after `close` and was not written."""


class _Waiting(NamedTuple, Generic[Item, Answer]):
    item: Item
    weight: int
    answer: asyncio.Future[Answer]


class GroupWriter(Generic[Item, Answer]):
    """Hands items to ``write`` in its own thread; each caller gets its own answer.

    ``write`` does all of its items or none, and returns an answer for each in their order. When
    it raises an error of the kind ``nobodys`` (the disk is full), all callers get it; any other
    is one item's fault, and is tracked down by halving, so that only its caller gets it. Memory is
    bounded by the callers: each waits for its answer before it brings the next item.
    """

    def __init__(
        self,
        name: str,
        write: Callable[[Sequence[Item]], Sequence[Answer]],
        nobodys: type[Exception],
    ) -> None:
        self._write = write
        self._nobodys = nobodys
        self._changed = threading.Condition()
        self._urgent: deque[_Waiting[Item, Answer]] = deque()
        self._normal: deque[_Waiting[Item, Answer]] = deque()
        self._weight = 0
        self._idle = False
        self._closing = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    async def bring(self, item: Item, weight: int, *, urgent: bool = False) -> Answer:
        """Have an item written; ``weight`` is how many rows it makes. Raises `Closed`."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        with self._changed:
            if self._closing:
                raise Closed
            (self._urgent if urgent else self._normal).append(_Waiting(item, weight, answer))
            self._weight += weight
            if self._idle or self._ripe():
                self._changed.notify()
        return await answer

    async def close(self) -> None:
        """Write what waits, then end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        while taken := self._take():
            _tell(taken, self._answers([waiting.item for waiting in taken]))

    def _answers(self, items: Sequence[Item]) -> list[Answer | Exception]:
        try:
            return [*self._write(items)]
        except Exception as error:
            if len(items) == 1 or isinstance(error, self._nobodys):
                return [error] * len(items)
        half = len(items) // 2
        return self._answers(items[:half]) + self._answers(items[half:])

    def _take(self) -> list[_Waiting[Item, Answer]]:
        """The next round, urgent ones first; empty when all is written and the end has come."""
        with self._changed:
            if self._weight:  # came while the last round was written
                self._changed.wait_for(self._ripe, GATHER_S)
            self._idle = True
            self._changed.wait_for(lambda: self._weight or self._closing)
            self._idle = False
            taken: list[_Waiting[Item, Answer]] = []
            weight = 0
            for queue in (self._urgent, self._normal):
                while queue and weight < GATHER_ITEMS:
                    taken.append(queue.popleft())
                    weight += taken[-1].weight
            self._weight -= weight
            return taken

    def _ripe(self) -> bool:
        return bool(self._urgent) or self._weight >= GATHER_ITEMS or self._closing


def _tell(taken: list[_Waiting[Item, Answer]], answers: list[Answer | Exception]) -> None:
    """Answer every caller in one visit to their loop."""

    def tell() -> None:
        for waiting, answer in zip(taken, answers, strict=True):
            if waiting.answer.done():  # its caller went away
                continue
            if isinstance(answer, Exception):
                waiting.answer.set_exception(answer)
            else:
                waiting.answer.set_result(answer)

    taken[0].answer.get_loop().call_soon_threadsafe(tell)
