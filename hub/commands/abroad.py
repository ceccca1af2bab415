"""``hub abroad``: which lanes may take numbers of the mainland to a provider abroad."""

from typing import Annotated

import typer

from hub.commands.console import Json, fail, say, say_json, settings
from hub.commands.publishing import beside, me

Lane = Annotated[str, typer.Argument(help="A lane, as the lanes file names it.")]
Reason = Annotated[str, typer.Option(help="Why: the order or the decision, for the audit.")]

abroad = typer.Typer(no_args_is_help=True, help="Numbers of the mainland, taken abroad.")


@abroad.command()
def allow(lane: Lane, reason: Reason, json: Json = False) -> None:
    """Let a lane take them. Until then it refuses each of them, and another lane is found."""
    _decide(lane, True, reason)
    if json:
        say_json({"lane": lane, "allowed": True})
    else:
        say(f"{lane} may take numbers of the mainland abroad.")


@abroad.command()
def forbid(lane: Lane, reason: Reason, json: Json = False) -> None:
    """Let it take them no longer."""
    _decide(lane, False, reason)
    if json:
        say_json({"lane": lane, "allowed": False})
    else:
        say(f"{lane} takes no numbers of the mainland abroad.")


@abroad.command("list")
def list_(json: Json = False) -> None:
    """The lanes that may."""
    from hub.books import open_books

    with open_books(settings()) as books:
        lanes = sorted(books.documents.transfers)
    if json:
        say_json({"allowed": lanes})
    else:
        say("\n".join(lanes) or "No lane may.")


def _decide(lane: str, allowed: bool, reason: str) -> None:
    with beside() as (hub, runner):
        fault = runner.run(hub.commands.decide_transfer(lane, allowed, reason, me()))
    if fault is not None:
        fail(f"{fault.field}: expected {fault.expected}")
