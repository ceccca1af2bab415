"""The flow: one event a recipient, from an upstream system over Kafka to the receipt and the page.

Method: everybody is registered first, and that is not counted. Then an upstream system in a process
of its own brings all events as fast as it can, while every worker works. A rate is of the flow: it
counts until 99 % of what is delivered in the end stands as delivered in the projection; the last
retries and late receipts, seconds after the rest, are not its business. CPU is read when the last
row moved.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from bench.cluster.accounts import spent
from bench.cluster.bed import CARRIERS, POLL_S, STILL_S, TOLD_S, Bed, Upstream, say, shown
from bench.cluster.lines import BROKER, NOWHERE, SERVER, Samples, between, per_line
from bench.cluster.upstream import Sent

MOST = 0.99

MEMORY_S = 10
"""Between two looks at the server's memory, which cost it a few milliseconds each."""


STUCK_S = 180
"""Nothing that is due in a flow takes so long: what still waits then will wait for ever."""


class Flow(msgspec.Struct, kw_only=True):
    """What one run measured. ``us`` is CPU µs a notification by process; the hub's, the broker's
    and the server's add up to ``us_total``; upstream's and the carrier's are apart."""

    events: int
    notifications: int
    delivered: int
    delivered_share: float
    seconds: float
    per_second: float
    us_total: float
    us: dict[str, float]
    upstream_us: float
    carrier_us: float
    memory_mb: dict[str, float]
    bytes: dict[str, float]
    """On disk a notification: the database; its log, as it was ever written; Kafka's."""


class Lines(msgspec.Struct, kw_only=True):
    """CPU µs a notification by the lines of the design. ``attributed`` is the share of the workers'
    CPU that a line claims; ``us`` is that of each process, without the sampler's own."""

    events: int
    lines: dict[str, float]
    attributed: float
    us: dict[str, float]


class Moment(NamedTuple):
    """How far the flow was, once."""

    at_s: float
    head: int
    projected: int
    counts: dict[str, int]
    waiting: int


def measure(bed: Bed, count: int) -> Flow:
    disk, before = bed.disk(), bed.readings()
    with bed.upstream(kind="mix", count=count) as upstream:
        watch = Watch(bed, upstream, bed.stands)
        start_s = time.monotonic()
        upstream.go()
        watch.until_still()
        sent = upstream.sent()
    return _flow(bed, watch, sent, before, disk, start_s)


def _flow(
    bed: Bed, watch: "Watch", sent: Sent, before: dict[str, int], disk: dict[str, int],
    start_s: float,
) -> Flow:  # fmt: skip
    assert sent.lost == 0, f"{sent.lost} events were not acknowledged"
    gained = watch.gained()
    notifications, delivered = sum(gained.values()), gained.get("delivered", 0)
    us = spent(before, watch.readings, notifications)
    carrier_us = sum(us.pop(name, 0.0) for name in CARRIERS)
    seconds = watch.reached_s("delivered", MOST * delivered) - start_s
    now = bed.disk()
    memory = {**bed.memory_mb(), "postgres": watch.server_mb}
    n = max(notifications, 1)
    return Flow(
        events=sent.sent,
        notifications=notifications,
        delivered=delivered,
        delivered_share=delivered / n,
        seconds=seconds,
        per_second=notifications / seconds,
        us_total=sum(us.values()),
        us=us,
        upstream_us=sent.us,
        carrier_us=carrier_us,
        memory_mb=memory,
        bytes={name: (now[name] - disk[name]) / n for name in disk},
    )


def by_line(bed: Bed, count: int) -> Lines:
    """The same with every worker under the sampler: it costs a little, so it is another run."""
    with bed.sampled() as tables:

        def look() -> dict[str, Samples]:
            return {name: msgspec.json.decode(file.read_bytes()) for name, file in tables.items()}

        before, seen = bed.readings(), look()
        with bed.upstream(kind="mix", count=count) as upstream:
            watch = Watch(bed, upstream, bed.stands, look)
            upstream.go()
            watch.until_still()
            assert upstream.sent().lost == 0
    notifications = sum(watch.gained().values())
    us = spent(before, watch.readings, notifications)
    for name in CARRIERS:
        us.pop(name, None)
    workers = {name: between(seen[name], after) for name, after in watch.beside.items()}
    us |= {name: sum(found.values()) / notifications for name, found in workers.items()}
    found = per_line([*workers.values()], notifications)
    nowhere = found.pop(NOWHERE)
    server = {BROKER: us["kafka"], SERVER: us["postgres"]}
    attributed = 1 - nowhere / sum(us[name] for name in workers)
    return Lines(events=count, lines={**found, **server}, attributed=attributed, us=us)


class Watch:
    """Looks at a flow until nothing moves any more. ``count`` says how many legs are where, by any
    name. ``readings`` and ``beside`` (what ``look`` answered) are those of the last moment at which
    something moved."""

    def __init__(
        self,
        bed: Bed,
        upstream: Upstream,
        count: Callable[[], dict[str, int]],
        look: Callable[[], dict[str, Samples]] = dict,
    ) -> None:
        self._bed = bed
        self._upstream = upstream
        self._count = count
        self._look = look
        self._first = count()
        self._moments: list[Moment] = []
        self._memory_s = 0.0
        self.server_mb = 0.0
        self.readings: dict[str, int] = {}
        self.beside: dict[str, Samples] = {}

    def until_still(self) -> None:
        told_s = moved_s = time.monotonic()
        while True:
            now = self._moment()
            if not self._moments or now[1:4] != self._moments[-1][1:4]:
                moved_s = now.at_s
                self._moments.append(now)
                self.readings, self.beside = self._bed.readings(), self._look()
            elif now.at_s - moved_s > STILL_S and self._is_done(now):
                return
            elif now.at_s - moved_s > STUCK_S:
                raise RuntimeError(f"nothing moves, and it is not over: {now}")
            if now.at_s - told_s > TOLD_S:
                told_s = now.at_s
                say(f"  {now.waiting:,} wait on topics; {shown(self.gained())}")
            if now.at_s - self._memory_s > MEMORY_S:
                self._memory_s = now.at_s
                self.server_mb = max(self.server_mb, self._bed.memory_mb()["postgres"])
            time.sleep(POLL_S)

    def gained(self) -> dict[str, int]:
        """Legs by name since it began."""
        if not self._moments:
            return {}
        counts = self._moments[-1].counts
        return {name: n - self._first.get(name, 0) for name, n in counts.items()}

    def reached_s(self, name: str, count: float) -> float:
        """When there were so many more than at first."""
        goal = self._first.get(name, 0) + count
        return next(m.at_s for m in self._moments if m.counts.get(name, 0) >= goal)

    def _moment(self) -> Moment:
        bed = self._bed
        bed.look_after()
        waiting = bed.waiting()
        return Moment(time.monotonic(), bed.head(), bed.projected(), self._count(), waiting)

    def _is_done(self, now: Moment) -> bool:
        return not (self._upstream.busy or now.waiting) and now.projected == now.head
