"""One death and what comes after it, for any bed: report, die, start again, settle.

Upstream reports until the point is passed; what was not acknowledged it reports again to the next
process. Then time is moved on, from one thing that falls due to the next, until nothing is left.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from hub.clock import Rehearsal
from streams.core.lifecycle import Status
from streams.core.policy import DAY_MS, HOUR_MS
from streams.journal.base import Store
from tests.crash.books import Books
from tests.crash.upstream import START_MS, Reported, Upstream

FACTOR = 5.0
"""A carrier's second takes a fifth; a call's deadline is still two seconds, for a busy machine."""

CHUNK = 20
"""Events reported together."""

CHUNKS_MAX = 100
"""Reported before the point has to be passed: ten times what it takes."""

AFTERWARDS = 3
"""Chunks reported to whoever comes after."""

DAYLIGHT_H = 8
"""After the morning's ten o'clock: a load that begins later would wait for the next one."""

DEADLINE_S = 90
"""Hardly ever more than a few: a step waits for nothing but other processes of this machine."""

QUIET_S = 0.4
"""What stood still for so long waits for nothing but the clock. A slow answer comes sooner, which
may be all that is missing where the receipt was faster."""

KILLED = -9


class Hub(Protocol):
    """A hub whose process dies at a point."""

    ledger: Path

    @property
    def store(self) -> Store: ...

    def start(self, failpoint: str = "") -> None: ...

    def bring(self, events: Sequence[Reported]) -> bool: ...

    @property
    def died(self) -> int | None: ...

    @property
    def log(self) -> str: ...


class Director:
    """Makes time pass for everybody who looks at ``clock``."""

    def __init__(self, clock: Path) -> None:
        self._file = clock
        Rehearsal.set(clock, START_MS, FACTOR)
        self._clock = Rehearsal(clock)

    def now_ms(self) -> int:
        return self._clock.now_ms()

    def move_to(self, ms: int) -> None:
        """Never back: whoever sleeps would sleep until then once more."""
        Rehearsal.set(self._file, max(ms, self.now_ms()), FACTOR)

    def begin_by_day(self) -> None:
        """Be far from quiet hours."""
        passed_h = (self.now_ms() - START_MS) // HOUR_MS % 24
        if passed_h >= DAYLIGHT_H:
            self.move_to(self.now_ms() + (24 - passed_h) * HOUR_MS)


def die_and_recover(
    hub: Hub,
    failpoint: str,
    upstream: Upstream,
    director: Director,
    size: int = CHUNK,
    kept: type[Books] = Books,
) -> list[str]:
    """What is wrong with the books afterwards, which are ``kept`` as the carrier keeps its ledger.
    ``size`` events are reported together."""
    hub.start(failpoint)
    books = kept(hub.store, hub.ledger, [], hub.store.head())

    def report(repeated: Sequence[Reported] = ()) -> list[Reported]:
        """The next chunk; those of it that were not acknowledged."""
        chunk = [*repeated, *upstream.report(size, director.now_ms())]
        if not hub.bring(chunk):
            return chunk
        books.accepted += chunk
        return []

    unanswered: list[Reported] = []
    for _ in range(CHUNKS_MAX):
        unanswered = report()
        if unanswered:
            wait_until(lambda: hub.died is not None, "the end of a process that does not answer")
        else:
            wait_until(lambda: hub.died is not None or not _missing(books), "a chunk to be routed")
        if hub.died is not None:
            break
    assert hub.died == KILLED, f"{failpoint} was never passed"
    assert hub.log.endswith(f"died at {failpoint}\n")

    hub.start()
    assert hub.bring(books.accepted[-size:])  # the answer may have been lost on its way
    assert report(unanswered) == []
    for _ in range(AFTERWARDS):
        assert report() == []
    settle(books, director)
    return books.faults()


def settle(books: Books, director: Director, but: frozenset[Status] = frozenset()) -> None:
    """Wait until nothing is left to come, moving time on where only that helps. Legs that stand at
    ``but`` are not waited for."""
    stood, since_s = -1, time.monotonic()

    def settled() -> bool:
        nonlocal stood, since_s
        pos = books.read_on()
        if pos != stood:
            stood, since_s = pos, time.monotonic()
        if time.monotonic() - since_s < QUIET_S:
            return False
        if not books.unsettled(but) and not books.missing():
            return not books.behind()
        if due_ms := books.next_due_ms(but):
            assert due_ms < director.now_ms() + DAY_MS, "something waits for another day"
            director.move_to(due_ms)
            since_s = time.monotonic()
        return False

    wait_until(settled, "everything to settle", lambda: str(books))


def _missing(books: Books) -> bool:
    books.read_on()
    return bool(books.missing())


def wait_until(true: Callable[[], bool], what: str, said: Callable[[], str] = str) -> None:
    """``said`` is what there is to say when it was in vain."""
    deadline_s = time.monotonic() + DEADLINE_S
    while not true():
        assert time.monotonic() < deadline_s, f"waited {DEADLINE_S} s for {what}: {said()}"
        time.sleep(0.02)
