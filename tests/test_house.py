"""The rules of the house that no tool knows."""

import ast
import importlib
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("streams", "templates", "channels", "preferences", "web", "hub")
PYTHON_FOLDERS = (*PACKAGES, "tests", "bench")

# A file that is longer has become a crossroads: split it by noun.
LINES_MAX = 600

# Where packages come from is the business of the machine, and so is where the checkout lies.
# Each is written in pieces, so that this file is not the one exception.
ADDRESSES = re.compile(
    "|".join(
        (
            r"pypi\." + "org",
            "python" + r"hosted\.org",
            r"registry\." + "npmjs",
            "crates" + r"\.io",
            r"proxy\." + r"golang\.org",
            r"repo1?\.maven\." + r"(apache\.)?org",
            r"(deb|security|archive)\." + r"(debian\.org|ubuntu\.com)",
            r"(?<![\w.-])/" + r"(work/(main|shared|\.)|root/|home/\w|opt/wheels)",
        )
    )
)


def committed_files() -> list[Path]:
    """Every file that is in a commit, or would be."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout.decode()
    return [ROOT / name for name in names.split("\0") if name and (ROOT / name).is_file()]


def python_files() -> list[Path]:
    return sorted(file for folder in PYTHON_FOLDERS for file in (ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_are_those_of_this_checkout(package: str) -> None:
    """Other projects ship a `channels`, too."""
    assert Path(importlib.import_module(package).__file__ or "").is_relative_to(ROOT)


def test_init_files_hold_only_a_docstring() -> None:
    """So that importing a pure module never drags in a database or a framework."""
    for file in python_files():
        if file.name == "__init__.py":
            tree = ast.parse(file.read_text(encoding="utf-8"))
            assert ast.get_docstring(tree), f"{file.relative_to(ROOT)} says nothing"
            assert len(tree.body) == 1, f"{file.relative_to(ROOT)} holds more than its docstring"


def test_no_file_is_a_crossroads() -> None:
    lengths = {
        str(file.relative_to(ROOT)): len(file.read_text(encoding="utf-8").splitlines())
        for file in python_files()
    }
    assert {name: lines for name, lines in lengths.items() if lines > LINES_MAX} == {}


def test_no_registry_and_no_machine_is_named() -> None:
    named = {}
    for file in committed_files():
        text = file.read_bytes().decode(errors="replace")
        if found := ADDRESSES.search(text):
            named[str(file.relative_to(ROOT))] = found.group()
    assert named == {}
