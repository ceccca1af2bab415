"""Which contract tests belong to which implementation, and the servers they run on."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.cluster.native_postgres import NativePostgres

_numbers = count(1)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out, of a contract, what an implementation's provider has no way to do."""
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
