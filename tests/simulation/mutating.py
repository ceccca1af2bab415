"""Changes the real modules' source before they are imported, and looks which seed notices.

Each mutant runs in a process of its own. A patch whose old text does not occur exactly once fails
the run: the mechanism it breaks has moved, and nothing would be shown.
"""

import contextlib
import importlib.abc
import importlib.util
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from importlib.machinery import ModuleSpec
from os import cpu_count
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.simulation.mutants import MUTANTS, RARE, Mutant

ROOT = Path(__file__).parent.parent.parent
TIME_LIMIT_S = 1_200
"""Six hundred seeds on a core that others use too."""


def run_mutants(seeds: int, only: str) -> int:
    """Every mutant, each with the seed that caught it; 0 when none survives."""
    chosen = [m for m in (*MUTANTS, *RARE) if only in m.name]
    faults = [fault for mutant in chosen for fault in misfits(mutant)]
    if faults:
        print("\n".join(faults))
        return 1
    caught, seeds_used, tests_used = 0, set[int](), set[str]()
    with ThreadPoolExecutor(cpu_count()) as pool:
        running = {pool.submit(_in_a_process, mutant, seeds): mutant for mutant in chosen}
        for done in as_completed(running):
            mutant, found = running[done], done.result()
            caught += bool(found)
            seeds_used |= {int(found["seed"])} if "seed" in found else set()
            tests_used |= {str(found["test"])} if "test" in found else set()
            print(f"{mutant.name:<42} {_said(found, seeds)}", flush=True)
    guilty = [f"seed {seed}" for seed in sorted(seeds_used) if not _innocent(seed)]
    guilty += [test for test in sorted(tests_used) if fails(test)]
    if guilty:
        print(f"nothing is shown: without any mutant, too, there is a fault in {guilty}")
        return 1
    print(f"{caught} of {len(chosen)} mutants caught")
    return 0 if caught == len(chosen) else 1


def _said(found: Mapping[str, Any], seeds: int) -> str:
    if "test" in found:
        return f"test     : {found['test'].partition('::')[2]}"
    return f"seed {found['seed']:>4}: {found['what']}" if found else f"SURVIVES {seeds} seeds"


def misfits(mutant: Mutant) -> list[str]:
    """Patches whose old text is not there exactly once."""
    return [
        f"{mutant.name}: {patch.module} has {times} times {patch.old.strip().splitlines()[0]!r}"
        for patch in mutant.patches
        if (times := _path(patch.module).read_text(encoding="utf-8").count(patch.old)) != 1
    ]


def _path(module: str) -> Path:
    return ROOT / (module.replace(".", "/") + ".py")


def _innocent(seed: int) -> bool:
    """Whether the seed violates nothing when nothing is changed."""
    from tests.simulation.run import run_seed

    return not run_seed(seed).violations


def _in_a_process(mutant: Mutant, seeds: int) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.simulation.mutating", mutant.name, str(seeds)],
        capture_output=True, text=True, cwd=ROOT, timeout=TIME_LIMIT_S, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{mutant.name}: {done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


class _Patched(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the modules that were changed, and loads what they were changed to."""

    def __init__(self, sources: Mapping[str, str]) -> None:
        self._sources = sources

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in self._sources:
            return None
        return importlib.util.spec_from_file_location(name, _path(name), loader=self)

    def exec_module(self, module: ModuleType) -> None:
        name = module.__name__
        exec(compile(self._sources[name], str(_path(name)), "exec"), module.__dict__)


def apply(mutant: Mutant) -> None:
    """From here on, what is imported is the mutant."""
    sources: dict[str, str] = {}
    for patch in mutant.patches:
        source = sources.get(patch.module) or _path(patch.module).read_text(encoding="utf-8")
        assert source.count(patch.old) == 1, patch
        assert patch.module not in sys.modules, "imported before it was changed"
        sources[patch.module] = source.replace(patch.old, patch.new)
    sys.meta_path.insert(0, _Patched(sources))


def first_violation(seeds: int, known: int) -> dict[str, object]:
    """The first seed that violates an invariant, and the first sentence of it."""
    from tests.simulation.run import run_seed

    for seed in (known, *range(seeds)):
        violations = run_seed(seed).violations
        if violations:
            # a step that raises is noticed too, but an invariant says more
            said = [v for v in violations if v.startswith("I")] or [violations[0][:150]]
            names = sorted({v.partition(":")[0] for v in violations})
            return {"seed": seed, "what": f"{' '.join(names):<12} {said[0].partition(': ')[2]}"}
    return {}


def fails(test: str) -> bool:
    """Whether a test fails in this process; a test that cannot be run shows nothing.

    Raises:
        RuntimeError: it did not run to an end.
    """
    import pytest

    with contextlib.redirect_stdout(sys.stderr):
        code = pytest.main(["-q", "-p", "no:cacheprovider", test])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise RuntimeError(f"{test} ended with {code!r}")
    return code is pytest.ExitCode.TESTS_FAILED


if __name__ == "__main__":
    [named] = [m for m in (*MUTANTS, *RARE) if m.name == sys.argv[1]]
    apply(named)
    if named.test:
        print(json.dumps({"test": named.test} if fails(named.test) else {}))
    else:
        print(json.dumps(first_violation(int(sys.argv[2]), named.known)))
