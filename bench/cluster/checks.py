"""Whether journal, archive and projections agree once a flow is over, and nobody was told twice."""

import time
from collections.abc import Callable
from itertools import islice

import msgspec
from sqlalchemy import text

from bench.cluster.bed import Bed, say
from bench.smpp_peer import Counts
from channels.sandbox import duplicates, read_ledger
from hub.folder import LEDGER
from streams.postgres import Names
from streams.recount import counted, folded
from streams.upstream_client import event_key

KEYS_AT_ONCE = 10_000

_ARCHIVED = (
    "SELECT count(*) FROM unnest(%s) AS each (name) CROSS JOIN LATERAL"
    " (SELECT FROM archive_key WHERE shard = 0 AND key = name OFFSET 0) AS found"
)


_ACCEPTED = text("SELECT data FROM journal WHERE shard = 0 AND type LIKE 'Accepted.%'")


class _Accepted(msgspec.Struct):
    ref: str


class Checked(msgspec.Struct, kw_only=True):
    """What was found. ``faults`` are of the chain; ``seconds`` is how long each check took."""

    events: int
    archived: int
    quarantined: int
    legs: int
    projections_equal: bool
    faults: list[str]
    sent_twice: int
    parts: int = 0
    """Of texts, that the journal holds as accepted by the gateway."""
    gateway: Counts | None = None
    """What it counted itself; None where the sandbox carried."""
    seconds: dict[str, float]

    def wrong(self) -> list[str]:
        """A sentence for each thing that is not as it must be."""
        sentences = {
            f"{self.events - self.archived:,} events are not archived": self.archived
            != self.events,
            f"{self.quarantined:,} events are in quarantine": self.quarantined > 0,
            "the projections do not count what the journal holds": not self.projections_equal,
            f"the chain has {len(self.faults)} faults, first: {self.faults[:1]}": bool(self.faults),
            f"{self.sent_twice} messages were taken twice": self.sent_twice > 0,
        }
        if self.gateway is not None:
            taken, acknowledged = self.gateway.taken, self.gateway.acknowledged
            sentences |= {
                f"the gateway took {taken:,} parts, the journal holds {self.parts:,} as accepted": (
                    taken != self.parts
                ),
                f"of {taken:,} receipts the hub acknowledged {acknowledged:,}": (
                    acknowledged != taken
                ),
            }
        return [sentence for sentence, holds in sentences.items() if holds]


def check(bed: Bed) -> Checked:
    """Reads the whole journal: minutes for a million. Nothing may be on its way."""
    seconds: dict[str, float] = {}

    def timed(name: str, ask: Callable[[], object]) -> None:
        start_s = time.monotonic()
        found[name] = ask()
        seconds[name] = time.monotonic() - start_s
        say(f"  {name}: {seconds[name]:.1f} s")

    found: dict[str, object] = {}
    timed("archive", lambda: _archived(bed))
    timed("recount", lambda: _recounted(bed))
    timed("verify", lambda: [*islice(bed.store.verify(), 10)])
    ledger = bed.settings.data_dir / LEDGER
    timed("ledger", lambda: len(duplicates(read_ledger(ledger))))
    timed("parts", lambda: _accepted_parts(bed) if bed.gateway else 0)
    legs, equal = found["recount"]  # type: ignore[misc]
    quarantined = bed.rows("SELECT count(*) FROM quarantine_item")[0][0]
    return Checked(
        events=bed.numbered,
        archived=found["archive"],  # type: ignore[arg-type]
        quarantined=int(quarantined),
        legs=legs,
        projections_equal=equal,
        faults=found["verify"],  # type: ignore[arg-type]
        sent_twice=found["ledger"],  # type: ignore[arg-type]
        parts=found["parts"],  # type: ignore[arg-type]
        gateway=bed.gateway.counts() if bed.gateway else None,
        seconds=seconds,
    )


def _archived(bed: Bed) -> int:
    """How many of all events that were brought are in the archive."""
    names = (event_key("bench", f"e{number}") for number in range(bed.numbered))
    count = 0
    with bed.store.readers.connect() as connection:
        while keys := list(islice(names, KEYS_AT_ONCE)):
            asked = Names(map(bytes.fromhex, keys))
            count += connection.exec_driver_sql(_ARCHIVED, (asked,)).scalar_one()
    return count


def _recounted(bed: Bed) -> tuple[int, bool]:
    """Legs that the journal holds, and whether the projection counts the same."""
    legs = folded(bed.store)
    with bed.store.readers.connect() as connection:
        return legs.total(), legs == counted(connection)


def _accepted_parts(bed: Bed) -> int:
    """A text is accepted under the references of all its parts."""
    decode = msgspec.json.Decoder(_Accepted).decode
    with bed.store.readers.connect() as connection:
        rows = connection.execution_options(yield_per=KEYS_AT_ONCE).execute(_ACCEPTED)
        return sum(len(decode(data).ref.split()) for (data,) in rows)
