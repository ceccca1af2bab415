"""``hub doctor`` and ``hub health``: is everything as it should be?"""

import asyncio
from typing import Annotated, Literal

import typer

from hub.commands.console import MISUSED, Json, fail, say, say_json, settings, table


def doctor(json: Json = False) -> None:
    """Look at Python, packages, data folder, keys, clock, ports and the sandbox carrier; on a
    cluster at its database, topics and pages instead of a folder and a port; and at the mailbox
    that this process would read.

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


Kind = Literal["worker", "web", "sandbox"]


def health(
    what: Annotated[Kind, typer.Argument(help="Whom to ask, where the settings say.")] = "worker",
    json: Json = False,
) -> None:
    """Ask a process that runs beside this one whether it is ready, and say what is wrong.

    Ends with 1 when something is, or nobody answers: what a container's health check runs.
    """
    wrong = _wrong(what)
    if json:
        say_json({"wrong": wrong})
    else:
        say("\n".join(wrong) or "ready")
    if wrong:
        raise typer.Exit(1)


def _wrong(what: Kind) -> list[str]:
    from hub.health import ask

    told = settings()
    if what == "sandbox":
        return _wrong_with_sandbox()
    port = told.port if what == "web" else told.worker_port
    if port == 0:
        fail("HUB_WORKER_PORT says at which port a worker answers; without it none does", MISUSED)
    return ask(told.host, port)


def _wrong_with_sandbox() -> list[str]:
    from channels.sandbox import LineDown, LineLost
    from hub.checks import ask_sandbox

    told = settings()
    where = f"{told.sandbox_host}:{told.sandbox_port}"
    try:
        asyncio.run(ask_sandbox(told))
    except LineDown:
        return [f"nobody is at {where}"]
    except (LineLost, TimeoutError):
        return [f"{where} does not answer as a sandbox carrier does"]
    return []
