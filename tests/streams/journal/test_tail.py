"""What is written or read once is at hand for whoever follows, and no row is ever missing."""

from concurrent.futures import ThreadPoolExecutor
from random import Random
from threading import Event

import pytest

from streams.journal.base import Row
from streams.journal.tail import ROW_BYTES, Tail
from tests.contracts.journal_contract import name


def rows(first: int, last: int, size: int = 2) -> list[Row]:
    return [Row(pos, name(pos), 1, "Routed.1", 0, bytes(size)) for pos in range(first, last + 1)]


class Journal:
    """As long as it was made; says what was read of it."""

    def __init__(self, length: int) -> None:
        self.rows = rows(1, length)
        self.reads: list[tuple[int, int]] = []

    def read(self, pos: int, limit: int) -> list[Row]:
        self.reads.append((pos, limit))
        return self.rows[pos : pos + limit]


@pytest.fixture
def tail() -> Tail:
    return Tail()


def test_what_was_committed_is_not_read(tail: Tail) -> None:
    journal = Journal(10)
    tail.add(rows(1, 6))
    tail.add(rows(7, 10))
    assert tail.since(2, 8, journal.read) == rows(3, 10)
    assert journal.reads == []


def test_of_two_who_follow_one_reads(tail: Tail) -> None:
    journal = Journal(10)
    assert tail.since(0, 8, journal.read) == tail.since(0, 8, journal.read) == rows(1, 8)
    assert tail.since(3, 5, journal.read) == rows(4, 8)
    assert journal.reads == [(0, 8)]


def test_who_asks_at_the_same_time_waits_for_what_is_being_read(tail: Tail) -> None:
    journal, begun, go_on = Journal(10), Event(), Event()

    def slowly(pos: int, limit: int) -> list[Row]:
        begun.set()
        assert go_on.wait(30)
        return journal.read(pos, limit)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(tail.since, 0, 8, slowly)
        assert begun.wait(30)
        second = pool.submit(tail.since, 0, 8, journal.read)
        go_on.set()
        assert first.result(30) == second.result(30) == rows(1, 8)
    assert journal.reads == [(0, 8)]


def test_what_others_wrote_between_is_read_and_nothing_twice(tail: Tail) -> None:
    journal = Journal(10)
    tail.add(rows(1, 3))
    tail.add(rows(7, 9))
    assert tail.since(3, 100, journal.read) == rows(4, 10)
    assert journal.reads == [(3, 3), (9, 94)]
    assert tail.since(3, 7, journal.read) == rows(4, 10)
    assert len(journal.reads) == 2


def test_a_row_that_was_taken_out_by_hand_moves_no_other(tail: Tail) -> None:
    journal = Journal(10)
    del journal.rows[4]
    without = [*rows(1, 4), *rows(6, 9)]
    for _ in range(2):
        assert tail.since(0, 8, journal.read) == without
    assert tail.since(5, 2, lambda pos, limit: rows(6, 7)) == rows(6, 7)


@pytest.mark.parametrize("size", [10, 100_000])
def test_it_holds_so_many_bytes_whatever_the_rows_are(tail: Tail, size: int) -> None:
    tail.KEPT_BYTES = 20 * (size + ROW_BYTES)
    for pos in range(1, 100):
        tail.add(rows(pos, pos, size))
    journal = Journal(99)
    tail.since(0, 99, journal.read)
    _, missing = journal.reads[0]
    assert 9 <= 99 - missing <= 20


def test_any_reader_sees_the_journal_as_it_is(tail: Tail) -> None:
    source, journal = Random(7), Journal(0)
    tail.KEPT_BYTES = 40 * ROW_BYTES
    for _ in range(2_000):
        end = len(journal.rows)
        made = rows(end + 1, end + source.randrange(6))
        journal.rows += made
        if source.random() < 0.7:  # otherwise another process wrote them
            tail.add(made)
        end += len(made)
        pos = (
            source.randrange(end + 1)
            if source.random() < 0.3
            else max(end - source.randrange(50), 0)
        )
        limit = source.randrange(1, 40)
        assert tail.since(pos, limit, journal.read) == journal.rows[pos : pos + limit]
