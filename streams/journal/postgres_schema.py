"""The tables of the journal in PostgreSQL. One database holds one shard, or several beside each
other: the shard is in every key.

Where they differ from SQLite's (`streams.journal.schema`), and why:

`journal` is partitioned by range of `stream`, since a stream's id begins with its time: a month is
one partition, and the key (stream, version, shard) stays unique over all of them. A stream that is
no leg of a notification has no time but a hash; nearly all of those lie beyond every month, in
`journal_named`. The few that lie in a month stay there.

`archive` is partitioned by the month of acceptance. That an event is accepted once is held over all
months by `archive_key`.

`lookup` and `timer` have no unique key: a row that is written again lies there twice, and is read
once. So they never lose against another row, and a look-up row written again is found by who looks
for what came since.
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
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    inspect,
    text,
)

from streams.journal.schema import projection_checkpoint as _checkpoint

# Legs begin with 48 bits of milliseconds; after these, of the year 2100, there are only hashes.
MONTHS_END = bytes.fromhex("03c000000000")
# One number for "the hub is making its tables": whoever comes second waits, and finds them made.
MAKING = 0x66656E67
HUB_ROLE = "fenghuo_hub"

metadata = MetaData()

journal = Table(
    "journal",
    metadata,
    Column("pos", BigInteger, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
    Column("shard", SmallInteger, nullable=False),
    Column("stream", LargeBinary, nullable=False),
    Column("type", Text, nullable=False),
    Column("data", LargeBinary, nullable=False),
    PrimaryKeyConstraint("stream", "version", "shard"),
    Index("journal_pos", "shard", "pos"),
    postgresql_partition_by="RANGE (stream)",
)

lookup = Table(
    "lookup",
    metadata,
    Column("pos", BigInteger, nullable=False),
    Column("shard", SmallInteger, nullable=False),
    Column("key", LargeBinary, nullable=False),
    Column("sub", LargeBinary, nullable=False),
    Column("stream", LargeBinary, nullable=False),
    Index("lookup_key", "shard", "key"),
)

timer = Table(
    "timer",
    metadata,
    Column("due_ms", BigInteger, nullable=False),
    Column("shard", SmallInteger, nullable=False),
    Column("stream", LargeBinary, nullable=False),
    Column("kind", Text, nullable=False),
    Index("timer_due", "shard", "due_ms", "stream"),
    # its rows come and go: they are swept before they slow down who looks for the next one
    postgresql_with={"autovacuum_vacuum_scale_factor": 0.02},
)

archive = Table(
    "archive",
    metadata,
    Column("number", BigInteger, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("month", Integer, nullable=False),  # of its acceptance, as 202611: whole commits
    Column("shard", SmallInteger, nullable=False),
    Column("key", LargeBinary, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("type", Text, nullable=False),
    Column("recipient", Text, nullable=False),
    Column("data", LargeBinary, nullable=False),
    PrimaryKeyConstraint("shard", "number", "month"),
    postgresql_partition_by="LIST (month)",
)

archive_key = Table(
    "archive_key",
    metadata,
    Column("number", BigInteger, nullable=False),
    Column("month", Integer, nullable=False),
    Column("shard", SmallInteger, nullable=False),
    Column("key", LargeBinary, nullable=False),
    PrimaryKeyConstraint("shard", "key"),
)

archive_removal = Table(
    "archive_removal",
    metadata,
    Column("shard", SmallInteger, primary_key=True, autoincrement=False),
    Column("month", Integer, primary_key=True, autoincrement=False),
    Column("rows", BigInteger, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
)

journal_head = Table(
    "journal_head",
    metadata,
    Column("pos", BigInteger, nullable=False),
    Column("archive", BigInteger, nullable=False),
    Column("number", BigInteger, nullable=False),  # of the last commit
    Column("shard", SmallInteger, primary_key=True, autoincrement=False),
    Column("chain", LargeBinary, nullable=False),
    postgresql_with={"fillfactor": 10},  # one row a shard, changed in place by every commit
)

journal_batch = Table(
    "journal_batch",
    metadata,
    Column("number", BigInteger, nullable=False),
    Column("first", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    Column("archive_first", BigInteger, nullable=False),
    Column("archive_last", BigInteger, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("shard", SmallInteger, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("archive_root", LargeBinary, nullable=False),
    Column("marks", LargeBinary, nullable=False),
    Column("archive_marks", LargeBinary, nullable=False),
    Column("chain", LargeBinary, nullable=False),
    PrimaryKeyConstraint("shard", "number"),
    Index("journal_batch_last", "shard", "last"),
)

projection_checkpoint = _checkpoint.to_metadata(metadata)

_APPEND_ONLY = (journal, journal_batch, lookup, archive_removal)
_REMOVABLE = (archive, archive_key)

_AFTER = f"'\\x{MONTHS_END.hex()}'"
_STATEMENTS = (
    f"CREATE TABLE journal_named PARTITION OF journal FOR VALUES FROM ({_AFTER}) TO (MAXVALUE)",
    # what no month was made for: nothing is refused for it, and the check speaks of it
    "CREATE TABLE journal_other PARTITION OF journal DEFAULT",
    "CREATE TABLE archive_other PARTITION OF archive DEFAULT",
    # sealed bytes do not shrink, and trying costs more than writing them
    "ALTER TABLE journal ALTER data SET STORAGE EXTERNAL",
    "ALTER TABLE archive ALTER data SET STORAGE EXTERNAL",
    """
    CREATE FUNCTION journal_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION USING MESSAGE = TG_ARGV[0] || ' is append-only';
    END $$
    """,
    """
    CREATE FUNCTION archive_goes_by_months() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF EXISTS (SELECT FROM archive_removal WHERE shard = OLD.shard AND month = OLD.month) THEN
            RETURN OLD;
        END IF;
        RAISE EXCEPTION USING MESSAGE = TG_ARGV[0] || ' is append-only';
    END $$
    """,
)


def create(engine: Engine) -> None:
    """Make the tables when there are none; of several who try at once, one does."""
    with engine.begin() as connection:
        if exists(connection):
            return
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MAKING})
        if not exists(connection):
            metadata.create_all(connection)
            complete(connection)


def exists(connection: Connection) -> bool:
    """Whether the tables are there."""
    # not by to_regclass, which remembers that it found none
    return inspect(connection).has_table(journal_head.name)


def complete(connection: Connection) -> None:
    """What belongs to the tables and is none itself: partitions that never change, triggers."""
    for statement in _STATEMENTS:
        connection.exec_driver_sql(statement)
    for table in _APPEND_ONLY:
        _guard(connection, table, "UPDATE OR DELETE", "ROW", "journal_is_append_only")
    for table in _REMOVABLE:
        _guard(connection, table, "UPDATE", "ROW", "journal_is_append_only")
        _guard(connection, table, "DELETE", "ROW", "archive_goes_by_months")
    for table in _APPEND_ONLY + _REMOVABLE:
        _guard(connection, table, "TRUNCATE", "STATEMENT", "journal_is_append_only")


def _guard(connection: Connection, table: Table, when: str, each: str, function: str) -> None:
    name = f"{table.name}_no_{when.split()[0].lower()}"
    connection.exec_driver_sql(
        f"CREATE TRIGGER {name} BEFORE {when} ON {table.name}"
        f" FOR EACH {each} EXECUTE FUNCTION {function}('{table.name}')"
    )


def grant_append_only(connection: Connection, role: str = HUB_ROLE) -> None:
    """Let a role do with the journal what the hub does, and no more: it adds, it moves the head,
    serves timers and removes archived months, which the triggers hold it to. The role is made when
    it is missing; it cannot log in until its administrator lets it.
    """
    quoted = connection.dialect.identifier_preparer.quote(role)
    known = text("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = :role)")
    if not connection.scalar(known, {"role": role}):
        connection.exec_driver_sql(f"CREATE ROLE {quoted} NOLOGIN")
    grants = {
        "SELECT, INSERT": _APPEND_ONLY,
        "SELECT, INSERT, DELETE": (timer, *_REMOVABLE),
        "SELECT, INSERT, UPDATE": (journal_head,),
        "SELECT, INSERT, UPDATE, DELETE": (projection_checkpoint,),
    }
    for rights, tables in grants.items():
        names = ", ".join([table.name for table in tables])
        connection.exec_driver_sql(f"REVOKE ALL ON {names} FROM {quoted}")
        connection.exec_driver_sql(f"GRANT {rights} ON {names} TO {quoted}")
