"""The demonstration, small: everything comes to its end, once, and the accounts add up."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from hub.demo import FAULTS, PAUSE_MS, Played, Progress, clear, play, shares
from hub.folder import JOURNAL, LEDGER
from hub.sample_cases import DAYS
from hub.settings import load
from streams.core import events as e
from streams.core.codec import decode
from streams.journal.sqlite import SqliteStore


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Played, list[Progress], Path]:
    folder = tmp_path_factory.mktemp("demo")
    told: list[Progress] = []
    settings = load({"HUB_DATA_DIR": str(folder)})
    return asyncio.run(play(settings, 600, 1, 1, told.append)), told, folder


def test_the_parts_add_up(played: tuple[Played, list[Progress], Path]) -> None:
    line = played[0].line()
    parts = ("delivered", "undelivered", "suppressed", "unconfirmed", "expired", "cancelled")
    assert sum(line[part] for part in parts) + line["in_flight"] == line["notifications"]
    assert (line["events"], line["in_flight"]) == (600, 0)
    assert line["delivered"] >= 0.8 * line["notifications"]


def test_nobody_is_forgotten_and_nobody_told_twice(
    played: tuple[Played, list[Progress], Path],
) -> None:
    assert (played[0].unaccounted, played[0].duplicates) == (0, 0)


def test_people_write_back_and_are_answered(
    played: tuple[Played, list[Progress], Path],
) -> None:
    store = SqliteStore(played[2] / JOURNAL)
    try:
        rows = store.since(0, 100_000)
    finally:
        store.close()
    events = [decode(row.type, row.data) for row in rows]
    done = {event.done for event in events if isinstance(event, e.ReplyReceived)}
    assert done >= {"helped", "passed_on"}
    answered = {"reply-answered", "reply-answered-mail"}
    heads = [getattr(event, "head", None) for event in events]
    assert answered <= {head.notice for head in heads if head}


def test_it_tells_how_far_it_is(played: tuple[Played, list[Progress], Path]) -> None:
    told = played[1]
    assert [one.events for one in told] == sorted(one.events for one in told)
    assert told[-1].parts == played[0].parts


def test_every_fault_is_switched_on() -> None:
    names = [f.name for f in msgspec.structs.fields(FAULTS) if f.type is float]
    assert all(getattr(FAULTS, name) > 0 for name in names)


def test_clearing_takes_only_what_a_demo_left(tmp_path: Path) -> None:
    for name in (JOURNAL, f"{JOURNAL}-wal", LEDGER, f"{LEDGER}.acks", "mine.txt"):
        (tmp_path / name).write_text("x")
    clear(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]


def test_events_are_spread_over_the_days() -> None:
    counts = list(shares(20_000, 3))
    assert sum(counts) == 20_000
    slots = DAYS // PAUSE_MS
    by_day = [sum(counts[i : i + slots]) for i in range(0, len(counts), slots)]
    assert len(by_day) == 3
    assert max(by_day) - min(by_day) < 100
