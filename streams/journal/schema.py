"""The tables of the journal. One SQLite file holds one shard.

``pos`` is the row's own key and (stream, version) an index beside it: measured, the reverse costs
two and a half times as much to write and three times as much to follow, since rows then lie in the
order of their streams and not in that of their writing.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)

# SQLite's STRICT tables know one integer, of 64 bits
_Int = BigInteger().with_variant(Integer(), "sqlite")
_Small = SmallInteger().with_variant(Integer(), "sqlite")

metadata = MetaData()

journal = Table(
    "journal",
    metadata,
    Column("pos", _Int, primary_key=True, autoincrement=False),
    Column("stream", LargeBinary, nullable=False),
    Column("version", Integer, nullable=False),
    Column("type", Text, nullable=False),
    Column("at_ms", _Int, nullable=False),
    Column("data", LargeBinary, nullable=False),
    UniqueConstraint("stream", "version"),
    sqlite_strict=True,
)

lookup = Table(
    "lookup",
    metadata,
    Column("key", LargeBinary, primary_key=True),
    Column("sub", LargeBinary, primary_key=True),
    Column("stream", LargeBinary, primary_key=True),
    Column("pos", _Int, nullable=False),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

timer = Table(
    "timer",
    metadata,
    Column("due_ms", _Int, primary_key=True),
    Column("stream", LargeBinary, primary_key=True),
    Column("kind", Text, primary_key=True),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

archive = Table(
    "archive",
    metadata,
    Column("number", _Int, primary_key=True, autoincrement=False),
    Column("key", LargeBinary, nullable=False, unique=True),
    Column("digest", LargeBinary, nullable=False),
    Column("month", Integer, nullable=False),  # of its acceptance, as 202611: whole commits
    Column("at_ms", _Int, nullable=False),
    Column("type", Text, nullable=False),
    Column("recipient", Text, nullable=False),
    Column("data", LargeBinary, nullable=False),
    sqlite_strict=True,
)

archive_removal = Table(
    "archive_removal",
    metadata,
    Column("month", Integer, primary_key=True, autoincrement=False),
    Column("rows", _Int, nullable=False),
    Column("at_ms", _Int, nullable=False),
    sqlite_strict=True,
)

journal_head = Table(
    "journal_head",
    metadata,
    Column("shard", _Small, primary_key=True, autoincrement=False),
    Column("pos", _Int, nullable=False),
    Column("archive", _Int, nullable=False),
    Column("chain", LargeBinary, nullable=False),
    sqlite_strict=True,
)

journal_batch = Table(
    "journal_batch",
    metadata,
    Column("number", _Int, primary_key=True, autoincrement=False),
    Column("first", _Int, nullable=False),
    Column("last", _Int, nullable=False),
    Column("archive_first", _Int, nullable=False),
    Column("archive_last", _Int, nullable=False),
    Column("at_ms", _Int, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("archive_root", LargeBinary, nullable=False),
    Column("marks", LargeBinary, nullable=False),
    Column("archive_marks", LargeBinary, nullable=False),
    Column("chain", LargeBinary, nullable=False),
    Index("journal_batch_last", "last"),
    sqlite_strict=True,
)

projection_checkpoint = Table(
    "projection_checkpoint",
    metadata,
    Column("name", Text, primary_key=True),
    Column("pos", _Int, nullable=False),
    sqlite_strict=True,
)

_APPEND_ONLY = (journal, journal_batch, archive_removal)


def create(engine: Engine) -> None:
    """Make what is missing; harmless when all is there."""
    with engine.begin() as connection:
        metadata.create_all(connection)
        for table in _APPEND_ONLY:
            _forbid(connection, table, "UPDATE")
            _forbid(connection, table, "DELETE")
        _forbid(connection, archive, "UPDATE")
        removed = "NOT EXISTS (SELECT 1 FROM archive_removal WHERE month = OLD.month)"
        _forbid(connection, archive, "DELETE", f"WHEN {removed}")


def _forbid(connection: Connection, table: Table, what: str, when: str = "") -> None:
    connection.exec_driver_sql(
        f"CREATE TRIGGER IF NOT EXISTS {table.name}_no_{what.lower()}"
        f" BEFORE {what} ON {table.name} {when}"
        f" BEGIN SELECT RAISE(ABORT, '{table.name} is append-only'); END"
    )
