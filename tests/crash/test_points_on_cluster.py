"""At every fail point a worker of the cluster dies, starts again, and the books agree."""

import json
import subprocess
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy import text

from hub.failpoints import POINTS
from tests.cluster.native import command_of, surroundings
from tests.crash.books import Books
from tests.crash.on_cluster import WHO, OnCluster, running
from tests.crash.rehearsal import die_and_recover, settle
from tests.crash.upstream import Upstream

pytestmark = [pytest.mark.crash, pytest.mark.cluster]

NTH = 2
_loads = count()


@pytest.fixture(scope="module")
def hub() -> Iterator[OnCluster]:
    """One cluster for all: each load is about other people."""
    with TemporaryDirectory(prefix="fenghuo-crash-") as folder, running(Path(folder)) as hub:
        yield hub


@pytest.mark.parametrize("point", POINTS)
def test_a_death_loses_nothing_and_sends_nothing_twice(point: str, hub: OnCluster) -> None:
    load = next(_loads)
    hub.dies = WHO[point][0]
    upstream = Upstream(f"crash-{load}", 10_000 * (load + 1))
    assert die_and_recover(hub, f"{point}:{NTH}", upstream, hub.director) == []


def test_afterwards_the_journal_is_whole_and_a_row_changed_by_hand_is_named(hub: OnCluster) -> None:
    books = Books(hub.store, hub.ledger, [], hub.store.head())
    hub.director.begin_by_day()
    books.accepted += Upstream("whole", 10_000 * (next(_loads) + 1)).report(
        20, hub.director.now_ms()
    )
    assert hub.bring(books.accepted)
    settle(books, hub.director)
    assert (
        books.faults() == []
    )  # the read models made again are, byte for byte, those that followed
    rows = hub.store.head()
    assert verify(hub) == (0, {"rows": rows, "faults": []})
    change_by_hand(hub, "at_ms = at_ms + 1", rows // 2)
    assert verify(hub) == (1, {"rows": rows, "faults": [f"row {rows // 2} was altered"]})
    change_by_hand(hub, "at_ms = at_ms - 1", rows // 2)
    assert verify(hub)[0] == 0


def verify(hub: OnCluster) -> tuple[int, object]:
    """`hub verify` beside the running workers: how it ended, and what it said."""
    told = subprocess.run(
        command_of(("verify", "--json")),
        env=surroundings(hub.cluster.environment_of(hub.cluster.services["web"])),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert told.stdout, told.stderr
    return told.returncode, json.loads(told.stdout)


def change_by_hand(hub: OnCluster, change: str, pos: int) -> None:
    """As somebody who owns the database: its own guards are put out of the way."""
    with hub.store.transaction() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text(f"UPDATE journal SET {change} WHERE pos = :pos"), {"pos": pos})
