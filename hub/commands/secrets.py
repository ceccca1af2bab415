"""``hub secrets``: what only the processes of a cluster may know, in files."""

from pathlib import Path
from typing import Annotated

import typer

from hub.commands.console import fail, say

MODE = 0o444
"""A container's user has another number than the owner of the file mounted into it, and must read
it all the same. The folder, which is not mounted, keeps everybody else out."""


def secrets(
    folder: Annotated[Path, typer.Argument(help="Where they go; made when it is missing.")],
) -> None:
    """Make the secrets of a cluster, each in a file of its own. One that is there already stays.

    They are the keys, and the password of the database; keep a copy of the keys where the database
    is not.
    """
    from hub.secret import make_key
    from hub.settings import KEYS

    names = (*KEYS, "push_key", "database_password")
    made = [name for name in names if make_key(folder / name, MODE)]
    if folder.stat().st_mode & 0o077:
        fail(f"{folder} can be entered by others: chmod 700 {folder}")
    say(f"made in {folder}: {', '.join(made)}" if made else f"all there in {folder}")
