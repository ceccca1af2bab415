"""An upstream system as a process of its own, which brings events over Kafka.

    python -m bench.cluster.upstream '{"brokers": …, "clock": …, "kind": "mix", "count": 1000, …}'

It says ``ready``, waits for a line on its input, and sends: plain CloudEvents by the client for
upstream systems, each stamped with the time it is sent at. At the end it says what it did, as
JSON.
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from bench.world import Shapes, shapes
from hub.clock import Rehearsal
from streams.core.notices import urgent_types
from streams.upstream_client import Placed, UpstreamClient
from templates.catalog_files import read_catalog

TURN_S = 0.01
"""A paced system sends what is due so often."""

Kind = Literal["mix", "bulletins", "warnings"]

NOTICES: dict[Kind, tuple[tuple[str, int], ...]] = {
    "bulletins": (("fire-safety-tip", 1),),
    "warnings": (("weather-warning", 1),),
}
"""What a kind of upstream tells of; the mix is of the services, as `bench.world` has it."""


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """``first`` is the number of its first event: no two runs share one. ``per_second`` 0: as fast
    as it can."""

    brokers: str
    clock: str
    kind: Kind
    first: int
    count: int
    recipients: int
    per_second: float = 0.0


class Sent(msgspec.Struct, frozen=True):
    """When it sent its first and last event, by the rehearsal's clock; what was not acknowledged;
    its CPU."""

    first_ms: int
    last_ms: int
    sent: int
    lost: int
    us: float


def main(orders: Orders) -> None:
    clock = Rehearsal(Path(orders.clock))
    made = shapes(*([NOTICES[orders.kind]] if orders.kind in NOTICES else []))
    with UpstreamClient(orders.brokers, urgent=urgent_types(read_catalog())) as client:
        print("ready", flush=True)
        sys.stdin.readline()
        start_s = time.process_time()
        first_ms = clock.now_ms()
        lost = 0
        for answer in client.publish(_events(orders, made, clock)):
            lost += not isinstance(answer, Placed)
        us = (time.process_time() - start_s) * 1e6 / max(orders.count, 1)
    print(msgspec.json.encode(Sent(first_ms, clock.now_ms(), orders.count, lost, us)).decode())


def _events(orders: Orders, made: Shapes, clock: Rehearsal) -> Iterator[bytes]:
    numbers = range(orders.first, orders.first + orders.count)
    for number in _paced(numbers, orders.per_second):
        case = orders.first if orders.kind == "warnings" else number
        yield made.event(number, f"B{number % orders.recipients}", clock.now_ms(), case)


def _paced(numbers: range, per_second: float) -> Iterator[int]:
    """Each number when it is due."""
    if not per_second:
        yield from numbers
        return
    start_s = time.monotonic()
    for done, number in enumerate(numbers):
        while (ahead_s := done / per_second - (time.monotonic() - start_s)) > 0:
            time.sleep(max(ahead_s, TURN_S))
        yield number


if __name__ == "__main__":
    main(msgspec.json.decode(sys.argv[1], type=Orders))
