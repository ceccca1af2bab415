"""Appends of many share a commit; each caller gets its own answer, and only its own."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from hub.clock import Virtual
from streams.journal.base import Committed, Group, Timer
from streams.journal.errors import (
    JournalClosed,
    JournalLocked,
    JournalRefused,
    JournalUnavailable,
)
from streams.journal.group import LOCK_TRIES, GroupCommit
from streams.journal.sqlite import SqliteStore
from tests.contracts.journal_contract import AT, event, name, unit


class Watched(SqliteStore):
    """Counts commits, fails as told."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.sizes: list[int] = []
        self.failures: list[Exception] = []

    def begin(self, groups: Sequence[Group], at_ms: int) -> Callable[[], list[Committed]]:
        self.sizes.append(len(groups))
        if self.failures:
            raise self.failures.pop()
        return super().begin(groups, at_ms)


@pytest.fixture
def store(tmp_path: Path) -> Watched:
    return Watched(tmp_path / "journal.db")


@pytest.fixture
async def journal(store: Watched) -> AsyncIterator[GroupCommit]:
    journal = GroupCommit(store, Virtual(AT))
    yield journal
    await journal.close()
    store.close()


async def gathered(journal: GroupCommit, groups: list[Group]) -> list[Any]:
    """The answers to groups that all came in one turn of the loop."""
    tasks = [asyncio.create_task(journal.append(group)) for group in groups]
    return await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_lone_group_is_committed_at_once(journal: GroupCommit) -> None:
    answer = await journal.append(Group([unit(1, 1)], [event(1)]))
    assert (answer.won, answer.archived, answer.pos, journal.head) == ((True,), (True,), 1, 1)
    assert [row.at_ms for row in (await journal.read([name(1)]))[name(1)]] == [AT]


async def test_what_waits_goes_together(journal: GroupCommit, store: Watched) -> None:
    answers = await gathered(journal, [Group([unit(n % 40, 1)]) for n in range(80)])
    assert store.sizes == [80]
    assert [answer.won for answer in answers] == [(True,)] * 40 + [(False,)] * 40
    assert {answer.pos for answer in answers} == {40}


async def test_an_urgent_group_waits_for_no_company_and_goes_first(
    journal: GroupCommit, store: Watched
) -> None:
    groups = [Group([unit(n, 1)]) for n in range(2_000)]
    answers = await gathered(journal, [*groups, Group([unit(5_000, 1)], urgent=True)])
    assert store.sizes == [1_000, 1_000, 1]
    assert answers[-1].pos == 1_000
    assert store.since(0, 1)[0].stream == name(5_000)


async def test_with_a_writer_of_its_own_an_urgent_group_waits_for_no_commit_of_others(
    tmp_path: Path,
) -> None:
    """The same journal twice: one of its writers stands still in the middle of a commit."""
    go_on = threading.Event()

    class Slow(SqliteStore):
        def begin(self, groups: Sequence[Group], at_ms: int) -> Callable[[], list[Committed]]:
            def finish() -> list[Committed]:
                assert go_on.wait(10)
                return self.commit(groups, at_ms)

            return finish

        def commit(self, groups: Sequence[Group], at_ms: int) -> list[Committed]:
            return super().begin(groups, at_ms)()

    slow, urgent = Slow(tmp_path / "journal.db"), SqliteStore(tmp_path / "journal.db")
    journal = GroupCommit(slow, Virtual(AT), urgent=urgent)
    other = asyncio.create_task(journal.append(Group([unit(1, 1)])))
    first = await journal.append(Group([unit(2, 1)], urgent=True))
    assert (first.pos, journal.head, other.done()) == (1, 1, False)
    go_on.set()
    assert ((await other).pos, journal.head) == (2, 2)
    await journal.close()
    urgent.close()
    slow.close()


async def test_a_database_that_takes_over_and_knows_less_takes_the_position_back() -> None:
    """Who looks again for what came since a position that is not there yet would miss it."""

    class Less(SqliteStore):
        def __init__(self) -> None:
            self.positions = [9, 4]

        def head(self) -> int:
            return 7

        def begin(self, groups: Sequence[Group], at_ms: int) -> Callable[[], list[Committed]]:
            return lambda: [Committed((), (), (), self.positions.pop(0))]

    journal = GroupCommit(Less(), Virtual(AT))
    seen = [journal.head]
    for _ in range(2):
        await journal.append(Group())
        seen.append(journal.head)
    assert seen == [7, 9, 4]
    await journal.close()


async def test_only_the_guilty_group_fails(journal: GroupCommit, store: Watched) -> None:
    def fail(_: object) -> Any:
        raise ZeroDivisionError

    groups = [Group([unit(n, 1)]) for n in range(9)]
    groups[2] = groups[2]._replace(effects=[fail])
    groups[5] = groups[5]._replace(look=fail)
    groups[8] = Group([unit(8, 1, 3)])
    answers = await gathered(journal, groups)
    assert [type(answer) for answer in answers] == [
        *[Committed] * 2,
        ZeroDivisionError,
        *[Committed] * 2,
        ZeroDivisionError,
        *[Committed] * 2,
        JournalRefused,
    ]
    assert [row.pos for row in store.since(0, 99)] == [*range(1, 7)]  # no gap
    assert journal.head == 6
    assert list(store.verify()) == []


async def test_a_failing_disk_is_told_to_all(journal: GroupCommit, store: Watched) -> None:
    failure = JournalUnavailable("full")
    store.failures.append(failure)
    with pytest.raises(JournalUnavailable):
        await journal.append(Group([unit(1, 1)]))
    assert (await journal.append(Group([unit(1, 1)]))).won == (True,)


async def test_a_lock_is_waited_for(journal: GroupCommit, store: Watched) -> None:
    store.failures += [JournalLocked("busy")] * (LOCK_TRIES - 1)
    assert (await journal.append(Group([unit(1, 1)]))).won == (True,)
    store.failures += [JournalLocked("busy")] * LOCK_TRIES
    with pytest.raises(JournalLocked):
        await journal.append(Group([unit(1, 2)]))


async def test_reads_see_every_commit_answered_before(journal: GroupCommit) -> None:
    async def write_and_read(number: int) -> bool:
        noted = journal.head
        await journal.append(Group([unit(number, 1, keys=(number,))], [event(number)]))
        key = name(number)
        return (
            len((await journal.read([key]))[key]) == 1
            and await journal.lookup([(key, b"")]) == {(key, b""): [key]}
            and await journal.counts([key]) == {key: 1}
            and await journal.lookups_since(noted, [key]) == {key: [key]}
            and await journal.archived([key]) == {key: event(number)}
        )

    assert all(await asyncio.gather(*map(write_and_read, range(200))))


async def test_a_timer_is_due_until_it_is_deleted(journal: GroupCommit) -> None:
    timer = Timer(10, name(1), "unknown")
    await journal.append(Group([unit(1, 1)._replace(timers=(timer,))]))
    assert await journal.due(10, 9) == [timer]
    await journal.delete_timers([timer])
    assert await journal.due(10, 9) == []


async def test_a_caller_that_goes_away_harms_nobody(journal: GroupCommit) -> None:
    leaving = asyncio.create_task(journal.append(Group([unit(1, 1)])))
    staying = asyncio.create_task(journal.append(Group([unit(2, 1)])))
    await asyncio.sleep(0)
    leaving.cancel()
    assert (await staying).won == (True,)


async def test_close_writes_what_waits(store: Watched) -> None:
    journal = GroupCommit(store, Virtual(AT))
    tasks = [asyncio.create_task(journal.append(Group([unit(n, 1)]))) for n in range(50)]
    await asyncio.sleep(0)
    await journal.close()
    assert all(answer.won == (True,) for answer in await asyncio.gather(*tasks))
    with pytest.raises(JournalClosed):
        await journal.append(Group([unit(1, 2)]))
    assert store.head() == 50
    store.close()
