"""Lanes as people are shown them."""

from pathlib import Path

from sqlalchemy import insert

from channels.lanes import Lane, Lanes
from streams.core.policy import DAY_MS
from streams.journal.sqlite import SqliteStore
from streams.lane_views import lane_views
from streams.projections import following
from streams.projections.costs import COSTS
from streams.projections.standing import STANDING
from tests.streams.journals import INDEX, journal

NOW_MS = 1_795_485_600_000
LANES = Lanes([Lane("sms-a", "sms", "sandbox", 20, cost=450), Lane("inbox", "inbox", "inbox", 20)])


def wait(store: SqliteStore, lane: str, messages: int) -> None:
    place = {c.name: "" for c in STANDING.primary_key} | {"category": "sending", "lane": lane}
    with store.engine.begin() as connection:
        connection.execute(insert(STANDING).values(**place, count=messages))


def charge(store: SqliteStore, lane: str, messages: int, segments: int, at_ms: int) -> None:
    with store.engine.begin() as connection:
        connection.execute(
            insert(COSTS).values(
                day_ms=at_ms - at_ms % DAY_MS, notice="n", lane=lane, messages=messages,
                segments=segments, cost=450 * segments,
            )
        )  # fmt: skip


def drains(store: SqliteStore) -> dict[str, int | None]:
    return {view.name: view.drain_s for view in lane_views(store, INDEX, LANES, NOW_MS, "en")}


def test_a_backlog_drains_as_long_as_its_parts_take(tmp_path: Path) -> None:
    with journal(tmp_path) as store:
        following.create(store)
        for lane in ("sms-a", "inbox"):
            wait(store, lane, 1_000)
        charge(store, "sms-a", messages=10, segments=40, at_ms=NOW_MS - 3 * DAY_MS)
        assert drains(store) == {"sms-a": 50, "inbox": 50}, "what it was like long ago is forgotten"
        charge(store, "sms-a", messages=10, segments=10, at_ms=NOW_MS - DAY_MS)
        charge(store, "sms-a", messages=10, segments=20, at_ms=NOW_MS)
        assert drains(store) == {"sms-a": 75, "inbox": 50}
