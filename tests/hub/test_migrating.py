"""A database is brought to this hub's schema, whatever is in it; another's is left alone."""

import json
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import DBAPIError

from channels.breaker import Breaker
from channels.inbox import InboxStore
from channels.pacer import Pacer
from hub.bootstrap import documents, hub_key, inbox_seals, open_store, open_vault
from hub.clock import Virtual
from hub.folder import JOURNAL, Occupied, held
from hub.migrating import (
    FIRST,
    HEAD,
    MIGRATIONS,
    Migrated,
    SchemaNew,
    SchemaOld,
    check_postgres,
    described,
    migrate,
    migrate_folder,
    migrate_postgres,
    revision,
    upgrade,
)
from hub.settings import Settings
from preferences.changes import SetLanguage
from preferences.links import Link, find_link, save_links
from streams import postgres, sqlite
from streams.commands import Commands
from streams.core.identity import Index
from streams.journal.base import Store
from streams.journal.errors import JournalUnavailable
from streams.journal.group import GroupCommit, at_once
from streams.journal.postgres import PostgresStore
from streams.journal.sqlite import SqliteStore
from streams.lane_owner import Ownership
from streams.people import SqlPeople
from streams.pipeline.dispatch import LaneWork, dispatch
from streams.pipeline.receive import receive
from streams.pipeline.river import River
from streams.pipeline.route import route
from streams.projections import following
from streams.reading import Reading
from streams.recount import counted, recount, report
from streams.sweeps import SqlSweeps
from streams.topics import EVENTS, Record
from tests.cluster.native_postgres import binaries
from tests.conftest import DATABASES
from tests.hub.test_command_line import hub
from tests.hub.test_folder import HOLD
from tests.streams.small_hub import MORNING, NO_FAULTS, Direct
from web.keys import check_key, create_key

YEAR_MS = 365 * 86_400_000
REFERENCE = "AbCdEfGhIjKlMn"


class Place(NamedTuple):
    """A database of either kind, and how a store on it is opened."""

    engine: Engine
    open: Callable[[], Store]
    url: str


@pytest.fixture(params=DATABASES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "sqlite":
        file = tmp_path / JOURNAL
        here = Place(sqlite.engine(file), lambda: SqliteStore(file), str(file))
    else:
        url: str = request.getfixturevalue("database")
        engine = postgres.engine(url, connections=4)
        here = Place(engine, lambda: PostgresStore(url), url)
    yield here
    here.engine.dispose()


class TestTheChain:
    def test_its_end_is_this_hub_s(self) -> None:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        scripts = ScriptDirectory.from_config(config)
        assert scripts.get_heads() == [HEAD]
        revisions = [script.revision for script in scripts.walk_revisions()]
        assert revisions == sorted(revisions, reverse=True), "an older hub knows a newer one's"
        assert revisions[-1] == FIRST

    def test_the_next_revision_begins_from_the_template(self, tmp_path: Path) -> None:
        shutil.copytree(MIGRATIONS, tmp_path / "migrations")
        config = Config()
        config.set_main_option("script_location", str(tmp_path / "migrations"))
        command.revision(config, "a column more", rev_id="9999")
        [made] = (tmp_path / "migrations" / "versions").glob("9999*.py")
        source = made.read_text(encoding="utf-8")
        assert source.startswith('"""a column more."""')
        assert f"down_revision = '{HEAD}'" in source
        compile(source, made, "exec")

    def test_it_makes_the_tables_that_the_code_describes(self, place: Place) -> None:
        migrate(place.engine)
        with place.engine.connect() as connection:
            options = {"include_object": tables_of(connection), "compare_type": True}
            context = MigrationContext.configure(connection, opts=options)
            differences = compare_metadata(context, described(connection.dialect.name))
        assert differences == []

    def test_and_with_them_everything_else(
        self, place: Place, request: pytest.FixtureRequest
    ) -> None:
        """Triggers, functions, partitions and options, which no comparison of tables shows."""
        migrate(place.engine)
        with other_place(request, place) as other:
            other.open().close()
            for metadata in described(other.engine.dialect.name):
                metadata.create_all(other.engine)
            assert schema_of(place) == schema_of(other)


def tables_of(connection: Connection) -> Callable[..., bool]:
    """All but Alembic's own, and partitions, which belong to their tables."""
    apart = {"alembic_version"}
    if connection.dialect.name != "sqlite":
        apart.update(connection.scalars(text("SELECT inhrelid::regclass::text FROM pg_inherits")))

    def included(_: object, name: str, kind: str, *__: object) -> bool:
        return kind != "table" or name not in apart

    return included


@contextmanager
def other_place(request: pytest.FixtureRequest, like: Place) -> Iterator[Place]:
    """Another empty database of the same kind."""
    if like.engine.dialect.name == "sqlite":
        file = request.getfixturevalue("tmp_path") / "other.db"
        made = Place(sqlite.engine(file), lambda: SqliteStore(file), str(file))
    else:
        server = request.getfixturevalue("postgres")
        name = f"{like.engine.url.database}_other"
        url = server.create_database(name)
        made = Place(postgres.engine(url, connections=1), lambda: PostgresStore(url), url)
    try:
        yield made
    finally:
        made.engine.dispose()
        if made.engine.dialect.name != "sqlite":
            server.drop_database(name)


def schema_of(place: Place) -> list[str]:
    """Every statement that would make the database again."""
    if place.engine.dialect.name == "sqlite":
        with sqlite3.connect(place.url) as connection:
            rows = connection.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL")
            statements = [" ".join(sql.split()) for (sql,) in rows]
        return sorted(s for s in statements if "alembic_version" not in s)
    folder = binaries()
    assert folder is not None
    address = place.url.replace("postgresql+psycopg://", "postgresql://")
    dumped = subprocess.run(
        [folder / "pg_dump", "--schema-only", "--exclude-table=alembic_version", address],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    kept = re.sub(r"^(--|\\|SET |SELECT pg_catalog).*\n", "", dumped, flags=re.MULTILINE)
    return sorted(" ".join(statement.split()) for statement in re.split(r"\n{2,}", kept))


class TestAnEmptyDatabase:
    def test_is_given_everything_once(self, place: Place) -> None:
        assert revision(place.engine) == ""
        assert migrate(place.engine) == Migrated("", HEAD)
        assert migrate(place.engine) == Migrated(HEAD, HEAD)
        assert revision(place.engine) == HEAD

    def test_of_several_who_try_at_once_one_does(self, place: Place) -> None:
        done: list[Migrated] = []
        threads = [
            threading.Thread(target=lambda: done.append(migrate(place.engine))) for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(done) == [Migrated("", HEAD), *[Migrated(HEAD, HEAD)] * 2]

    def test_follows_the_journal_from_the_first_row(self, place: Place) -> None:
        migrate(place.engine)
        store = place.open()
        before = schema_of(place)
        following.create(store)
        assert schema_of(place) == before, "the projections are there already"
        store.close()


class TestANewerHubsDatabase:
    def test_is_left_alone(self, place: Place) -> None:
        migrate(place.engine)
        with place.engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '9000'"))
        with pytest.raises(SchemaNew, match="revision 9000, and this hub knows none after"):
            migrate(place.engine)


# Upgrading ----------------------------------------------------------------------------------------


async def test_what_the_first_schema_kept_is_kept(place: Place, tmp_path: Path) -> None:
    with place.engine.begin() as connection:
        upgrade(connection, "", FIRST)
    settings = Settings(data_dir=tmp_path)
    store = place.open()
    key = await a_few_events(store, settings)
    store.close()
    before = told(place, settings, key)
    assert before["categories"]["delivered"] == 1
    assert before["categories"]["suppressed"] == 1
    assert before["quarantined"] == 1

    assert migrate(place.engine) == Migrated(FIRST, HEAD)
    assert told(place, settings, key) == before
    store = place.open()
    assert Ownership(store.transaction).claim("dispatch.sms", 0, "one", MORNING).epoch == 1
    store.close()


PERSON = {"ref": "P1", "kind": "person", "name": "王丽", "phones": ["13800001234"]}
FINE = {
    "violation_no": "3501000000000001", "plate": "闽A12345", "place": "五四路", "fine": 20000,
    "occurred_at": "2026-11-20T08:30:00+08:00", "offence": "违反禁止标线指示", "points": 1,
}  # fmt: skip
TIP = {"tip_no": "XF2026-1", "headline": "冬季用电取暖", "tip": "离开时关闭电源"}


def event(river: River, kind: str, data: Mapping[str, object], number: int) -> Record:
    """An event as it lies on the events topic."""
    said = {
        "specversion": "1.0", "id": f"e{number}", "source": "test", "type": kind,
        "subject": "P1", "time": "2026-11-24T10:00:00+08:00", "data": data,
    }  # fmt: skip
    raw = json.dumps(said, ensure_ascii=False).encode()
    return Record(b"P1", river.hub_key.seal(raw, EVENTS.encode()), number)


class _Topics:
    """What the steps published, to be handed to the next step."""

    def __init__(self) -> None:
        self.published: dict[str, list[Record]] = {}

    async def publish(self, batches: Mapping[str, Sequence[Record]]) -> None:
        for topic, records in batches.items():
            self.published.setdefault(topic, []).extend(records)


async def a_few_events(store: Store, settings: Settings) -> str:
    """Somebody is registered and told of a fine, which arrives, and not of what they never asked
    for; they choose a language; something else is not understood. Answers an API key."""
    clock = Virtual(MORNING)
    journal = GroupCommit(store, clock)
    vault, index, topics = open_vault(settings), Index(settings.key("index_key")), _Topics()
    people = SqlPeople(store.readers, vault, journal, at_once)
    river = River(
        journal, topics, people, vault, index, clock, documents(settings), hub_key(settings),
    )  # type: ignore[arg-type]  # fmt: skip  # nothing is polled
    inbox = InboxStore(store.engine, *inbox_seals(store, vault))
    commands = Commands(river, inbox, lambda: None, at_once)
    await route(river, [event(river, "hub.recipient.registered.v1", PERSON, 1)])
    await route(river, [event(river, "gov.traffic.violation.recorded.v1", FINE, 2)])
    carrier = Direct(clock, NO_FAULTS)
    for topic, records in topics.published.items():
        pacer = Pacer(100, urgent=False, partitions=1, now_ms=MORNING - 60_000)
        lane = LaneWork(topic.split(".")[1], carrier, pacer, Breaker(), urgent=False)  # type: ignore[arg-type]
        assert await dispatch(river, lane, records)
    clock.advance_to(MORNING + 600_000)
    collected = await carrier.collect()
    await receive(river, collected.receipts, collected.late)
    await commands.change_preferences("P1", SetLanguage("en"), "citizen")
    await route(river, [event(river, "gov.fire.tip.published.v1", TIP, 3)])
    await route(river, [event(river, "gov.traffic.violation.recorded.v1", {}, 4)])
    await journal.close()
    follower = following.Follower(store)
    while follower.follow(3):
        pass
    with store.transaction() as connection:
        connection.exec_driver_sql(f"INSERT INTO sweep VALUES (1, {MORNING})")
        save_links(connection, [(REFERENCE, Link("me", "P1", "", MORNING + YEAR_MS))])
        return create_key(connection, bytes, "upstream", "events", MORNING, MORNING + YEAR_MS)


def swept_ms(store: Store) -> int:
    """Up to when the last sweep looked; the first schema keeps nothing else of it."""
    with store.readers.connect() as connection:
        if inspect(connection).has_table("sweep"):
            return int(connection.exec_driver_sql("SELECT at_ms FROM sweep").scalar_one())
    return SqlSweeps(store).swept_ms()


def told(place: Place, settings: Settings, key: str) -> dict[str, Any]:
    """Everything that can be read of what :func:`a_few_events` left."""
    store = place.open()
    vault, index, known = (
        open_vault(settings),
        Index(settings.key("index_key")),
        documents(settings),
    )
    reading = Reading(store, vault, index, lambda: known)
    with store.readers.connect() as connection:
        link = find_link(connection, REFERENCE, "me", MORNING)
        api_key = check_key(connection, key, "events", MORNING)
        # the first schema has no table of costs, and nothing here was charged
        accounts = report(counted(connection), {})
    legs = reading.history("P1")
    assert link
    assert api_key
    told = {
        "categories": reading.standing().categories,
        "report": accounts,
        "recount": recount(store),
        "stories": [reading.timeline(leg.stream, unseal=True) for leg in legs],
        "quarantined": len(reading.quarantined()),
        "faults": list(store.verify()),
        "rows": store.since(0, 1_000),
        "archive": store.archive_since(0, 1_000),
        "timers": store.due(MORNING + YEAR_MS, 1_000),
        "swept": swept_ms(store),
        "chain": store.standing(),
    }
    assert told["faults"] == []
    assert told["report"] == told["recount"]
    store.close()
    return told


# The folder ---------------------------------------------------------------------------------------


class TestAFolder:
    def test_is_brought_along_when_it_is_opened(self, tmp_path: Path) -> None:
        at_first(tmp_path)
        open_store(Settings(data_dir=tmp_path)).close()
        assert migrate_folder(tmp_path) == Migrated(HEAD, HEAD)

    def test_from_before_there_were_revisions_is_known(self, tmp_path: Path) -> None:
        at_first(tmp_path)
        with sqlite3.connect(tmp_path / JOURNAL) as connection:
            connection.execute("DROP TABLE alembic_version")
        assert migrate_folder(tmp_path) == Migrated(FIRST, HEAD)

    def test_that_this_process_has_is_brought_along(self, tmp_path: Path) -> None:
        at_first(tmp_path)
        with held(tmp_path):
            assert migrate_folder(tmp_path) == Migrated(FIRST, HEAD)
            with pytest.raises(Occupied), held(tmp_path):
                pass

    def test_that_another_process_has_is_left_to_it(self, tmp_path: Path) -> None:
        at_first(tmp_path)
        command = [sys.executable, "-c", HOLD, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            with pytest.raises(Occupied, match=f"in use by process {process.pid}"):
                migrate_folder(tmp_path)
            process.kill()
        assert migrate_folder(tmp_path).before == FIRST

    def test_whose_file_is_no_database_is_unavailable(self, tmp_path: Path) -> None:
        (tmp_path / JOURNAL).write_bytes(b"something else entirely" * 100)
        with pytest.raises(JournalUnavailable):
            migrate_folder(tmp_path)


def at_first(folder: Path) -> None:
    engine = sqlite.engine(folder / JOURNAL)
    with engine.begin() as connection:
        upgrade(connection, "", FIRST)
    engine.dispose()


# PostgreSQL ---------------------------------------------------------------------------------------


@pytest.mark.cluster
class TestPostgres:
    def test_is_opened_only_at_this_hubs_revision(self, database: str) -> None:
        with pytest.raises(SchemaOld, match="has no tables of the hub, this hub needs"):
            check_postgres(database)
        engine = postgres.engine(database, connections=1)
        with engine.begin() as connection:
            upgrade(connection, "", FIRST)
        with pytest.raises(SchemaOld, match=f"is at revision {FIRST}, .* `hub migrate`"):
            check_postgres(database)
        migrate_postgres(database, MORNING)
        check_postgres(database)
        with engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '9000'"))
        with pytest.raises(SchemaNew):
            check_postgres(database)
        engine.dispose()

    def test_that_is_away_is_said_to_be(self, database: str) -> None:
        with pytest.raises(JournalUnavailable):
            check_postgres(database + "_that_is_none")

    def test_is_given_the_months_ahead(self, database: str) -> None:
        made = migrate_postgres(database, MORNING).months
        assert {"journal_202611", "journal_202702", "archive_202702"} <= set(made)
        assert migrate_postgres(database, MORNING).months == ()

    def test_a_role_runs_the_hub_and_only_adds_to_the_journal(
        self, database: str, request: pytest.FixtureRequest
    ) -> None:
        role = f"only_adds_{database.rpartition('_')[2]}"
        migrate_postgres(database, MORNING, role)
        migrate_postgres(database, MORNING, role)  # once more changes nothing
        owner = postgres.engine(database, connections=1)
        with owner.begin() as connection:
            connection.execute(text(f"ALTER ROLE {role} LOGIN"))
        check_postgres(database.replace("//fenghuo@", f"//{role}@"))
        store = PostgresStore(database.replace("//fenghuo@", f"//{role}@"))
        with store.transaction() as connection:
            save_links(connection, [(REFERENCE, Link("me", "P1", "", MORNING))])
        Ownership(store.transaction).claim("dispatch.sms", 0, "one", MORNING)
        following.Follower(store).follow(100)
        for forbidden in ("UPDATE journal SET version = 1", "DELETE FROM journal_batch"):
            with pytest.raises(DBAPIError, match="permission denied"), store.transaction() as told:
                told.execute(text(forbidden))
        store.close()
        with owner.begin() as connection:
            connection.execute(text(f"DROP OWNED BY {role}"))
            connection.execute(text(f"DROP ROLE {role}"))
        owner.dispose()


# The command --------------------------------------------------------------------------------------


def test_the_command_says_from_where_to_where(tmp_path: Path) -> None:
    assert hub("migrate", "--json", folder=tmp_path).json == {"from": "", "to": HEAD, "months": []}
    assert hub("migrate", folder=tmp_path).out == f"at revision {HEAD}; nothing to do\n"
    (tmp_path / JOURNAL).unlink()
    assert hub("migrate", folder=tmp_path).out == f"no tables → {HEAD}\n"


def test_every_command_refuses_what_a_newer_hub_has_used(tmp_path: Path) -> None:
    migrate_folder(tmp_path)
    with sqlite3.connect(tmp_path / JOURNAL) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9000'")
    for asked in (("migrate",), ("report",), ("verify",)):
        answered = hub(*asked, folder=tmp_path)
        assert answered.code == 1
        assert answered.err.startswith("hub: the database is at revision 9000")


@pytest.mark.cluster
def test_the_command_on_postgres(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
    told = {"DATABASE": database, "KAFKA": "127.0.0.1:1"}
    for name, value in {**told, "KEK": key, "INDEX_KEY": key, "LINK_KEY": key}.items():
        monkeypatch.setenv(f"HUB_{name}", value)
    answered = hub("migrate", "--json")
    assert (answered.json["from"], answered.json["to"]) == ("", HEAD)
    assert "journal_named" not in answered.json["months"]
    assert len(answered.json["months"]) > 12
    assert hub("migrate").out == f"at revision {HEAD}; nothing to do\n"
