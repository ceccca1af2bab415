"""Many callers, one writer: who shares a round, and who gets which answer."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

import pytest

from streams.group_writer import GATHER_ITEMS, Closed, GroupWriter


class Rounds:
    """Answers each item with itself, doubled; told to, it fails."""

    def __init__(self) -> None:
        self.seen: list[list[int]] = []

    def begin(self, items: Sequence[int]) -> Callable[[], list[int]]:
        self.seen.append(list(items))
        return partial(self.finish, items)

    def finish(self, items: Sequence[int]) -> list[int]:
        if -1 in items:
            raise ZeroDivisionError
        if -2 in items:
            raise OSError("full")
        return [2 * item for item in items]


async def together(rounds: Rounds, items: list[int], *, weight: int = 1) -> list[int | Exception]:
    """What the callers of these items get, when all come in one turn of the loop."""
    writer = GroupWriter[int, int](rounds.begin, nobodys=OSError)
    tasks = [asyncio.create_task(writer.bring(item, weight, urgent=item > 900)) for item in items]
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    await writer.close()
    return answers  # type: ignore[return-value]


async def test_each_gets_its_own_answer() -> None:
    rounds = Rounds()
    assert await together(rounds, [1, 2, 3]) == [2, 4, 6]
    assert rounds.seen == [[1, 2, 3]]


async def test_a_round_is_bounded_and_urgent_ones_go_first() -> None:
    rounds = Rounds()
    await together(rounds, [1, 2, 3, 999], weight=GATHER_ITEMS // 2)
    assert rounds.seen == [[999, 1], [2, 3]]


async def test_a_fault_is_tracked_down() -> None:
    rounds = Rounds()
    answers = await together(rounds, [1, 2, -1, 4, 5])
    assert isinstance(answers[2], ZeroDivisionError)
    assert [*answers[:2], *answers[3:]] == [2, 4, 8, 10]
    assert rounds.seen == [[1, 2, -1, 4, 5], [1, 2], [-1, 4, 5], [-1], [4, 5]]


async def test_nobody_s_fault_is_told_to_all_without_trying_again() -> None:
    rounds = Rounds()
    answers = await together(rounds, [1, -2, 3])
    assert [type(answer) for answer in answers] == [OSError] * 3
    assert rounds.seen == [[1, -2, 3]]


async def test_what_comes_while_a_round_is_told_makes_the_next() -> None:
    rounds = Rounds()
    writer = GroupWriter[int, int](rounds.begin, nobodys=OSError)

    async def twice(item: int) -> int:
        return await writer.bring(await writer.bring(item, 1), 1)

    assert await asyncio.gather(twice(1), twice(10)) == [4, 40]
    assert rounds.seen == [[1, 10], [2, 20]]


async def test_after_close_nothing_is_taken() -> None:
    writer = GroupWriter[int, int](Rounds().begin, nobodys=OSError)
    await writer.close()
    with pytest.raises(Closed):
        await writer.bring(1, 1)
