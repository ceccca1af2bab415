"""Growth: what a notification costs when ten million are journalled, against when one million is.

Method: the same flow twice on one machine, with millions written between them (`prefill`). Before
each the server does its housekeeping for what was written, and a smaller flow warms everything.
"""

import shutil

import msgspec

from bench.cluster import flow
from bench.cluster.bed import Bed, say
from bench.cluster.prefill import Writer

WARM = 4
"""A flow is preceded by one of a fourth of its size, which is not counted."""

ROOM = 1.2
SPARE_BYTES = 8 << 30
"""What is needed beside the rows: the server's log, Kafka's, and the flows themselves."""


class Growth(msgspec.Struct, kw_only=True):
    """CPU µs a notification with so many journalled; ``database_mb`` is then on disk."""

    journalled: tuple[int, int]
    us_total: tuple[float, float]
    us: tuple[dict[str, float], dict[str, float]]
    database_mb: tuple[float, float]
    ratio: float


def measure(bed: Bed, base: int, grown: int, count: int) -> Growth:
    flow.measure(bed, max(count // WARM, 1))  # what is written is made of this
    writer = Writer(bed, grown)
    empty = bed.disk()["database"]
    found, sizes = [], []
    for goal in (base, grown):
        if writer.written:
            _refuse_large(bed, empty, writer.written, goal)
        with bed.without():
            writer.write(goal - writer.written)
            bed.tidy()
        say(f"  {writer.written:,} are journalled; a flow of {count:,}")
        flow.measure(bed, max(count // WARM, 1))
        found.append(flow.measure(bed, count))
        sizes.append(bed.disk()["database"] / 1e6)
    before, after = found
    return Growth(
        journalled=(base, grown),
        us_total=(before.us_total, after.us_total),
        us=(before.us, after.us),
        database_mb=(sizes[0], sizes[1]),
        ratio=after.us_total / before.us_total,
    )


def _refuse_large(bed: Bed, empty: int, written: int, goal: int) -> None:
    """Raises SystemExit where the disk is too small for the rest; what one takes is known now."""
    each = (bed.disk()["database"] - empty) / written
    needed = each * (goal - written) * ROOM + SPARE_BYTES
    free = shutil.disk_usage(bed.cluster.folder).free
    say(f"  {each:,.0f} bytes each; {needed / 1e9:.1f} GB needed, {free / 1e9:.1f} GB free")
    if free < needed:
        raise SystemExit(
            f"{goal:,} journalled notifications need {needed / 1e9:.0f} GB more in"
            f" {bed.cluster.folder.parent}, and {free / 1e9:.0f} GB are free: choose another"
            " --folder, or fewer with --grown"
        )
