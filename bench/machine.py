"""The machine, as every result names it: what it is, and how fast it was while that was measured.

A shared machine is not as fast today as yesterday: the same commit has cost 360 and 610 µs a
notification within a day, and so had everything else that ran. So each result has a yardstick
beside it, the CPU of work that never changes. Figures of different days compare by what they are
of their yardsticks.
"""

import os
import platform
import time
from collections import Counter
from hashlib import blake2b
from statistics import median
from typing import Any

import msgspec

TURNS = 5_000
"""In one round: some 50 ms, far above the clock's grain and below a scheduler's patience."""

ROUNDS = 9

_EVENT = {
    "id": "0123456789abcdef", "source": "yardstick", "type": "a.type.of.event.v1",
    "data": {"plate": "闽A12345", "at": "2026-11-24T10:00:00+08:00", "points": 3, "fine": 20000},
}  # fmt: skip


def yardstick_us() -> float:
    """CPU µs of one turn of it: the median of its rounds."""
    return median(_round_us() for _ in range(ROUNDS))


def described(before_us: float) -> dict[str, Any]:
    """What a result says of its machine. ``before_us``: the yardstick before it was measured."""
    return {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "yardstick_us": [round(before_us, 2), round(yardstick_us(), 2)],
    }


def _round_us() -> float:
    encode, decode = msgspec.json.Encoder().encode, msgspec.json.Decoder().decode
    start = time.process_time()
    counted: Counter[tuple[str, int]] = Counter()
    for turn in range(TURNS):
        read = decode(encode(_EVENT))
        name = blake2b(f"{read['id']}:{turn}".encode(), key=b"yardstick", digest_size=16).digest()
        words = {key: str(value) for key, value in read["data"].items()}
        counted[words["plate"], name[0]] += len(words)
    assert sum(counted.values()) == TURNS * len(_EVENT["data"])
    return (time.process_time() - start) * 1e6 / TURNS
