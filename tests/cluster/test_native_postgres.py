"""The PostgreSQL the tests start themselves keeps its port and its data."""

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest

from tests.cluster.native_postgres import NativePostgres

pytestmark = pytest.mark.cluster


@pytest.fixture
def server() -> Iterator[NativePostgres]:
    with TemporaryDirectory(prefix="fenghuo-postgres-") as folder:
        server = NativePostgres(Path(folder))
        server.start()
        yield server
        server.close()


def told(url: str, statement: str) -> list[tuple[object, ...]]:
    address = url.replace("postgresql+psycopg://", "postgresql://")
    with psycopg.connect(address) as connection:
        answer = connection.execute(statement)
        return answer.fetchall() if answer.description else []


@pytest.mark.parametrize(
    "end",
    [
        NativePostgres.stop,
        lambda server: server.stop("immediate"),
        NativePostgres.kill,
    ],
    ids=["fast", "immediate", "killed"],
)
def test_what_was_committed_is_there_after_a_restart(
    server: NativePostgres, end: Callable[[NativePostgres], None]
) -> None:
    url = server.create_database("books")
    told(url, "CREATE TABLE kept AS SELECT 1 AS one")
    before = server.pid
    end(server)
    with pytest.raises(psycopg.OperationalError):
        told(url, "SELECT 1")
    server.start()
    assert server.pid != before
    assert told(url, "SELECT one FROM kept") == [(1,)]


def test_it_is_durable_and_private(server: NativePostgres) -> None:
    asked = ("fsync", "synchronous_commit", "listen_addresses", "unix_socket_directories")
    answers = [told(server.url, f"SHOW {name}")[0][0] for name in asked]
    assert answers == ["on", "on", "127.0.0.1", ""]
