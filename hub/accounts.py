"""The accounts of a whole run: is every notification there, once, and was nobody told twice?

Everything is counted from what is kept: the archive of events, the journal, the carrier's ledger.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from channels.sandbox import duplicates, read_ledger
from hub.bootstrap import Hub
from streams.archive import open_archived
from streams.core import events as e
from streams.core.codec import decode
from streams.core.notices import Upstream, matching, plan, recipients
from streams.core.policy import Policy
from streams.journal.base import Archived, Row
from streams.pipeline.river import Known, River, state_of

PAGE = 2_000
"""Rows read at once."""


def repeated(hub: Hub, ledger: Path) -> int:
    """How often a carrier took a message again, of the classes and channels where a message whose
    fate is unknown is never repeated."""
    policy = hub.river.documents.policy
    twice = duplicates(read_ledger(ledger))
    streams = {bytes.fromhex(stream) for stream, _ in twice}
    classes = {
        stream: head.cls
        for stream, rows in hub.store.read(list(streams)).items()
        if (head := state_of(rows).head)
    }
    return sum(
        times - 1
        for (stream, channel), times in twice.items()
        if not _may_repeat(policy, classes[bytes.fromhex(stream)], channel)
    )


def _may_repeat(policy: Policy, cls: str, channel: str) -> bool:
    return any(
        name == cls and channel in rule.resend_unknown for name, rule in policy.classes.items()
    )


async def unaccounted(hub: Hub) -> int:
    """Notifications the archived events ask for and the journal has not, and those it has that no
    event asked for. Recipients are taken as they are registered now."""
    asked: set[bytes] = set()
    for rows in _archive(hub):
        asked |= await _planned(hub.river, rows)
    return len(asked ^ {row.stream for row in _rows(hub) if _begins(row)})


def _archive(hub: Hub) -> Iterator[list[Archived]]:
    number = 0
    while found := hub.store.archive_since(number, PAGE):
        number = found[-1][0]
        yield [row for _, row in found]


def _rows(hub: Hub) -> Iterator[Row]:
    pos = 0
    while found := hub.store.since(pos, PAGE):
        pos = found[-1].pos
        yield from found


def _begins(row: Row) -> bool:
    """Whether a row is the first of a leg."""
    if row.version != 1:
        return False
    event = decode(row.type, row.data)
    return isinstance(event, e.Routed | e.Held | e.Suppressed) and event.head is not None


async def _planned(river: River, rows: Sequence[Archived]) -> set[bytes]:
    people = await river.people.load(list({row.recipient for row in rows if row.recipient}))
    keys = {ref: known.key for ref, known in people.items()}
    catalog = river.documents.catalog
    opened = (
        (row, open_archived(row, keys.get(row.recipient), river.hub_key, catalog)) for row in rows
    )
    return {
        stream
        for row, event in opened
        if event
        for stream in _legs(river, event, people.get(row.recipient))
    }


def _legs(river: River, event: Upstream, subject: Known | None) -> Iterator[bytes]:
    who = subject.recipient if subject else None
    for notice in matching(event, river.documents.catalog):
        refs = recipients(notice, event, who)
        profile = who.profile if who else None
        for leg in plan(event, notice, refs, river.documents.policy, profile):
            yield leg.stream
