"""Somebody else's software in `.parts/`: fetched once for a checkout, whole or not at all."""

import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

PARTS = Path(__file__).resolve().parents[2] / ".parts"

FETCH_S = 300


class PeerFailed(Exception):  # noqa: N818 - named for what is known
    """A peer could not be fetched, or does not listen."""


def fetched(name: str, command: Sequence[str], files: dict[str, str] | None = None) -> Path:
    """The folder ``name``, made by running ``command`` in it, beside ``files``, if it is not
    there."""
    folder = PARTS / name
    if folder.exists():
        return folder
    PARTS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=PARTS, prefix=".fetching-") as around:
        draft = Path(around) / name
        draft.mkdir()
        for file, text in (files or {}).items():
            (draft / file).write_text(text, encoding="utf-8")
        made = subprocess.run(
            command, cwd=draft, capture_output=True, text=True, timeout=FETCH_S, check=False
        )
        if made.returncode:
            raise PeerFailed(f"{command[0]} could not fetch {name}: {made.stdout}{made.stderr}")
        try:
            draft.rename(folder)
        except OSError:  # somebody else was first, and theirs is as good
            if not folder.exists():
                raise
    return folder
