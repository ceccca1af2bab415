"""``hub migrate``: the database's tables, as this hub needs them."""

from typing import Annotated

import typer

from hub.commands.console import Json, say, say_json, settings


def migrate(
    role: Annotated[
        str,
        typer.Option(help="On PostgreSQL: let this role run the hub, and only add to the journal."),
    ] = "",
    json: Json = False,
) -> None:
    """Make the tables of the database, or bring those of an older hub along.

    On PostgreSQL this also makes the months ahead, so run it once a month, and before a newer hub
    is started. A folder's database is brought along by itself when a hub opens it.
    """
    from hub.clock import clock_of
    from hub.migrating import migrate_folder, migrate_postgres

    told = settings()
    if told.database:
        now_ms = clock_of(told.clock).now_ms()
        done = migrate_postgres(told.database_url(), now_ms, role)
    else:
        done = migrate_folder(told.data_dir)
    if json:
        say_json({"from": done.before, "to": done.after, "months": done.months})
    elif done.before == done.after:
        say(f"at revision {done.after}; nothing to do")
    else:
        say(f"{done.before or 'no tables'} → {done.after}")
    if done.months and not json:
        say(f"made {', '.join(done.months)}")
