"""``hub key``: who may bring events, and who may see the pages of staff from afar."""

from datetime import UTC, datetime
from typing import Annotated, Literal

import typer

from hub.commands.console import MISUSED, Json, fail, say, say_json, settings, table

DAY_MS = 86_400_000

keys = typer.Typer(no_args_is_help=True, help="API keys.")


@keys.command()
def create(
    name: Annotated[str, typer.Argument(help="Who it is for, as reports will show it.")],
    scope: Annotated[
        Literal["events", "operator"], typer.Option(help="To bring events in, or to see pages.")
    ] = "events",
    days: Annotated[int, typer.Option(min=1, max=1_100, help="How long it is good for.")] = 365,
    json: Json = False,
) -> None:
    """Make a key and show it, this once."""
    from hub.doors import make_key

    if not name.strip():
        fail("name: expected who the key is for", MISUSED)
    key = make_key(settings(), name, scope, days * DAY_MS)
    if json:
        say_json({"key": key, "name": name, "scope": scope, "days": days})
    else:
        say(key)


@keys.command("list")
def list_(json: Json = False) -> None:
    """All keys there are and were; never their secrets."""
    from hub.books import open_books
    from web.keys import list_keys

    with open_books(settings()) as books, books.store.readers.connect() as connection:
        known = list_keys(connection)
    if json:
        say_json([key._asdict() for key in known])
        return
    rows = [(k.id, k.name, k.scope, _day(k.created_ms), _end(k)) for k in known]
    table("", ("id", "name", "scope", "made", "good until"), rows)


@keys.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="Its id: the part after fh_live_.")],
    json: Json = False,
) -> None:
    """End a key now."""
    from hub.books import open_books
    from hub.clock import clock_of
    from web.keys import revoke_key

    told = settings()
    with open_books(told) as books, books.store.transaction() as connection:
        ended = revoke_key(connection, key_id, clock_of(told.clock).now_ms())
    if not ended:
        fail(f"no key in use has the id {key_id}")
    if json:
        say_json({"id": key_id, "revoked": True})
    else:
        say("revoked")


def _end(key: "object") -> str:
    revoked = getattr(key, "revoked_ms", 0)
    return f"revoked {_day(revoked)}" if revoked else _day(getattr(key, "expires_ms", 0))


def _day(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).date().isoformat()
