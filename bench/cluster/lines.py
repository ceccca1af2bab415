"""Which line of the design's sum of CPU a moment belongs to. Pure.

A moment is the stack of a thread. Walking it from the inside out, the first function that the
table knows decides; so what the driver or the cipher does counts for whoever asked for it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

KAFKA = "Kafka hops"
CODEC = "codec and the door's checks"
READS = "look-up reads"
DECIDE = "decide and render"
SEALING = "sealing"
JOURNAL = "journal"
LOOKUPS = "look-up rows"
MERKLE = "Merkle"
CARRIER = "carrier line"
RECEIPTS = "receipt join"
PROJECTIONS = "projections"
GLUE = "glue"
BROKER = "(broker)"
SERVER = "(database server)"

LINES = (
    KAFKA, CODEC, READS, DECIDE, SEALING, JOURNAL, LOOKUPS, MERKLE, CARRIER, RECEIPTS,
    PROJECTIONS, GLUE,
)  # fmt: skip
"""Of the hub's own processes, in the order of the design."""

NOWHERE = "nowhere"
"""What no line knows: measured, and not attributed."""

TOTAL = "total"

PASSED = ""
"""In the table: done for whoever calls it."""

TABLE: dict[str, str] = {
    # what goes over the topics
    "aiokafka": KAFKA,
    "faust": KAFKA,
    "mode": KAFKA,
    "kafka": KAFKA,
    "streams.slices": KAFKA,
    "streams.partition": KAFKA,
    "streams.partitioner": KAFKA,
    "streams.kafka_bed": KAFKA,
    "streams.kafka_topics": KAFKA,
    "streams.outcomes:Teller._records": KAFKA,
    "streams.pipeline.resuming:publish_routed": KAFKA,
    "streams.pipeline.dispatch:_queue_again": KAFKA,
    # bytes to values and back
    "streams.core.codec": CODEC,
    "streams.door": CODEC,
    "streams.event_record": CODEC,
    "templates.values": CODEC,
    "templates.links": CODEC,
    "streams.pipeline.route:_admit": CODEC,
    "streams.pipeline.route:_examined": CODEC,
    "streams.pipeline.river:entry": CODEC,
    "streams.pipeline.river:encode_dispatch": CODEC,
    "streams.pipeline.river:decode_dispatch": CODEC,
    # what is asked of the database
    "streams.journal.postgres_reads": READS,
    "streams.journal.postgres_reads:Reads.since": PROJECTIONS,
    "streams.journal.postgres_reads:Reads.versions": JOURNAL,
    "streams.journal.postgres_reads:Reads.archive_keys": JOURNAL,
    "streams.journal.postgres:PostgresStore._reading": READS,
    "streams.journal.asked:AskedStore.read": READS,
    "streams.journal.asked:AskedStore.lookup": READS,
    "streams.journal.asked:AskedStore.lookups_since": READS,
    "streams.journal.asked:AskedStore.page": READS,
    "streams.journal.asked:AskedStore.counts": READS,
    "streams.journal.asked:AskedStore.archived": READS,
    "streams.journal.asked:AskedStore.since": PROJECTIONS,
    "streams.people": READS,
    "preferences.addresses": READS,
    "preferences.store": READS,
    "streams.pipeline.repeats": READS,
    "streams.pipeline.route:_find": READS,
    "streams.pipeline.route:_look": READS,
    "streams.pipeline.route:_late_findings": READS,
    "streams.pipeline.route:_replace_older": READS,
    "streams.pipeline.stopping": READS,
    "streams.pipeline.caps": READS,
    # what is to be said, and whether
    "streams.core": DECIDE,
    "streams.core.identity": PASSED,
    "streams.core.lifecycle": PASSED,
    "streams.pipeline.deciding": DECIDE,
    "streams.pipeline.route": DECIDE,
    "templates": DECIDE,
    "preferences": DECIDE,
    "channels.carriers": DECIDE,
    "jinja2": DECIDE,
    # keys
    "preferences.vault": SEALING,
    "cryptography": SEALING,
    "streams.pipeline.river:seal_content": SEALING,
    "streams.pipeline.river:open_content": SEALING,
    # rows
    "streams.journal": JOURNAL,
    "streams.postgres": JOURNAL,
    "streams.group_writer": JOURNAL,
    "streams.patience": JOURNAL,
    "streams.lane_owner": JOURNAL,
    "streams.journal.postgres_rows:lookup_rows": LOOKUPS,
    "streams.journal.proof": MERKLE,
    # who carries
    "channels": CARRIER,
    "streams.pipeline.dispatch": CARRIER,
    "streams.pipeline.dispatch:_accepted": LOOKUPS,
    "streams.pipeline.receive": RECEIPTS,
    "streams.pipeline.answers": RECEIPTS,
    # who follows
    "streams.projections": PROJECTIONS,
    "streams.journal.projections": PROJECTIONS,
    "streams.outcomes": PROJECTIONS,
    # what holds it together
    "streams.pipeline": GLUE,
    "streams.documents": GLUE,
    "streams.sweeps": GLUE,
    "hub": GLUE,
    "hub.clock": PASSED,
}
"""``module`` or ``module:function``, the function with the class it is defined in; a module stands
for those inside it, and the longest name decides."""

LOOPS = ("asyncio", "concurrent", "threading")
"""Whoever runs the rest: glue, where nothing else is on the stack."""

COPIED = "streams.postgres:insert_rows"
"""Rows of every table go through this one; what it is told to insert into decides."""

TABLES: dict[str, str] = {"lookup": LOOKUPS}
"""By the table's name; of any other they are the journal's."""

Frame = tuple[str, str, str]
"""Module, function with its class, and for :data:`COPIED` the table, else ""."""


def line_of(stack: Iterable[Frame]) -> str:
    """The line of a stack, the innermost function first."""
    found = NOWHERE
    for module, function, table in stack:
        if table:
            return TABLES.get(table, JOURNAL)
        if line := _known(module, function):
            return line
        if module.partition(".")[0] in LOOPS:
            found = GLUE
    return found


@cache
def _known(module: str, function: str) -> str:
    """What the table says of a function; nothing when it does not know it, or passes over it."""
    name = f"{module}:{function.partition('.<locals>')[0]}"
    if name in TABLE:
        return TABLE[name]
    while module:
        if module in TABLE:
            return TABLE[module]
        module = module.rpartition(".")[0]
    return PASSED


Samples = Mapping[str, Mapping[str, float]]
"""Of each thread of a process: CPU µs seen at a line, and under ``TOTAL`` all that it spent."""


def between(before: Samples, after: Samples) -> dict[str, float]:
    """CPU µs by line between two looks at a process: what was seen of each thread stands for all
    that it spent. A thread that was never seen at work spent it nowhere."""
    found: Counter[str] = Counter()
    for thread, samples in after.items():
        earlier = before.get(thread, {})
        gained = {line: us - earlier.get(line, 0.0) for line, us in samples.items()}
        total = gained.pop(TOTAL)
        seen = sum(gained.values())
        for line, us in gained.items() if seen else [(NOWHERE, 1.0)]:
            found[line] += total * us / (seen or 1.0)  # type: ignore[assignment]
    return dict(found)


def per_line(processes: Sequence[Mapping[str, float]], count: int) -> dict[str, float]:
    """CPU µs for each of ``count``, line by line, of several processes."""
    return {
        line: sum(one.get(line, 0.0) for one in processes) / max(count, 1)
        for line in (*LINES, NOWHERE)
    }
