"""``hub verify`` and ``rebuild``: whether the journal is whole, and what follows it."""

from typing import Annotated

import typer

from hub.commands.console import Json, fail, say, say_json, settings

SHOWN = 100
"""Faults that are shown one by one; their number is always said."""

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
