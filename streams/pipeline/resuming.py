"""What every step does that meets a conflict or a duplicate: see to what the state still needs.

Records are rebuilt from the journal, never from a fresh decision. No provider is called from here.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from streams.core import events as e
from streams.core.lifecycle import State, resume
from streams.core.notices import URGENT
from streams.journal.base import Group, Timer, Unit
from streams.pipeline.deciding import RELEASE
from streams.pipeline.river import River, dispatch_of, encode_dispatch, state_of
from streams.topics import Record, dispatch_topic


async def resume_streams(river: River, streams: Sequence[bytes]) -> None:
    """Publish what is ready, make sure that what waits has its timer."""
    if not streams:
        return
    rows = await river.journal.read(streams)
    await resume_states(river, {s: state_of(r) for s, r in rows.items()})


async def resume_states(river: River, states: dict[bytes, State]) -> None:
    """The same for states already folded."""
    timers: list[Timer] = []
    ready: list[tuple[bytes, State]] = []
    for stream, state in states.items():
        need = resume(state, river.documents.policy)
        if need.kind == "timer":
            timers.append(Timer(need.due_ms, stream, RELEASE))
        elif need.kind == "publish":
            ready.append((stream, state))
    if timers:
        await river.journal.append(Group([Unit((), (), tuple(timers))]))
    await publish_states(river, ready)


async def publish_states(river: River, ready: Iterable[tuple[bytes, State]]) -> None:
    """Put the record of each ready stream on its lane's topic."""
    batches: dict[str, list[Record]] = defaultdict(list)
    for stream, state in ready:
        assert state.head is not None and state.route is not None
        _add(batches, stream, state.version, state.head, state.route)
    if batches:
        await river.topics.publish(batches)


async def publish_routed(river: River, routed: Iterable[tuple[bytes, e.Routed]]) -> None:
    """The same for legs that were routed at once and have just been committed."""
    batches: dict[str, list[Record]] = defaultdict(list)
    for stream, event in routed:
        _add(batches, stream, 1, event.head, event.route)
    if batches:
        await river.topics.publish(batches)


def _add(
    batches: dict[str, list[Record]], stream: bytes, version: int, head: e.Head, route: e.Route
) -> None:
    record = dispatch_of(stream, version, head, route)
    topic = dispatch_topic(route.lane, head.cls in URGENT)
    batches[topic].append(Record(head.recipient.encode(), encode_dispatch(record)))
