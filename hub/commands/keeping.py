"""``hub verify``, ``rebuild`` and ``replay``: whether the journal is whole, and what follows."""

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hub.commands.console import Json, fail, say, say_json, settings, table

if TYPE_CHECKING:
    from hub.books import Books
    from streams.core.policy import Policy

SHOWN = 100
"""Faults or differences that are shown one by one; their number is always said."""

ROWS = 5_000
"""Journal rows a rebuild takes in at once: a fraction of a second, so that commits get between."""


def verify(json: Json = False) -> None:
    """Walk the journal's chain: is any row changed, missing, swapped or cut off?"""
    from hub.books import open_books

    with open_books(settings()) as books:
        rows = books.store.head()
        faults = list(books.store.verify())
    if json:
        say_json({"rows": rows, "faults": faults})
    else:
        for fault in faults[:SHOWN]:
            say(fault)
        say(f"{rows:,} rows, {len(faults):,} faults")
    if faults:
        raise typer.Exit(1)


def rebuild(
    names: Annotated[
        list[str] | None, typer.Argument(help="Which read models; all unless told.")
    ] = None,
    json: Json = False,
) -> None:
    """Make the read models again from the journal, beside a running hub or without one."""
    from hub.books import open_books
    from streams.projections.following import ALL
    from streams.projections.following import rebuild as again

    known = [projection.name for projection in ALL]
    if unknown := set(names or ()) - set(known):
        fail(f"no read model is called {min(unknown)}; there are {', '.join(known)}", 2)
    done: dict[str, int] = {}
    with open_books(settings()) as books:
        for name in names or known:
            done[name] = max(again(books.store, name, ROWS), default=0)
            if not json:
                say(f"{name}: up to row {done[name]:,}")
    if json:
        say_json(done)


def replay(
    dry: Annotated[
        bool, typer.Option("--dry", help="Required: decide again, and change nothing.")
    ] = False,
    policy: Annotated[
        Path | None, typer.Option(help="A draft, as TOML; unless given, the policy in force.")
    ] = None,
    json: Json = False,
) -> None:
    """Make every journalled decision again, under today's policy or a draft, and compare.

    Each is made on its own facts and at its own time. Ends with 1 when any came out otherwise.
    """
    from hub.books import open_books
    from streams.replaying import Replay

    if not dry:
        fail("--dry is required: what was decided and sent is never decided anew", 2)
    with open_books(settings()) as books:
        again = Replay(books.store, _draft(policy, books), books.documents.policy)
        differing = (one for page in again.pages() for one in page)
        shown = list(islice(differing, SHOWN))
        for _ in differing:
            pass  # counted in the summary
    summary = again.summary()
    if json:
        say_json({"summary": summary, "differences": shown})
    else:
        rows = [(one.before, one.after, one.count) for one in summary.changes]
        if rows:
            table("", ("decided", "would be", "times"), rows)
        say(
            f"policy {summary.policy}: {summary.decisions:,} decisions made again, "
            f"{summary.differences:,} differences"
        )
        if summary.unjudged:
            say(f"no decision reads {', '.join(summary.unjudged)}")
    if summary.differences:
        raise typer.Exit(1)


def _draft(file: Path | None, books: "Books") -> "Policy":
    from preferences.fault import Fault
    from streams.replaying import read_draft

    if file is None:
        return books.documents.policy
    if not file.is_file():
        fail(f"{file}: there is no such file", 2)
    draft = read_draft(file.read_bytes())
    if isinstance(draft, Fault):
        fail(f"{file}: {draft.field}: expected {draft.expected}")
    return draft
