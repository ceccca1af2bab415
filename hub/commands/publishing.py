"""``hub wording`` and ``hub policy``: what people put in force."""

import asyncio
import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from hub.commands.console import Json, fail, say, say_json, settings, table

if TYPE_CHECKING:
    from hub.bootstrap import Hub
    from hub.cluster import ClusterHub
    from preferences.fault import Fault
    from streams.core.events import Base
    from templates.lint import Finding

Language = Annotated[Literal["zh", "en"], typer.Option(help="Of what is found wrong.")]

wording = typer.Typer(no_args_is_help=True, help="What notices say.")
policy = typer.Typer(no_args_is_help=True, help="By which rules it is decided.")


def me() -> str:
    """Who acts at this terminal, as audits will read it."""
    return f"shell:{getpass.getuser()}"


@contextmanager
def beside() -> Iterator[tuple["Hub | ClusterHub", asyncio.Runner]]:
    """The hub of the folder or the cluster, opened beside those that may be running: they follow
    what is published here within a second."""
    from hub.bootstrap import open_hub
    from hub.clock import Real, clock_of
    from hub.cluster import open_cluster

    told = settings()
    with asyncio.Runner() as runner:
        hub: Hub | ClusterHub
        if told.database:
            clock, ending = clock_of(told.clock), asyncio.Event()
            hub = runner.run(open_cluster(told, clock, ending, patient=False))
        else:
            hub = open_hub(told, Real())
        try:
            yield hub, runner
        finally:
            runner.run(hub.close())


def say_journalled(answer: "Base | Fault", json: bool) -> None:
    """What a command journalled, as a sentence or for a machine; a fault ends it."""
    from preferences.fault import Fault
    from streams.core.telling import tell

    if isinstance(answer, Fault):
        fail(f"{answer.field}: expected {answer.expected}")
    if json:
        say_json(answer)
    else:
        say(tell(answer, "en"))


def files_of(folder: Path) -> dict[str, str]:
    """The texts of a notice's folder by their names."""
    if not (folder / "notice.toml").is_file():
        fail(f"{folder}: no folder of a notice; notice.toml is not in it", 2)
    try:
        return {
            path.name: path.read_text(encoding="utf-8")
            for path in sorted(folder.iterdir())
            if path.is_file() and not path.name.startswith(".")
        }
    except UnicodeDecodeError:
        fail(f"{folder}: holds a file that is not UTF-8")


@wording.command("publish")
def publish_wording(
    folder: Annotated[Path, typer.Argument(help="A notice's folder; its name is the notice's.")],
    language: Language = "zh",
    json: Json = False,
) -> None:
    """Check new wording of a notice and put it in force."""
    files, notice = files_of(folder), folder.resolve().name
    with beside() as (hub, runner):
        answer = runner.run(hub.commands.publish_wording(notice, files, me()))
    if isinstance(answer, list):
        _refuse(notice, answer, language, json)
    elif json:
        say_json({"notice": notice, "wording": answer.name, "findings": []})
    else:
        say(f"{answer.name} is in force.")


def _refuse(notice: str, found: "list[Finding]", language: str, json: bool) -> None:
    if json:
        say_json({"notice": notice, "wording": "", "findings": [one._asdict() for one in found]})
    else:
        rows = [(f"{f.file}:{f.line}", f.zh if language == "zh" else f.en) for f in found]
        table("", ("where", "what is wrong"), rows)
    raise typer.Exit(1)


@policy.command()
def show(
    version: Annotated[int, typer.Option(min=0, help="An earlier one; 0 is that in force.")] = 0,
    json: Json = False,
) -> None:
    """The routing policy, as TOML: a draft of the next one to begin from."""
    from hub.books import open_books
    from streams.core.policy import dump
    from streams.policies import published

    with open_books(settings()) as books:
        found = books.documents.policy
        if version:
            known = published(books.store, books.keys)
            if version not in known:
                fail(f"there was no policy {version}; there are {', '.join(map(str, known))}")
            found = known[version]
    if json:
        say_json(found)
    else:
        say(dump(found).decode())


@policy.command("publish")
def publish_policy(
    file: Annotated[Path, typer.Argument(help="TOML, as `hub policy show` prints it.")],
    json: Json = False,
) -> None:
    """Put a new routing policy in force; its version is the next."""
    from preferences.fault import Fault

    if not file.is_file():
        fail(f"{file}: there is no such file", 2)
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        fail(f"{file}: is not UTF-8")
    with beside() as (hub, runner):
        answer = runner.run(hub.commands.publish_policy(text, me()))
    if isinstance(answer, Fault):
        fail(f"{file}: {answer.field}: expected {answer.expected}")
    if json:
        say_json({"policy": answer.version})
    else:
        say(f"Policy {answer.version} is in force.")
