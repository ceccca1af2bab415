"""``hub doctor``: is everything as a hub needs it?"""

import typer

from hub.commands.console import Json, say_json, settings, table


def doctor(json: Json = False) -> None:
    """Look at Python, packages, data folder, keys, clock, ports and the sandbox carrier.

    Ends with 1 when something is wrong.
    """
    from hub.checks import examine

    found = list(examine(settings()))
    if json:
        say_json([check._asdict() for check in found])
    else:
        table("", ("what", "is", "as found"), found)
    if any(check.state == "bad" for check in found):
        raise typer.Exit(1)
