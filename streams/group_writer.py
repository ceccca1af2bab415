"""Writes of many callers, together: a commit costs the disk once for all.

What the tasks of a loop bring within one of its turns makes a round; the round is written in the
loop's own thread, between two turns. A thread of its own was tried: Python's sqlite3 gives the
interpreter up at every step of a statement, and beside a busy loop getting it back cost more than
the writing (405 µs a notification against 330, and no more of them a second).
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
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
    """Hands items to ``write``; each caller gets its own answer.

    ``write`` does all of its items or none, and returns an answer for each in their order. When
    it raises an error of the kind ``nobodys`` (the disk is full), all callers get it; any other
    is one item's fault, and is tracked down by halving, so that only its caller gets it. Memory is
    bounded by the callers: each waits for its answer before it brings the next item.
    """

    def __init__(
        self, write: Callable[[Sequence[Item]], Sequence[Answer]], nobodys: type[Exception]
    ) -> None:
        self._write = write
        self._nobodys = nobodys
        self._urgent: deque[_Waiting[Item, Answer]] = deque()
        self._normal: deque[_Waiting[Item, Answer]] = deque()
        self._round: asyncio.Handle | None = None
        self._closing = False

    async def bring(self, item: Item, weight: int, *, urgent: bool = False) -> Answer:
        """Have an item written; ``weight`` is how many rows it makes. Raises `Closed`."""
        if self._closing:
            raise Closed
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer] = loop.create_future()
        (self._urgent if urgent else self._normal).append(_Waiting(item, weight, answer))
        if self._round is None:
            self._round = loop.call_soon(self._write_round, loop)
        return await answer

    def close(self) -> None:
        """Write what waits; take nothing any more."""
        self._closing = True
        while taken := self._take():
            _tell(taken, self._answers([waiting.item for waiting in taken]))

    def _write_round(self, loop: asyncio.AbstractEventLoop) -> None:
        self._round = None
        if taken := self._take():
            _tell(taken, self._answers([waiting.item for waiting in taken]))
        if self._urgent or self._normal:
            self._round = loop.call_soon(self._write_round, loop)

    def _answers(self, items: Sequence[Item]) -> list[Answer | Exception]:
        try:
            return [*self._write(items)]
        except Exception as error:
            if len(items) == 1 or isinstance(error, self._nobodys):
                return [error] * len(items)
        half = len(items) // 2
        return self._answers(items[:half]) + self._answers(items[half:])

    def _take(self) -> list[_Waiting[Item, Answer]]:
        """The next round, urgent ones first; empty when nothing waits."""
        taken: list[_Waiting[Item, Answer]] = []
        weight = 0
        for queue in (self._urgent, self._normal):
            while queue and weight < GATHER_ITEMS:
                taken.append(queue.popleft())
                weight += taken[-1].weight
        return taken


def _tell(taken: list[_Waiting[Item, Answer]], answers: list[Answer | Exception]) -> None:
    for waiting, answer in zip(taken, answers, strict=True):
        if waiting.answer.done():  # its caller went away
            continue
        if isinstance(answer, Exception):
            waiting.answer.set_exception(answer)
        else:
            waiting.answer.set_result(answer)
