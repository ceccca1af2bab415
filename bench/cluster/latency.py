"""Latency: how long after its event a message is accepted, while the hub does half of what it can.

Method: an upstream system sends at a steady pace; each event carries the time it is sent at, by the
clock that all processes share. An acceptance carries the time its commit began.
"""

import msgspec

from bench.cluster.bed import Bed
from bench.cluster.flow import Watch
from bench.cluster.waits import Waits, accepted, waits


class Latency(msgspec.Struct, kw_only=True):
    events: int
    per_second: float
    decided: Waits
    accepted: Waits


def measure(bed: Bed, count: int, per_second: float) -> Latency:
    with bed.upstream(kind="mix", count=count, per_second=per_second) as upstream:
        watch = Watch(bed, upstream, bed.stands)
        since_ms = bed.clock.now_ms()
        upstream.go()
        watch.until_still()
        sent = upstream.sent()
    assert sent.lost == 0, f"{sent.lost} events were not acknowledged"
    found = [*accepted(bed, since_ms)]
    return Latency(
        events=count,
        per_second=count / ((sent.last_ms - sent.first_ms) / 1000),
        decided=waits([one.decided_ms for one in found]),
        accepted=waits([one.accepted_ms for one in found]),
    )
