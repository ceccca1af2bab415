"""Texts that stay as somebody read and approved them.

After a wanted change ``HUB_WRITE_GOLDEN=1 make quick`` writes them anew; the diff is what is to be
read.
"""

import os
from pathlib import Path

FIXTURES = Path(__file__).parent / "fixtures"
WRITE = "HUB_WRITE_GOLDEN"


def check(name: str, text: str) -> None:
    """Compare with the file of that name under ``fixtures``."""
    file = FIXTURES / name
    if os.environ.get(WRITE) == "1":
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8"), f"{name} reads otherwise; {WRITE}=1 writes it"


def extend(name: str, lines: list[str]) -> None:
    """Nothing that was ever approved may go: what is new is added at the end of the file."""
    file = FIXTURES / name
    known = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    if os.environ.get(WRITE) == "1":
        file.parent.mkdir(parents=True, exist_ok=True)
        known += [line for line in lines if line not in known]
        file.write_text("\n".join([*known, ""]), encoding="utf-8")
    assert known, f"{name} is missing; {WRITE}=1 writes it"
