"""reconcile(unknowns): before an unknown attempt is given up, its provider is asked what it has.

Most unknowns are made out by a report that names the attempt. Where that was lost too, a provider
that can be asked is asked once, when the horizon has come; what it has and no other attempt has is
the attempt. Nothing is created by asking, and a provider that does not answer has nothing found.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from channels.base import Accepted
from channels.finding import Finder, Match, Sought
from streams.core.lifecycle import State, Status
from streams.journal.base import Row
from streams.pipeline.answers import Answer, record_answers
from streams.pipeline.river import River, open_content

ASK_S = 10
"""All that is asked at one tick is answered by then, or counts as not found: timers wait for it."""


class _Asked(NamedTuple):
    """One attempt, and whom to ask."""

    stream: bytes
    attempt: int
    finder: Finder
    sought: Sought


async def reconcile(
    river: River, rows: Mapping[bytes, Sequence[Row]], states: Mapping[bytes, State]
) -> set[bytes]:
    """Ask about those of these streams whose attempt is unknown and can be asked about; the
    streams that were told something, which must be read again."""
    unknown = {s: state for s, state in states.items() if state.status is Status.UNKNOWN}
    if not unknown or not river.finders:
        return set()
    asked = await _asked(river, rows, unknown)
    matches = await _ask(asked)
    refs = [(a.sought.lane, m.ref) for a, found in zip(asked, matches, strict=True) for m in found]
    taken = await _of_others(river, refs)
    answers: list[Answer] = []
    for one, found in zip(asked, matches, strict=True):
        lane = one.sought.lane
        match = next((m for m in found if (lane, m.ref) not in taken), None)
        if match is None:
            continue
        taken.add((lane, match.ref))
        answers.append(Answer(one.stream, one.attempt, Accepted(match.ref), lane))
        if match.report is not None:
            answers.append(Answer(one.stream, one.attempt, match.report, lane))
    await record_answers(river, answers)
    return {answer.stream for answer in answers}


async def _asked(
    river: River, rows: Mapping[bytes, Sequence[Row]], unknown: Mapping[bytes, State]
) -> list[_Asked]:
    """What to ask for; nothing where the recipient was erased, or the lane's provider is deaf."""
    lanes = river.documents.lanes
    people = await river.people.keys(sorted({x.head.recipient for x in unknown.values() if x.head}))
    asked = []
    for stream, state in unknown.items():
        head, route = state.head, state.route
        assert head is not None and route is not None
        finder = river.finders.get(lanes[route.lane].provider) if route.lane in lanes else None
        known = people.get(head.recipient)
        if finder is None or known is None:
            continue
        content = open_content(known.key, route.sealed, stream)
        since_ms = next(r.at_ms for r in rows[stream] if r.version == state.attempt)
        name = f"{stream.hex()}:{state.attempt}"
        sought = Sought(route.lane, name, content.to, content.text, since_ms, state.call_before_ms)
        asked.append(_Asked(stream, state.attempt, finder, sought))
    return asked


async def _ask(asked: Sequence[_Asked]) -> list[Sequence[Match]]:
    """What each provider has, as far as they answer in time."""
    tasks = [asyncio.create_task(_find(one)) for one in asked]
    if tasks:
        _, late = await asyncio.wait(tasks, timeout=ASK_S)
        for task in late:
            task.cancel()
    return [task.result() if task.done() else () for task in tasks]


async def _find(one: _Asked) -> Sequence[Match]:
    return await one.finder.find(one.sought)


async def _of_others(river: River, refs: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
    """Which of these references an attempt in the journal has already."""
    keys = {(river.index.provider_ref(lane, ref), b""): (lane, ref) for lane, ref in refs}
    found = await river.journal.lookup(list(keys)) if keys else {}
    return {keys[key] for key, streams in found.items() if streams}
