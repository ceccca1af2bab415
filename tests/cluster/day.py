"""A sample day in a file, for `hub publish`: who there is, then what happened to them."""

import time
from pathlib import Path

from hub.sample import Sample, registrations
from hub.sample_people import People

PEOPLE = 1_000
EVENTS = 5_000
SEED = 1

STEP_MS = 15 * 60_000
STEPS = 96
"""A day ends now. What followed within it has followed; the rest never happens."""


def write_day(file: Path) -> None:
    """Write it. Another file, another day: the events of two are never the same."""
    now_ms = int(time.time() * 1000)
    begin_ms = now_ms - STEPS * STEP_MS
    people = People(PEOPLE, SEED)
    sample = Sample(people, SEED, f"{now_ms:x}")
    with file.open("wb") as out:
        out.writelines(line + b"\n" for line in registrations(people, begin_ms))
        for step in range(1, STEPS + 1):
            events = sample.take(begin_ms + step * STEP_MS, EVENTS // STEPS)
            out.writelines(line + b"\n" for line in events)
