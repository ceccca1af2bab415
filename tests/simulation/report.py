"""What a run of many seeds showed: every point, fault and invariant, and how often it was hit."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tests.simulation.run import Result

RARE = 100
"""Over two thousand seeds nothing may be hit less often, or nothing was shown of it."""


class Summary(NamedTuple):
    """All seeds together."""

    seeds: int
    violated: dict[int, tuple[str, ...]]
    points: Counter[str]
    faults: Counter[str]
    checks: Counter[str]
    legs: Counter[str]


def summarise(results: Iterable[Result]) -> Summary:
    summary = Summary(0, {}, Counter(), Counter(), Counter(), Counter())
    seeds = 0
    for result in results:
        seeds += 1
        summary.points.update(result.hits)
        summary.faults.update(result.faults)
        summary.checks.update(result.checks)
        summary.legs.update(result.legs)
        if result.violations:
            summary.violated[result.seed] = result.violations
    return summary._replace(seeds=seeds)


def lines(summary: Summary) -> Iterator[str]:
    """The report, its verdict last."""
    for title, counts in (
        ("named points", summary.points), ("faults", summary.faults),
        ("invariants checked", summary.checks), ("how legs ended", summary.legs),
    ):  # fmt: skip
        yield title
        width = max(map(len, counts), default=0)
        for name, times in sorted(counts.items(), key=lambda pair: (_rank(pair[0]), pair[0])):
            rare = "  rare" if times * 2000 < RARE * summary.seeds else ""
            yield f"  {name:<{width}} {times:>9}{rare}"
    for seed, violations in sorted(summary.violated.items())[:20]:
        yield f"seed {seed}"
        for violation in violations[:5]:
            yield f"  {violation}"
    yield f"{summary.seeds} seeds, {len(summary.violated)} violations"


def _rank(name: str) -> int:
    """Invariants in the order of their numbers."""
    number = name[1:].split(" ")[0]
    return int(number) if name.startswith("I") and number.isdigit() else 0
