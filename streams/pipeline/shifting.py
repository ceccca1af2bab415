"""Work leaves a lane whose breaker opened, and comes back when it is well.

What a lane carries is a *share* of its weight, journalled in the lane's own stream: nothing when
its breaker opens, a little when it is tried again, more and more while that goes well. Routing
reads it with the other documents. What was routed before and waits for the lane is decided again
by its dispatcher, at a capped pace: only what is untouched, and never all at once.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import islice

from channels.base import Channel
from channels.binding import Binding
from channels.breaker import OPEN_MS, Breaker
from channels.lanes import WHOLE, Lane, Lanes
from channels.pacer import PERMIT
from streams.core import events as e
from streams.core.gathering import NO_HISTORY
from streams.core.lifecycle import State, Status
from streams.core.standings import LANE, LaneStory, lane_stream
from streams.journal.base import Group, Unit
from streams.lane_stories import story_of
from streams.pipeline.deciding import background, judge, same_leg
from streams.pipeline.resuming import resume_streams
from streams.pipeline.river import Dispatch, River, entry, found_by_kind, state_of

MOVED_PERCENT = 50
"""Of what the other lanes have to spare, so much is given to what moves: their own work comes
first, and a lane that fails must not take the next one with it."""

SPARE_MIN_PERCENT = 5
"""Of a lane's rate that is taken to be spare even when it is fully used: work that moves slowly is
better than work that stands still until it expires."""

TRIAL_SHARE = 5
"""Percent of its weight that a lane gets when its breaker lets probes through: without new work
there would be nothing to probe with."""

BACK = (10, 25, 50, WHOLE)
"""Percent of its weight that it gets back, step by step: what failed under load fails again."""

BACK_MS = 15_000
"""Between two steps: half of what a breaker looks back over for its errors."""

SHIFT_MAX = 500
"""Moved in one transaction, however many might."""

TEND_MS = 1_000
"""How soon a lane that is not well is looked at again, at the least."""

SHIFTED = "shifted"
"""The reason of a decision that moves a message from one lane to another."""

Key = tuple[bytes, int]

Loads = Callable[[], Awaitable[Mapping[str, int]]]
"""Calls a second that each lane has made in the last minute, over all workers."""


class Drip:
    """How many may move now: an allowance that grows by the second and is not saved up."""

    __slots__ = ("_at_ms", "_level")

    def __init__(self, now_ms: int) -> None:
        self._at_ms = now_ms
        self._level = 0

    def allow(self, now_ms: int, milli_per_s: int) -> int:
        """At ``milli_per_s`` thousandths a second, since the last time it was asked."""
        elapsed_ms = min(max(now_ms - self._at_ms, 0), 1_000)
        self._at_ms = now_ms
        most = max(milli_per_s * 1_000, PERMIT)
        self._level = min(self._level + elapsed_ms * milli_per_s, most)
        return self._level // PERMIT

    def take(self, n: int) -> None:
        self._level -= n * PERMIT


# What a lane carries ------------------------------------------------------------------------------


def heed(channel: Channel, name: str, breaker: Breaker, now_ms: int) -> bool:
    """A lane whose carrier refuses the account is left alone before a message is tried there;
    whether that has just been found out."""
    refused = channel.not_bound(name) if isinstance(channel, Binding) else None
    if refused is None or not refused.lasting:
        return False
    known = breaker.state == "open"
    breaker.hold_open(now_ms)
    return not known


async def tend(river: River, name: str, breaker: Breaker, loads: Loads) -> int | None:
    """Journal what a lane carries from now on, as its breaker here says; in how many ms it wants
    looking at again. None: not before something happens to it, which its dispatcher tells. Where
    another process says otherwise this one finds out for itself."""
    lanes = river.documents.lanes
    if breaker.state == "closed" and lanes.standing(name).share == WHOLE:
        return None
    story = await story_of(river.journal, name)
    now_ms = river.clock.now_ms()
    breaker.wake(now_ms)
    _doubt(story, breaker, now_ms)
    share = next_share(story, breaker, now_ms)
    if share is not None:
        said = _shifted(lanes, name, share, breaker, await loads())
        if not await _went_on(river, name, story, said, urgent=True):
            return TEND_MS  # another was first: looked at again on what it said
        story.share, story.per_s, story.urgent_per_s = said.share, said.per_s, said.urgent_per_s
        story.shifted_ms = now_ms
    _take_up(river, name, story)
    return _rest_ms(story, breaker, now_ms)


async def _went_on(
    river: River, name: str, story: LaneStory, said: e.Base, *, urgent: bool
) -> bool:
    """Journal what comes next in a lane's story; False when somebody else went on with it."""
    stream = lane_stream(name)
    kind = found_by_kind(river, LANE, stream)
    unit = Unit((entry(stream, story.version + 1, said),), (kind,))
    return (await river.journal.append(Group([unit], urgent=urgent))).won[0]


def _rest_ms(story: LaneStory, breaker: Breaker, now_ms: int) -> int | None:
    """How long nothing can change by the mere passing of time."""
    match breaker.state:
        case "open":
            return max(breaker.next_ms(now_ms) - now_ms, 1)
        case "half_open":  # its probes are what it waits for, once it is given some
            return None if story.share else max(story.shifted_ms + OPEN_MS - now_ms, TEND_MS)
        case "closed":
            if story.share == WHOLE:
                return None
            return max(story.shifted_ms + BACK_MS - now_ms, TEND_MS)


def _doubt(story: LaneStory, breaker: Breaker, now_ms: int) -> None:
    """A lane that another process gave up, or this one in an earlier life, is probed here too."""
    if story.share < WHOLE and story.shifted_ms > breaker.closed_ms and not _climbing(story):
        breaker.doubt(now_ms)


def _climbing(story: LaneStory) -> bool:
    return story.shifted is not None and story.shifted.reason == "back"


def next_share(story: LaneStory, breaker: Breaker, now_ms: int) -> int | None:
    """The percent of its weight that a lane should carry now; None: as it does."""
    since_ms = now_ms - story.shifted_ms
    match breaker.state:
        case "open":
            return 0 if story.share else None
        case "half_open":
            return TRIAL_SHARE if not story.share and since_ms >= OPEN_MS else None
        case "closed":
            if story.share == WHOLE or (since_ms < BACK_MS and story.share):
                return None
            return next(step for step in BACK if step > story.share)


def _shifted(
    lanes: Lanes, name: str, share: int, breaker: Breaker, loads: Mapping[str, int]
) -> e.Shifted:
    if share == 0:
        others = others_of(lanes, lanes[name])
        return e.Shifted(
            lane=name,
            share=0,
            reason=breaker.why,
            calls=breaker.calls,
            errors=breaker.errors,
            per_s=sum(spare(lane, loads.get(lane.name, 0)) for lane in others) // 100,
            urgent_per_s=sum(lane.rate_per_s * lane.urgent_percent for lane in others) // 100,
            to=tuple(lane.name for lane in others),
        )
    was = lanes.standing(name)
    if share == WHOLE:
        return e.Shifted(lane=name, share=share, reason="whole")
    return e.Shifted(
        lane=name,
        share=share,
        reason="trial" if share == TRIAL_SHARE else "back",
        per_s=was.per_s,
        urgent_per_s=was.urgent_per_s,
    )


def others_of(lanes: Lanes, lane: Lane) -> list[Lane]:
    """The lanes that could carry what ``lane`` does, and are well."""
    found = {
        other.name: other
        for carrier in lane.carriers
        for other in lanes.serving(lane.channel, carrier)
        if other.name != lane.name
        and not lanes.is_paused(other.name)
        and lanes.standing(other.name).share == WHOLE
    }
    return list(found.values())


def spare(lane: Lane, load_per_s: int) -> int:
    """Hundredths a second that may move to a lane which makes so many calls now."""
    normal = lane.rate_per_s * (100 - lane.urgent_percent) // 100
    least = normal * SPARE_MIN_PERCENT // 100
    return max(normal - load_per_s, least, 1) * MOVED_PERCENT


def _take_up(river: River, name: str, story: LaneStory) -> None:
    """What was just journalled holds here at once, and elsewhere within a second."""
    lanes = river.documents.lanes
    if lanes.standing(name) != story.standing:
        standings = {**lanes.standings, name: story.standing}
        river.documents = river.documents._replace(lanes=lanes.with_standings(standings))


# What waits for it --------------------------------------------------------------------------------


def paused_per_s(lanes: Lanes, name: str, urgent: bool) -> int:
    """How many move a second while an operator keeps a lane paused: the others' loads are not asked
    for, so no more than what they always have to spare. Of urgent ones, all that they may carry."""
    others = others_of(lanes, lanes[name])
    if urgent:
        return sum(lane.rate_per_s * lane.urgent_percent for lane in others) // 100
    return max(sum(spare(lane, lane.rate_per_s) for lane in others) // 100, min(len(others), 1))


async def stop_wording(river: River, name: str, notice: str, code: str) -> None:
    """Journal that the wording in force of a notice does not go by this lane again. One that was
    removed meanwhile has none: its last legs went out as they had been decided."""
    if notice not in river.documents.wordings:
        return
    wording = river.documents.wordings[notice].name
    said = e.WordingStopped(lane=name, notice=notice, wording=wording, code=code)
    while True:
        story = await story_of(river.journal, name)
        if (notice, wording) in story.stopped:
            return
        if await _went_on(river, name, story, said, urgent=False):
            story.stopped.add((notice, wording))
            _take_up(river, name, story)
            return


async def shift(
    river: River, name: str, waiting: Sequence[Dispatch], most: int, fixed: set[Key]
) -> set[Key]:
    """Decide up to ``most`` again, so that they go by other lanes; the records seen to. What was
    ever handed over without an answer stays, and is added to ``fixed``, which is not looked at;
    and so does what no other lane serves."""
    lanes = river.documents.lanes
    may = (r for r in waiting if key_of(r) not in fixed and _has_another(lanes, name, r))
    some = list(islice(may, min(most, SHIFT_MAX)))
    if not some:
        return set()
    rows = await river.journal.read([r.stream for r in some])
    states = {s: state_of(told) for s, told in rows.items()}
    ready = {r.stream: states[r.stream] for r in some if _is_ready(states.get(r.stream), r)}
    fixed |= {(stream, state.version) for stream, state in ready.items() if state.unknown}
    moving = {stream: state for stream, state in ready.items() if not state.unknown}
    staying = fixed | await _move(river, name, moving)
    gone = {key_of(r) for r in some} - staying
    await resume_streams(river, sorted({stream for stream, _ in gone}))
    return gone


def key_of(record: Dispatch) -> Key:
    """What tells a record from an older one of the same message."""
    return record.stream, record.version


async def _move(river: River, name: str, moving: Mapping[bytes, State]) -> set[Key]:
    """Journal where these go instead; those that have no other way after all."""
    ground = await background(river, [s.head for s in moving.values() if s.head])
    now_ms = river.clock.now_ms()
    away = NO_HISTORY._replace(avoid=frozenset({name}))
    units: list[Unit] = []
    staying: set[Key] = set()
    for stream, state in moving.items():
        assert state.head is not None
        known = ground.people.get(state.head.recipient)
        event = ground.events.get(state.head.event)
        judged = judge(river, same_leg(state, stream, SHIFTED, away), known, event, now_ms)
        if judged.verdict.lane == name:
            staying.add((stream, state.version))
        else:
            units.append(judged.unit)
    if units:  # a choice made meanwhile took the version of what was ready: its unit loses here
        await river.journal.append(Group(units))
    return staying


def _has_another(lanes: Lanes, name: str, record: Dispatch) -> bool:
    """Whether a lane that is well could take it."""
    ways = lanes.ways(record.channel, record.carrier, frozenset({name}))
    return any(lanes.standing(lane).share for lane in ways.lanes)


def _is_ready(state: State | None, record: Dispatch) -> bool:
    """Nothing has happened since it was put here."""
    return state is not None and state.status is Status.READY and state.version == record.version
