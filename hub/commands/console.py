"""What all commands share at the terminal: settings, one way to answer, one way to fail.

Exit codes: 0 it is done, 1 it was refused or found wanting, 2 it was asked wrongly. Bad input is
one clear sentence, never a traceback.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from hub.settings import Settings

REFUSED = 1
MISUSED = 2

Json = Annotated[bool, typer.Option("--json", help="Answer as JSON, for a machine.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is journalled.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask whether it is meant.")]


settings_file: ContextVar[Path | None] = ContextVar("settings_file", default=None)
"""What ``hub --settings`` named."""


class Commands(TyperGroup):
    """A group whose known errors end in a sentence."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # whoever read our output has enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            raise typer.Exit(0) from None
        except Exception as error:
            cause = _first(error)
            if isinstance(cause, OSError):
                name = f"{cause.filename}: " if cause.filename else ""
                fail(f"{name}{cause.strerror or cause}")
            if type(cause).__name__ not in EXPECTED:
                raise  # our own mistake: its traceback is wanted
            fail(str(cause), EXPECTED[type(cause).__name__])


def _first(error: Exception) -> Exception:
    """What went wrong first, where tasks that ran together ended together."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


EXPECTED = {
    "SettingsError": MISUSED,
    "Occupied": REFUSED,
    "Busy": REFUSED,
    "CarrierFailed": REFUSED,
    "CatalogRefused": REFUSED,
    "LanesError": REFUSED,
    "JournalLocked": REFUSED,
    "JournalUnavailable": REFUSED,
    "TopicsUnavailable": REFUSED,
    "LaneLost": REFUSED,
    "LineDown": REFUSED,
    "LineLost": REFUSED,
    "NoJournal": REFUSED,
    "SchemaOld": REFUSED,
    "SchemaNew": REFUSED,
    "DoorShut": REFUSED,
}
"""Errors whose text is written for people, and the exit code of each. By name: importing them all
would make ``--help`` slow."""


def settings() -> Settings:
    """As the environment and ``--settings`` say."""
    from hub.settings import load

    return load(os.environ, settings_file.get())


def fail(sentence: str, code: int = REFUSED) -> NoReturn:
    """Say what is wrong, and end."""
    typer.echo(f"hub: {sentence}", err=True)
    raise typer.Exit(code)


ID_CHARS = 32
"""Of the id of a notification or a quarantined item: sixteen bytes in hex."""


def an_id(text: str) -> str:
    """An id as somebody typed it."""
    try:
        whole = len(bytes.fromhex(text)) * 2 == ID_CHARS == len(text)
    except ValueError:
        whole = False
    if not whole:
        fail(f"{text} is no id: {ID_CHARS} of 0 to 9 and a to f", MISUSED)
    return text.lower()


def say(text: str = "") -> None:
    typer.echo(text)


def say_json(value: object) -> None:
    """One JSON document on one line; bytes as hex."""
    import msgspec

    def plain(value: object) -> object:
        if isinstance(value, bytes):
            return value.hex()
        return str(value)

    builtin = msgspec.to_builtins(value, builtin_types=(bytes,), enc_hook=plain, str_keys=True)
    typer.echo(msgspec.json.encode(builtin, enc_hook=plain).decode())


PIPE_COLUMNS = 240
"""How wide a table may be that no terminal limits."""


@contextmanager
def progress(json: bool) -> Iterator[Any]:
    """A moving count for whoever watches; nothing in a pipe."""
    from rich.console import Console

    console = Console(stderr=True)
    quiet = json or not console.is_terminal
    with nullcontext() if quiet else console.status("…") as status:

        def moved(so_far: str) -> None:
            if status is not None:
                status.update(so_far)

        yield moved


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table for people; columns of numbers stand to the right."""
    from rich.console import Console
    from rich.table import Table

    rows = [tuple(row) for row in rows]
    shown = Table(title=title or None, title_justify="left", box=None, header_style="bold")
    for i, column in enumerate(columns):
        numbers = bool(rows) and all(isinstance(row[i], int) for row in rows)
        shown.add_column(column, justify="right" if numbers else "left", no_wrap=numbers or i == 0)
    for row in rows:
        shown.add_row(*(_cell(value) for value in row))
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = PIPE_COLUMNS
    console.print(shown)


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)
