"""``hub publish`` and ``hub recipients``: events in, from files; and what is done to people."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from itertools import groupby
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from hub.commands.console import Json, Reason, Yes, fail, progress, say, say_json, settings

if TYPE_CHECKING:
    from streams.commands import Received

BATCH = 500
"""Lines brought at once: a fraction of a second's work, so that the progress moves."""

BATCH_BYTES = 4_000_000
"""And at most so much: the door takes ten million bytes in a request. A line that is longer is
refused here, for it would not fit with what is put around it."""

SHOWN_MAX = 1_000
"""Refused lines that are shown; a file that is wrong from end to end need not be read to me."""

IMPORT_SOURCE = "/import"

Url = Annotated[str, typer.Option(help="Address of the hub, when it is not this folder's own.")]
Key = Annotated[str, typer.Option(help="API key for it; by default one is made for the occasion.")]

recipients = typer.Typer(
    no_args_is_help=True, help="Recipients: from files, their erasure, their keys."
)


class Line(NamedTuple):
    """One event with the line it came from; or why there is none in it."""

    number: int
    event: bytes
    fault: "Received | None" = None


def publish(
    file: Annotated[Path, typer.Argument(help="Events, one JSON object a line; - is the input.")],
    url: Url = "",
    key: Key = "",
    json: Json = False,
) -> None:
    """Bring the events of a file in, and say what became of each.

    Goes on after a line that is refused; ends with 1 if any was.
    """
    with _opened(file) as source:
        lines = (_event(number, text) for number, text in enumerate(source, 1) if text.strip())
        _bring(lines, url, key, json)


def _event(number: int, text: bytes) -> Line:
    """A line as an event, unless nobody could take it."""
    from streams.commands import Received
    from streams.core.codec import MAX_EVENT_BYTES

    event = text.strip()
    if len(event) <= BATCH_BYTES:
        return Line(number, event)
    size = f"at most {MAX_EVENT_BYTES} bytes", f"{len(event)} bytes"
    return Line(number, b"", Received("refused", "", "event", *size))


@recipients.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="CSV; the first line names the columns.")],
    url: Url = "",
    key: Key = "",
    json: Json = False,
) -> None:
    """Register the recipients of a file. The same row again changes nothing.

    Columns: ref, kind, name; phone, phone2 ...; email ...; region, zone, language, role:NAME,
    alias, attributes.
    """
    from preferences.sheet import read_csv

    with _opened(file) as source:
        text = (line.decode("utf-8-sig" if i == 0 else "utf-8") for i, line in enumerate(source))
        try:
            now_ms = _now_ms()
            _bring((_registration(row, now_ms) for row in read_csv(text)), url, key, json)
        except UnicodeDecodeError:
            fail(f"{file}: is not UTF-8")


@recipients.command()
def erase(
    ref: Annotated[str, typer.Argument(help="Whose key is destroyed; an alias will do.")],
    reason: Reason,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Destroy a person's key: nothing about them can be read again. It cannot be taken back.

    What is open for them ends, their profile, choices and links go, and the journal still verifies.
    Erase them upstream as well: what names them again lies in quarantine. Who comes back is
    registered under another reference.
    """
    from hub.commands.publishing import beside, me, say_journalled

    if not yes:
        typer.confirm(f"Destroy the key of {ref}, for good?", abort=True, err=True)
    with beside() as (hub, runner):
        answer = runner.run(hub.commands.erase_recipient(ref, me(), reason))
    say_journalled(answer, json)


@recipients.command()
def rewrap(json: Json = False) -> None:
    """Bring every recipient's key under the current `kek`, so that `kek_spare` can go.

    Once every process knows both keys, and wraps with the new one. Beside running ones; broken off,
    it is run again.
    """
    from hub.books import open_books
    from hub.bootstrap import open_vault
    from preferences.store import Rewrapped, rewrap_keys
    from preferences.vault import KekMissing

    told = settings()
    moved = damaged = 0
    page, vault = Rewrapped(), open_vault(told)
    with open_books(told) as books, progress(json) as shown:
        while True:
            try:
                with books.store.transaction() as connection:
                    page = rewrap_keys(connection, vault, page.last)
            except KekMissing as missing:
                fail(f"kek_spare: {missing}")
            if not page.last:
                break
            moved, damaged = moved + page.moved, damaged + page.damaged
            shown(f"{moved:,} keys brought over")
    if json:
        say_json({"kek_id": told.kek_id, "moved": moved, "damaged": damaged})
    else:
        say(f"{moved:,} keys brought under {told.kek_id}, {damaged:,} damaged and left as they are")


def _now_ms() -> int:
    """The hub's time, which a rehearsal may have set to another day."""
    from hub.clock import clock_of

    return clock_of(settings().clock).now_ms()


def _registration(row: Any, now_ms: int) -> Line:
    """A row as an event. Its id is made of what it says, so that it is the same event whenever it
    is imported, and another as soon as it says something else."""
    import msgspec

    from hub.sample import structured
    from preferences.sheet import RowFault
    from streams.commands import Received
    from streams.door import REGISTERED

    if isinstance(row, RowFault):
        return Line(row.line, b"", Received("refused", "", row.column or "row", row.expected))
    mark = blake2b(msgspec.json.encode(row.data), digest_size=8).hexdigest()
    data = msgspec.to_builtins(row.data)
    event = structured(
        IMPORT_SOURCE, f"{row.data.ref}-{mark}", REGISTERED, now_ms, row.data.ref, data
    )
    return Line(row.line, event)


@contextmanager
def _opened(file: Path) -> Iterator[IO[bytes]]:
    if str(file) == "-":
        yield sys.stdin.buffer
    elif not file.exists() or file.is_dir():
        fail(f"{file}: there is no such file", 2)
    else:
        with file.open("rb") as source:
            yield source


def _bring(lines: Iterable[Line], url: str, key: str, json: bool) -> None:
    """Bring them in batches, and tell."""
    from hub.doors import open_door

    counts = {"accepted": 0, "duplicate": 0, "refused": 0}
    refused: list[dict[str, object]] = []
    with open_door(settings(), url, key) as door, progress(json) as moved:
        for batch in _batches(lines):
            for number, answer in _answers(door, batch):
                counts[answer.status] += 1
                if answer.status == "refused" and len(refused) < SHOWN_MAX:
                    refused.append(_told(number, answer, json))
            moved(f"{sum(counts.values()):,} lines, {counts['refused']:,} refused")
        where = door.name
    if json:
        say_json({**counts, "refusals": refused})
    else:
        say(
            f"{where}: {counts['accepted']:,} accepted, {counts['duplicate']:,} known already, "
            f"{counts['refused']:,} refused"
        )
    if counts["refused"]:
        raise typer.Exit(1)


def _batches(lines: Iterable[Line]) -> Iterator[list[Line]]:
    batch: list[Line] = []
    size = 0
    for line in lines:
        if batch and (len(batch) == BATCH or size + len(line.event) > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(line)
        size += len(line.event)
    if batch:
        yield batch


def _answers(door: Any, batch: list[Line]) -> Iterator[tuple[int, "Received"]]:
    """An answer for each line. What is no JSON goes by itself: it would spoil a batch, and the hub
    keeps it in quarantine."""
    import msgspec

    def apart(line: Line) -> int:
        if line.fault:
            return -line.number
        try:
            msgspec.json.decode(line.event, type=msgspec.Raw)
        except msgspec.DecodeError:
            return line.number
        return 0

    for _, group in groupby(batch, key=apart):
        lines = list(group)
        faults = [x.fault for x in lines if x.fault]  # one row may have several
        answers = faults or door.bring([x.event for x in lines])
        yield from zip((x.number for x in lines), answers, strict=True)


def _told(number: int, answer: "Received", json: bool) -> dict[str, object]:
    """A refused line, said at once or kept for the JSON at the end."""
    got = f", got {answer.got}" if answer.got else ""
    if not json:
        typer.echo(f"line {number}: {answer.field}: expected {answer.expected}{got}", err=True)
    return {
        "line": number,
        "field": answer.field,
        "expected": answer.expected,
        "got": answer.got,
    }
