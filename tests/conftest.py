"""Which contract tests belong to which implementation, and the servers they run on."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import Engine

from hub.folder import JOURNAL
from hub.migrating import migrate_folder, migrate_postgres
from streams import postgres as on_postgres
from streams import sqlite as on_sqlite
from streams.journal.base import Store
from streams.journal.postgres import PostgresStore
from streams.journal.sqlite import SqliteStore
from tests.cluster.native_postgres import NativePostgres

# speed is never asserted by a test
settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")

_numbers = count(1)

DATABASES = ("sqlite", pytest.param("postgres", marks=pytest.mark.cluster))
"""Whatever is kept in SQL keeps the same promises on both."""


ROOT = Path(__file__).parent

WHOLE = (
    "web/", "journeys/",
    "cluster/test_native.py", "hub/test_abroad.py", "hub/test_carrier.py",
    "hub/test_command_line.py", "hub/test_demo.py", "hub/test_ending.py", "hub/test_serving.py",
    "streams/pipeline/test_shifting.py", "streams/test_replaying_demo.py",
)  # fmt: skip
"""Where tests start a whole hub each, its pages, its carrier, its processes, or let its days go by:
they make the tier `whole`, so that the quick tests stay quick."""

TIERS = frozenset(("browser", "cluster", "crash", "peers", "soak"))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Name the tier of whole hubs, and leave out, of a contract, what an implementation's provider
    has no way to do."""
    for item in items:
        place = item.path.relative_to(ROOT).as_posix()
        tiers = {mark.name for mark in item.iter_markers()} & TIERS
        if not tiers and any(place.startswith(name) for name in WHOLE):
            item.add_marker("whole")
    others = [item for item in items if not _belongs(item)]
    if others:
        items[:] = [item for item in items if item not in others]
        config.hook.pytest_deselected(items=others)


def _belongs(item: pytest.Item) -> bool:
    marker = item.get_closest_marker("needs")
    if marker is None:
        return True
    [behaviour] = marker.args
    if behaviour == "*":
        behaviour = item.callspec.params["behaviour"]  # type: ignore[attr-defined]
    return behaviour in item.cls.bench_type.can  # type: ignore[attr-defined]


@pytest.fixture(scope="session")
def postgres() -> Iterator[NativePostgres]:
    """One PostgreSQL for all tests of this process. Who stops it starts it again."""
    with TemporaryDirectory(prefix="fenghuo-postgres-", ignore_cleanup_errors=True) as folder:
        server = NativePostgres(Path(folder))
        server.start()
        yield server
        server.close()


@pytest.fixture
def database(postgres: NativePostgres) -> Iterator[str]:
    """The address of an empty database of a test's own."""
    name = f"test_{next(_numbers)}"
    yield postgres.create_database(name)
    postgres.drop_database(name)


@pytest.fixture(params=DATABASES)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """For writing, on an empty database of each kind."""
    if request.param == "sqlite":
        engine = on_sqlite.engine(tmp_path / "hub.db")
    else:
        engine = on_postgres.engine(request.getfixturevalue("database"), connections=4)
    yield engine
    engine.dispose()


@pytest.fixture(params=DATABASES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty journal on each kind of database."""
    kept: Store
    if request.param == "sqlite":
        kept = SqliteStore(tmp_path / "hub.db")
    else:
        kept = PostgresStore(request.getfixturevalue("database"))
    yield kept
    kept.close()


@pytest.fixture(params=DATABASES)
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Store]:
    """Opens the journal of a hub, with every table beside it, on each kind of database; whoever
    opens it closes it, and may open it again."""
    if request.param == "sqlite":
        migrate_folder(tmp_path)
        return lambda: SqliteStore(tmp_path / JOURNAL)
    url = request.getfixturevalue("database")
    migrate_postgres(url, now_ms=1_795_000_000_000)
    return lambda: PostgresStore(url)


@pytest.fixture
def hub_store(open_store: Callable[[], Store]) -> Iterator[Store]:
    """The journal of a hub, empty and open, on each kind of database."""
    kept = open_store()
    yield kept
    kept.close()
