"""Writes of many callers, together: a commit costs the disk once for all.

What the tasks of a loop bring while a round is being written makes the next. A round has two
halves. The first, in the loop's own thread, is all that Python alone does: reading versions, giving
positions, hashing. The second, statements of many rows and the commit, goes on in a thread of the
writer's own while the loop runs on: it lets go of the interpreter for nearly all of its time. Only
that half may: beside a busy loop, a thread that wants the interpreter back at every row of an
answer waits longer than it works (405 µs a notification against 330).
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, NamedTuple, TypeVar

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
    """Hands items to ``begin``, and runs the second half it answers with in a thread; each caller
    gets its own answer.

    The two halves do all of their items or none; the second returns an answer for each in their
    order. When they raise an error of the kind ``nobodys`` (the disk is full), all callers get it;
    any other is one item's fault, and is tracked down by halving, so that only its caller gets it.
    One round is written at a time. Memory is bounded by the callers: each waits for its answer
    before it brings the next item.
    """

    def __init__(
        self,
        begin: Callable[[Sequence[Item]], Callable[[], Sequence[Answer]]],
        nobodys: type[Exception],
    ) -> None:
        self._begin = begin
        self._nobodys = nobodys
        self._urgent: deque[_Waiting[Item, Answer]] = deque()
        self._normal: deque[_Waiting[Item, Answer]] = deque()
        self._thread = ThreadPoolExecutor(1)
        self._rounds: asyncio.Task[None] | None = None
        self._closing = False

    async def bring(self, item: Item, weight: int, *, urgent: bool = False) -> Answer:
        """Have an item written; ``weight`` is how many rows it makes. Raises `Closed`."""
        if self._closing:
            raise Closed
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer] = loop.create_future()
        (self._urgent if urgent else self._normal).append(_Waiting(item, weight, answer))
        if self._rounds is None:
            self._rounds = loop.create_task(self._write_rounds(loop))
        return await answer

    async def close(self) -> None:
        """Write what waits; take nothing any more."""
        self._closing = True
        if self._rounds is not None:
            await self._rounds
        self._thread.shutdown()

    async def _write_rounds(self, loop: asyncio.AbstractEventLoop) -> None:
        while taken := self._take():
            _tell(taken, await self._answers(loop, [waiting.item for waiting in taken]))
            await _a_turn(loop)  # who was told may have more for the next
        self._rounds = None

    async def _answers(
        self, loop: asyncio.AbstractEventLoop, items: Sequence[Item]
    ) -> list[Answer | Exception]:
        try:
            finish = self._begin(items)
            return [*await loop.run_in_executor(self._thread, finish)]
        except Exception as error:
            if len(items) == 1 or isinstance(error, self._nobodys):
                return [error] * len(items)
        half = len(items) // 2
        return [
            *await self._answers(loop, items[:half]),
            *await self._answers(loop, items[half:]),
        ]

    def _take(self) -> list[_Waiting[Item, Answer]]:
        """The next round, urgent ones first; empty when nothing waits."""
        taken: list[_Waiting[Item, Answer]] = []
        weight = 0
        for queue in (self._urgent, self._normal):
            while queue and weight < GATHER_ITEMS:
                taken.append(queue.popleft())
                weight += taken[-1].weight
        return taken


async def _a_turn(loop: asyncio.AbstractEventLoop) -> None:
    over = loop.create_future()
    loop.call_soon(over.set_result, None)
    await over


def _tell(taken: list[_Waiting[Item, Answer]], answers: list[Answer | Exception]) -> None:
    for waiting, answer in zip(taken, answers, strict=True):
        if waiting.answer.done():  # its caller went away
            continue
        if isinstance(answer, Exception):
            waiting.answer.set_exception(answer)
        else:
            waiting.answer.set_result(answer)
