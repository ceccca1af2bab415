"""Which schema a database has, and bringing it to this hub's.

One chain of revisions for both databases lies in `hub/migrations`. A folder's database is brought
along whenever it is opened; PostgreSQL's only by `hub migrate`, since other processes use it.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, Engine, MetaData, inspect, text
from sqlalchemy.exc import DBAPIError

from channels import inbox
from hub.folder import JOURNAL, held, owner
from preferences import addresses, links
from preferences import store as preference_store
from streams import lane_owner, postgres, sqlite, sweeps
from streams.journal import postgres_schema, schema
from streams.journal.errors import JournalUnavailable
from streams.journal.postgres_partitions import ensure_partitions
from streams.projections.following import ALL
from web import keys

FIRST = "0001"
"""The revision of a folder that a hub before the first `hub migrate` left."""

HEAD = "0004"
"""The revision of this hub. Revisions count upwards, so that an older hub knows a newer one's."""

MIGRATIONS = Path(__file__).parent / "migrations"

_VERSION = text("SELECT version_num FROM alembic_version")


class SchemaOld(Exception):  # noqa: N818 - a state of the database, not a mistake
    """The database has no tables yet, or those of an older hub; `hub migrate` mends it."""


class SchemaNew(Exception):  # noqa: N818
    """A newer hub has migrated the database: this one does not know what its tables mean."""


class Migrated(NamedTuple):
    """From which revision to which; ``before`` is empty for a database without tables."""

    before: str
    after: str
    months: tuple[str, ...] = ()
    """The partitions of PostgreSQL that were made."""


def described(dialect: str) -> Sequence[MetaData]:
    """Every table of the hub, as the code describes it."""
    journal = schema.metadata if dialect == "sqlite" else postgres_schema.metadata
    return [
        journal,
        preference_store.metadata,
        addresses.metadata,
        links.metadata,
        inbox.METADATA,
        sweeps.METADATA,
        lane_owner.METADATA,
        keys.METADATA,
        *(table.metadata for projection in ALL for table in projection.tables),
    ]


def migrate_folder(folder: Path) -> Migrated:
    """Bring a folder's database along, or make it, under the folder's lock. Raises
    :class:`SchemaNew`, and `hub.folder.Occupied` where another process would have to let go."""
    folder.mkdir(parents=True, exist_ok=True)
    with _opened(sqlite.engine(folder / JOURNAL, read_only=True)) as engine:
        if (found := revision(engine)) == HEAD:
            return Migrated(found, HEAD)
    holder = owner(folder)
    ours = holder is not None and holder.pid == os.getpid()
    with (
        nullcontext() if ours else held(folder),
        _opened(sqlite.engine(folder / JOURNAL)) as engine,
    ):
        return migrate(engine)


def migrate_postgres(url: str, now_ms: int, role: str = "") -> Migrated:
    """Bring a database along, make the months ahead, and let a role run the hub. Raises
    :class:`SchemaNew`, and `streams.journal.errors.JournalUnavailable`."""
    with _opened(postgres.engine(url, connections=1)) as engine:
        migrated = migrate(engine)
        with _translated(), engine.begin() as connection:
            months = ensure_partitions(connection, now_ms)
            if role:
                _grant(connection, role)
    return migrated._replace(months=tuple(months))


def _grant(connection: Connection, role: str) -> None:
    """It may add to the journal, change what stands beside it, and see which revision this is."""
    postgres_schema.grant_append_only(connection, role)
    quoted = connection.dialect.identifier_preparer.quote(role)
    beside = [
        connection.dialect.identifier_preparer.format_table(table)
        for metadata in described("postgresql")
        if metadata is not postgres_schema.metadata
        for table in metadata.sorted_tables
    ]
    rights = {"SELECT, INSERT, UPDATE, DELETE": ", ".join(beside), "SELECT": "alembic_version"}
    for right, tables in rights.items():
        connection.exec_driver_sql(f"GRANT {right} ON {tables} TO {quoted}")


def check_postgres(url: str) -> None:
    """Raises :class:`SchemaOld` or :class:`SchemaNew` unless the database is as this hub needs."""
    with _opened(postgres.engine(url, connections=1)) as engine:
        found = revision(engine)
    if found < HEAD:
        what = f"is at revision {found}" if found else "has no tables of the hub"
        raise SchemaOld(
            f"the database {what}, this hub needs {HEAD}: `hub migrate` brings it there"
        )


def revision(engine: Engine) -> str:
    """The revision of a database, empty for none. Raises :class:`SchemaNew`."""
    with _translated(), engine.connect() as connection:
        return _revision(connection)


def _revision(connection: Connection) -> str:
    tables = inspect(connection)
    found = ""
    if tables.has_table("alembic_version"):
        found = connection.scalar(_VERSION) or ""
    elif connection.dialect.name == "sqlite" and tables.has_table("journal_head"):
        found = FIRST
    if found > HEAD:
        raise SchemaNew(
            f"the database is at revision {found}, and this hub knows none after {HEAD}:"
            " a newer hub has used it"
        )
    return found


def migrate(engine: Engine) -> Migrated:
    """All revisions that are missing, in one transaction. Raises :class:`SchemaNew`."""
    with _translated(), engine.begin() as connection:
        if connection.dialect.name != "sqlite":  # of several who try at once, one does
            making = {"key": postgres_schema.MAKING}
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), making)
        before = _revision(connection)
        if before != HEAD:
            upgrade(connection, before, HEAD)
    return Migrated(before, HEAD)


def upgrade(connection: Connection, before: str, after: str) -> None:
    """Run the revisions between two, inside the caller's transaction."""
    from alembic import command  # most processes find nothing to do, and it is slow to import
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    if before:
        command.stamp(config, before)
    command.upgrade(config, after)


@contextmanager
def _opened(engine: Engine) -> Iterator[Engine]:
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        if (postgres.trouble(error) or sqlite.trouble(error)) is None:
            raise
        raise JournalUnavailable(str(error.orig)) from error
