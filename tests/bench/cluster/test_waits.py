"""Percentiles are values that were measured."""

import pytest

from bench.cluster.waits import Waits, waits


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], Waits(0, 0, 0, 0)),
        ([5], Waits(1, 5, 5, 5)),
        ([3, 1, 2], Waits(3, 2, 3, 3)),
        ([*range(1, 101)], Waits(100, 50, 99, 100)),
        ([*range(1, 1_001)], Waits(1_000, 500, 990, 1_000)),
    ],
)
def test_so_many_of_a_hundred_do_not_exceed_it(values: list[int], expected: Waits) -> None:
    assert waits(values) == expected
