"""Sample traffic: upstream events of the six services at whatever pace they are asked for."""

import heapq
from collections.abc import Iterable, Iterator
from datetime import datetime
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from hub.sample_cases import WEIGHTS, Scene, Step
from hub.sample_people import People, Sampled
from streams.door import REGISTERED

SOURCE = "/sample"

_BEIJING = ZoneInfo("Asia/Shanghai")
_KINDS, _SHARES = list(WEIGHTS), list(WEIGHTS.values())
_encode = msgspec.json.Encoder().encode


class Sample:
    """Endless cases of ``people``; the same calls bring the same events.

    ``run`` is in every event's id, so that another run is another story.
    """

    def __init__(self, people: People, seed: int, run: str) -> None:
        self._people = people
        self._dice = Random(seed)
        self._run = run
        self._cases = 0
        self._events = 0
        self._coming: list[tuple[int, int, Step]] = []

    def take(self, now_ms: int, count: int) -> list[bytes]:
        """The next events: what is due of the cases under way, then of new ones."""
        events: list[bytes] = []
        while len(events) < count:
            while not self._coming or self._coming[0][0] > now_ms:
                self._begin(now_ms)
            events.append(self._event(heapq.heappop(self._coming)[2], now_ms))
        return events

    def rest(self, now_ms: int) -> Iterator[bytes]:
        """What is due of the cases under way, and no new case."""
        while self._coming and self._coming[0][0] <= now_ms:
            yield self._event(heapq.heappop(self._coming)[2], now_ms)

    def _begin(self, now_ms: int) -> None:
        kind = self._dice.choices(_KINDS, _SHARES)[0]
        self._cases += 1
        for step in kind(Scene(self._dice, self._people, now_ms, self._cases)):
            self._events += 1
            heapq.heappush(self._coming, (now_ms + step.after_ms, self._events, step))

    def _event(self, step: Step, now_ms: int) -> bytes:
        self._events += 1
        event_id = f"{self._run}-{self._events}"
        return structured(SOURCE, event_id, step.type, now_ms, step.subject, step.data)


def registrations(people: Iterable[Sampled], now_ms: int) -> Iterator[bytes]:
    """How the sample recipients come in: as events, like everybody."""
    for one in people:
        yield structured(SOURCE, one.ref, REGISTERED, now_ms, one.ref, one.registration)


def structured(
    source: str, event_id: str, type_: str, now_ms: int, subject: str, data: dict[str, Any]
) -> bytes:
    """A CloudEvent as upstream systems send it."""
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": event_id,
        "source": source,
        "type": type_,
        "time": datetime.fromtimestamp(now_ms / 1000, _BEIJING).isoformat(timespec="milliseconds"),
        "data": data,
    }
    if subject:
        event["subject"] = subject
    return _encode(event)
