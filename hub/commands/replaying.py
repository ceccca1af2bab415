"""``hub replay --dry``: what another policy would have decided, and other words have said."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from hub.commands.console import MISUSED, Json, fail, say, say_json, settings, table

if TYPE_CHECKING:
    from hub.books import Books
    from hub.bootstrap import Hub
    from hub.cluster import ClusterHub
    from streams.core.policy import Policy
    from streams.replaying import Difference
    from streams.replaying import Summary as Decided
    from streams.rewording import Reworded
    from streams.rewording import Summary as Worded

SHOWN = 100
"""Differences that an answer holds one by one; `--list` writes all of them to a file."""

SAMPLES = 3
"""Messages shown in full on a terminal: enough to read a draft by."""


def replay(
    dry: Annotated[
        bool, typer.Option("--dry", help="Required: decide again, and change nothing.")
    ] = False,
    policy: Annotated[
        Path | None, typer.Option(help="A draft, as TOML; unless given, the policy in force.")
    ] = None,
    wording: Annotated[
        Path | None,
        typer.Option(help="A notice's folder: say its messages in these words."),
    ] = None,
    since: Annotated[str, typer.Option(help="From this day, as 2026-11-24, or this time on.")] = "",
    list_to: Annotated[
        Path | None, typer.Option("--list", help="Write every difference to this file, one a line.")
    ] = None,
    json: Json = False,
) -> None:
    """Make every journalled decision again, under today's policy or a draft, and compare.

    Each is made on its own facts and at its own time. With --wording the messages of one notice
    are made again from their events instead. Nothing is sent. Ends with 1 when any decision came
    out otherwise, or any message cannot be made.
    """
    if not dry:
        fail("--dry is required: what was decided and sent is never decided anew", MISUSED)
    if policy and wording:
        fail("--policy or --wording, one at a time: each is an answer of its own", MISUSED)
    since_ms = _since(since)
    with _listing(list_to) as file:
        if wording:
            _reword(wording, since_ms, file, json)
        else:
            _redecide(policy, since_ms, file, json)


# Decisions


def _redecide(draft: Path | None, since_ms: int, file: IO[bytes] | None, json: bool) -> None:
    from hub.books import open_books
    from streams.replaying import Replay

    shown: list[Difference] = []
    with open_books(settings()) as books:
        walk = Replay(books.store, _draft(draft, books), books.documents.policy, since_ms)
        for page in walk.pages():
            _keep(page, shown, file)
            _tell(walk.pos, walk.head)
    summary = walk.summary()
    if json:
        say_json({"summary": summary, "differences": shown})
    else:
        _show_decided(summary)
    if summary.differences:
        raise typer.Exit(1)


def _show_decided(summary: "Decided") -> None:
    if summary.changes:
        rows = [(one.before, one.after, one.count) for one in summary.changes]
        table("", ("decided", "would be", "times"), rows)
    say(
        f"policy {summary.policy}: {summary.decisions:,} decisions made again, "
        f"{summary.differences:,} differences"
    )
    if summary.without_facts:
        say(f"{summary.without_facts:,} ends (expired, failed) hold no facts and are left out")
    if summary.uncounted:
        say(
            f"{summary.uncounted:,} messages fall under a cap that was not counted then: "
            "how many it would have held is not known"
        )
    if summary.unjudged:
        say(f"no decision reads {', '.join(summary.unjudged)}")


def _draft(file: Path | None, books: "Books") -> "Policy":
    from preferences.fault import Fault
    from streams.policies import read_draft

    if file is None:
        return books.documents.policy
    if not file.is_file():
        fail(f"{file}: there is no such file", MISUSED)
    draft = read_draft(file.read_bytes())
    if isinstance(draft, Fault):
        fail(f"{file}: {draft.field}: expected {draft.expected}")
    return draft


# Words


def _reword(folder: Path, since_ms: int, file: IO[bytes] | None, json: bool) -> None:
    from hub.books import check_there
    from hub.commands.publishing import beside, files_of

    files = files_of(folder)
    check_there(settings())
    with beside() as (hub, runner):
        notice = folder.resolve().name
        summary, shown = runner.run(_worded(hub, notice, files, since_ms, file))
    if json:
        say_json({"summary": summary, "messages": shown})
    else:
        _show_worded(summary, shown)
    if summary.findings or summary.refused:
        raise typer.Exit(1)


async def _worded(
    hub: "Hub | ClusterHub",
    notice: str,
    files: dict[str, str],
    since_ms: int,
    file: IO[bytes] | None,
) -> "tuple[Worded, list[Reworded]]":
    from streams.rewording import Rewording

    if notice not in hub.river.documents.catalog.notices:
        fail(f"{notice} is no notice of the catalog, so nobody was sent one")
    walk = Rewording(hub.river, hub.store, notice, files, since_ms)
    shown: list[Reworded] = []
    async for page in walk.pages():
        _keep(page, shown, file)
        _tell(walk.pos, walk.head)
    return walk.summary(), shown


def _show_worded(summary: "Worded", shown: "list[Reworded]") -> None:
    if summary.findings:
        rows = [(f"{one.file}:{one.line}", one.en) for one in summary.findings]
        table("", ("where", "what is wrong"), rows)
    if summary.refused:
        table("", ("cannot be made because", "times"), list(summary.refused.items()))
    for one in [one for one in shown if one.after][:SAMPLES]:
        assert one.after is not None
        say(f"{one.stream}, {one.channel}, {one.language}")
        for name, text in (("before", one.before), ("after", one.after)):
            say(f"  {name}: {text.subject + ': ' if text.subject else ''}{text.text}")
    say(
        f"{summary.notice}: {summary.messages:,} messages made again, {summary.changed:,} read"
        f" otherwise, {sum(summary.refused.values()):,} cannot be made, {summary.gone:,} of people"
        f" or events that are gone; {summary.segments_before:,} segments before,"
        f" {summary.segments_after:,} after"
    )


# Both


def _keep(page: list[Any], shown: list[Any], file: IO[bytes] | None) -> None:
    """A bounded list in memory; everything in the file."""
    import msgspec

    shown += page[: max(SHOWN - len(shown), 0)]
    if file is not None:
        file.writelines(msgspec.json.encode(one) + b"\n" for one in page)


def _tell(pos: int, head: int) -> None:
    """How far it is, where somebody watches."""
    if sys.stderr.isatty():
        typer.echo(f"\r{pos:,} of {head:,} rows", err=True, nl=pos >= head)


def _since(text: str) -> int:
    from preferences.rules import CHINA, at_local
    from streams.core.codec import parse_time

    if not text:
        return 0
    try:
        return at_local(text, 0, CHINA)
    except ValueError:
        at_ms = parse_time(text)
    if at_ms is None:
        fail(f"--since {text}: expected a day, as 2026-11-24, or a time with its zone", MISUSED)
    return at_ms


@contextmanager
def _listing(path: Path | None) -> Iterator[IO[bytes] | None]:
    if path is None:
        yield None
        return
    with path.open("wb") as file:
        yield file
