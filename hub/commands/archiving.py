"""``hub archive``: which months' events are kept, and removing those that have served."""

from typing import Annotated

import typer

from hub.commands.console import Json, Reason, Yes, fail, progress, say, say_json, settings, table
from hub.commands.publishing import beside, me

archive = typer.Typer(invoke_without_command=True)

AT_ONCE = 2_000
"""Events that go in one transaction: some tens of milliseconds, so that commits get between."""


@archive.callback()
def show(context: typer.Context, json: Json = False) -> None:
    """How many events the archive keeps of each month, and who ordered which to go."""
    if context.invoked_subcommand is not None:
        return
    from hub.books import open_books
    from streams.removals import ordered

    with open_books(settings()) as books:
        kept = books.store.archived_months()
        gone = {one.month: one for one in ordered(books.store, books.keys)}
    if json:
        say_json({"kept": kept, "removed": list(gone.values())})
        return
    rows = [
        (str(month), kept.get(month, 0), gone[month].by if month in gone else "",
         gone[month].reason if month in gone else "")
        for month in sorted(kept.keys() | gone.keys())
    ]  # fmt: skip
    table("", ("month", "events", "removed by", "reason"), rows)


@archive.command()
def remove(
    month: Annotated[int, typer.Argument(help="Year and month they were accepted in: 202611.")],
    reason: Reason,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Remove a month's events for good, beside a running hub or without one.

    What was decided about them stays in the journal, which still verifies; their own words do not:
    they cannot be replayed, explained with their data, or known again when they come once more.
    Broken off, it is run again.
    """
    from preferences.fault import Fault

    if not yes:
        typer.confirm(f"Remove the events of {month}, for good?", abort=True, err=True)
    removed = 0
    with beside() as (hub, runner), progress(json) as moved:
        kept = hub.store.archived_months()
        if month not in kept:  # or a slip would stand in the journal as an order
            fail(f"month: expected one whose events are kept: {', '.join(map(str, kept))}")
        answer = runner.run(hub.commands.remove_archived(month, me(), reason))
        if isinstance(answer, Fault):
            fail(f"{answer.field}: expected {answer.expected}")
        some = AT_ONCE
        while some == AT_ONCE:
            some = hub.store.remove_month(month, hub.clock.now_ms(), AT_ONCE)
            removed += some
            moved(f"{removed:,} events removed")
    if json:
        say_json({"month": month, "removed": removed})
    else:
        say(f"{removed:,} events of {month} removed")
