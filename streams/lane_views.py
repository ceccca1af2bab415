"""Lanes as people are shown them: what each carries, how much waits, and why it stands so."""

from collections.abc import Mapping
from fractions import Fraction
from math import ceil
from typing import Literal

import msgspec
from sqlalchemy import func, select

from channels.lanes import WHOLE, Lane, Lanes
from streams.core.identity import Index
from streams.core.names import Language
from streams.core.policy import DAY_MS
from streams.core.standings import LaneStory
from streams.core.telling import tell
from streams.journal.base import Store
from streams.lane_loads import per_second
from streams.lane_stories import stories
from streams.projections.costs import COSTS
from streams.projections.standing import STANDING

State = Literal["well", "paused", "left_alone", "coming_back"]

ONE = Fraction(1)

RECENT_MS = 2 * DAY_MS
"""Today and yesterday: what a lane carries now is like what it carried then."""


class LaneView(msgspec.Struct, frozen=True):
    """One lane. ``rate_per_s`` is its contract, ``load_per_s`` what it carries now, ``waiting``
    the messages that were routed to it and not taken yet; ``drain_s`` how long these take at the
    contract's rate, which counts the parts of long texts, and at the ``share`` (percent of its
    ``weight``) that it carries, None while it takes nothing. ``reasons`` say why it stands so, in a
    sentence each with its time (ms); ``stopped`` are the notices whose wording its carrier refused.
    ``cost`` is of one segment."""

    name: str
    channel: str
    provider: str
    carriers: tuple[str, ...]
    state: State
    weight: int
    share: int
    rate_per_s: int
    load_per_s: int
    waiting: int
    drain_s: int | None
    cost: int
    reasons: list[tuple[int, str]]
    stopped: list[str]


def lane_views(
    store: Store, index: Index, lanes: Lanes, now_ms: int, language: Language
) -> list[LaneView]:
    """Every lane, in the order of the lanes' weights."""
    told = stories(store, index, lanes)
    loads = per_second(store.readers, now_ms)
    waiting = _waiting(store)
    parts = _parts(store, now_ms)
    return [
        _view(
            lanes,
            lane,
            told.get(lane.name),
            loads,
            waiting.get(lane.name, 0),
            parts.get(lane.name, ONE),
            language,
        )
        for lane in lanes
    ]


def _view(
    lanes: Lanes,
    lane: Lane,
    story: LaneStory | None,
    loads: Mapping[str, int],
    waiting: int,
    parts: Fraction,
    language: Language,
) -> LaneView:
    story = story or LaneStory()
    state = _state(lane, story)
    takes = 0 if state in ("paused", "left_alone") else lane.rate_per_s * story.share // WHOLE
    return LaneView(
        name=lane.name,
        channel=lane.channel,
        provider=lane.provider,
        carriers=lane.carriers,
        state=state,
        weight=lanes.weight(lane.name),
        share=story.share,
        rate_per_s=lane.rate_per_s,
        load_per_s=loads.get(lane.name, 0),
        waiting=waiting,
        drain_s=ceil(waiting * parts / max(takes, 1)) if takes or not waiting else None,
        cost=lane.cost,
        reasons=_reasons(story, language),
        stopped=sorted({notice for notice, _ in story.stopped}),
    )


def _state(lane: Lane, story: LaneStory) -> State:
    if lane.paused or story.paused:
        return "paused"
    if story.share == 0:
        return "left_alone"
    return "well" if story.share == WHOLE else "coming_back"


def _reasons(story: LaneStory, language: Language) -> list[tuple[int, str]]:
    """The last word of an operator, and of the breaker: the newer first."""
    last = [(story.steered_ms, story.steered), (story.shifted_ms, story.shifted)]
    said = [(at_ms, tell(event, language)) for at_ms, event in last if event is not None]
    return sorted(said, reverse=True)


def _waiting(store: Store) -> dict[str, int]:
    """Messages that were routed to a lane and are not taken yet."""
    query = (
        select(STANDING.c.lane, func.sum(STANDING.c.count))
        .where(STANDING.c.category == "sending")
        .group_by(STANDING.c.lane)
    )
    with store.readers.connect() as connection:
        return {lane: int(count) for lane, count in connection.execute(query)}


def _parts(store: Store, now_ms: int) -> dict[str, Fraction]:
    """Parts to a message, of the lanes that charged for some lately."""
    c = COSTS.c
    query = (
        select(c.lane, func.sum(c.segments), func.sum(c.messages))
        .where(c.day_ms > now_ms - RECENT_MS)
        .group_by(c.lane)
    )
    with store.readers.connect() as connection:
        rows = connection.execute(query)
        return {lane: Fraction(int(parts), int(messages)) for lane, parts, messages in rows}
