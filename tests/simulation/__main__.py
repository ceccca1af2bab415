"""``python -m tests.simulation --seeds N``: run seeds on every core and say what they showed."""

import argparse
import gc
import sys
from collections.abc import Iterator
from multiprocessing import get_context
from os import cpu_count

from tests.simulation.report import lines, summarise
from tests.simulation.run import Result, run_seed
from tests.simulation.store import the_store

CHUNK = 10
"""Seeds a process takes at once: few enough that none waits long for the last."""

ALLOCATED = 20_000
"""Objects made between two looks for garbage: a world is freed within a seed or two of its end."""


def main() -> int:
    asked = _arguments()
    if asked.mutants:
        from tests.simulation.mutating import run_mutants

        return run_mutants(asked.seeds or 600, asked.only)
    if asked.seed is not None:
        return _one(asked.seed, trace=asked.trace)
    summary = summarise(run_many(range(asked.seeds or 200)))
    print("\n".join(lines(summary)))
    return 1 if summary.violated else 0


def run_many(seeds: range) -> Iterator[Result]:
    """Every seed once, on all cores, in no particular order."""
    with get_context("fork").Pool(cpu_count(), _settle) as pool:
        yield from pool.imap_unordered(run_seed, seeds, CHUNK)


def _settle() -> None:
    """What stays to the end is not looked through for garbage with every seed."""
    the_store()
    gc.freeze()
    gc.set_threshold(ALLOCATED)


def _one(seed: int, *, trace: bool) -> int:
    result = run_seed(seed, trace=trace)
    if trace:
        print("\n".join(result.trace))
    print("\n".join(lines(summarise([result]))))
    return 1 if result.violations else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=0, help="how many, from 0 on")
    parser.add_argument("--seed", type=int, help="one seed by itself")
    parser.add_argument("--trace", action="store_true", help="with --seed: every point it passed")
    parser.add_argument("--mutants", action="store_true", help="is every mutant caught?")
    parser.add_argument("--only", default="", help="with --mutants: those with this in their name")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
