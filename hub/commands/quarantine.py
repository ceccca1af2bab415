"""``hub quarantine``: what could not be understood; mended, brought in again, or dropped."""

import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from hub.commands.console import Json, an_id, fail, say, say_json, settings, table
from hub.commands.publishing import beside, me

if TYPE_CHECKING:
    import asyncio

    from hub.bootstrap import Hub
    from hub.cluster import ClusterHub
    from hub.settings import Settings

    Opened = AbstractContextManager[tuple[Hub | ClusterHub, asyncio.Runner]]

Id = Annotated[str, typer.Argument(help="Its id, as the list shows it.")]

quarantine = typer.Typer(no_args_is_help=True, help="What could not be understood.")


@quarantine.command("list")
def list_(
    state: Annotated[
        Literal["open", "replayed", "dropped", "all"], typer.Option(help="In which state.")
    ] = "open",
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 100,
    json: Json = False,
) -> None:
    """What is in quarantine, the newest first."""
    from hub.books import open_books
    from preferences.rules import CHINA
    from streams.core.names import moment

    with open_books(settings()) as books:
        items = books.reading.quarantined("" if state == "all" else state, limit)
    if json:
        say_json(items)
        return
    rows = [
        (one.id, moment(one.at_ms, CHINA), one.state, one.source, one.field, one.expected)
        for one in items
    ]
    table("", ("id", "since", "state", "source", "field", "expected"), rows)


@quarantine.command()
def show(item: Id, json: Json = False) -> None:
    """One item with the bytes it came in: to be mended in a file, and replayed from it."""
    from hub.books import open_books

    with open_books(settings()) as books:
        found = books.reading.quarantined_item(an_id(item))
        raw = books.reading.quarantined_raw(item)
    if found is None or raw is None:
        fail(f"nothing in quarantine has the id {item}")
    if json:
        say_json({"item": found, "raw": raw.decode(errors="replace")})
        return
    typer.echo(f"{found.field}: expected {found.expected} ({found.state})", err=True)
    sys.stdout.buffer.write(raw + b"\n")


@quarantine.command()
def replay(
    item: Id,
    file: Annotated[Path | None, typer.Option(help="The mended event; else as it came.")] = None,
    json: Json = False,
) -> None:
    """Bring an item in again, mended or as it came; the original is kept."""
    from preferences.fault import Fault

    told = settings()
    _must_exist(told, item)
    if file is not None and not file.is_file():
        fail(f"{file}: there is no such file", 2)
    raw = file.read_bytes().strip() if file else None
    with _bringing(told, item) as (hub, runner):
        answer = runner.run(hub.commands.replay_quarantined(item, raw, me()))
    if isinstance(answer, Fault):
        fail(f"{item}: expected {answer.expected}")
    if json:
        say_json(answer._asdict())
    elif answer.status != "refused":
        say(f"{answer.status}: event {answer.key}")
    if answer.status == "refused":
        got = f", got {answer.got}" if answer.got else ""
        fail(f"still refused: {answer.field}: expected {answer.expected}{got}")


@quarantine.command()
def drop(
    item: Id,
    reason: Annotated[str, typer.Option(help="Why, for the audit.")],
    json: Json = False,
) -> None:
    """Close an item without bringing it in."""
    _must_exist(settings(), item)
    with beside() as (hub, runner):
        fault = runner.run(hub.commands.drop_quarantined(item, me(), reason))
    if fault is not None:
        fail(f"{fault.field}: expected {fault.expected}")
    if json:
        say_json({"item": item, "state": "dropped"})
    else:
        say("dropped")


def _must_exist(told: "Settings", item: str) -> None:
    from hub.books import open_books

    with open_books(told) as books:
        if books.reading.quarantined_item(an_id(item)) is None:
            fail(f"nothing in quarantine has the id {item}")


def _bringing(told: "Settings", item: str) -> "Opened":
    """A hub with a door. The topics of a folder are those of the hub that runs on it, if one does:
    its page does the same."""
    from hub.doors import own_hub
    from hub.folder import owner

    if told.database:
        return beside()
    running = owner(told.data_dir)
    if running:
        fail(f"the hub is running: do it on {running.url}/quarantine/{item}, or stop it first")
    return own_hub(told)
