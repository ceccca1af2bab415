"""What if the words were others: the messages of one notice made again from the archived events,
with draft wording. Nothing is sent, and nothing is written.

*Before* is what was sent, unsealed; *after* is the draft, filled with the same event. A person's
name is today's, for the profile of then is not kept; whose key was destroyed, or whose event was
removed from the archive, cannot be told again and is counted as gone.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from preferences.recipient import Recipient
from streams.core import codec
from streams.core.events import Escalated, Head, Released, Route, Routed
from streams.core.gathering import History
from streams.core.notices import Upstream
from streams.core.routing_facts import Facts
from streams.journal.base import JournalStore, Row
from streams.pipeline.deciding import Background, Leg, background, context
from streams.pipeline.river import River, open_content, state_of
from templates.catalog_files import parse_folder
from templates.errors import RenderRefused, WordingError
from templates.lint import Finding, lint
from templates.notice import signer
from templates.values import INLINE, check_data
from templates.wording_versions import canonical, load_wording

PAGE = 500
"""Rows held in memory at once, with their texts."""

DRAFT = 0
"""The version of words that were never published."""

_ROUTED = {t.__name__ for t in (Routed, Released, Escalated)}


class Text(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a channel carries."""

    text: str
    subject: str = ""
    html: str = ""
    segments: int = 0


class Reworded(msgspec.Struct, frozen=True):
    """One message and what it would say. ``after`` is None where the draft cannot say it;
    ``refused`` tells why, without repeating a value."""

    stream: str
    version: int
    at_ms: int
    channel: str
    language: str
    before: Text
    after: Text | None
    refused: str = ""


class Summary(msgspec.Struct, frozen=True):
    """The result. ``refused`` counts messages the draft could not make, by what it said;
    the segments are those of the messages that could be made both times."""

    notice: str
    findings: list[Finding]
    messages: int
    same: int
    changed: int
    refused: dict[str, int]
    gone: int
    segments_before: int
    segments_after: int


class _Made(NamedTuple):
    """A row that made a message."""

    row: Row
    route: Route
    facts: Facts


class Rewording:
    """One walk over the journal: take the pages of what reads otherwise, then the summary."""

    def __init__(
        self, river: River, store: JournalStore, notice: str, files: Mapping[str, str],
        since_ms: int = 0,
    ) -> None:  # fmt: skip
        """``files`` are the draft folder's texts by name. One that cannot be read at all is
        answered by its findings, and no message is made."""
        self._river = river
        self._store = store
        self._notice = notice
        self._since_ms = since_ms
        self._findings = lint(notice, files, river.documents.catalog.senders)
        self._count: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        self.head = store.head()
        self.pos = 0
        """Up to where it has walked, of ``head``."""
        try:
            self._draft = parse_folder(notice, canonical(files))
            self._wording = load_wording(notice, files, DRAFT)
        except WordingError:
            self.pos = self.head

    async def pages(self) -> AsyncIterator[list[Reworded]]:
        """What reads otherwise or cannot be said, page by page of the journal."""
        while self.pos < self.head:
            limit = min(PAGE, self.head - self.pos)
            rows = await asyncio.to_thread(self._store.since, self.pos, limit)
            if not rows:
                return
            self.pos = rows[-1].pos
            made = [m for row in rows if (m := self._made(row)) is not None]
            yield await self._again(made) if made else []

    def summary(self) -> Summary:
        count = self._count
        return Summary(
            notice=self._notice,
            findings=self._findings,
            messages=count["messages"],
            same=count["same"],
            changed=count["changed"],
            refused=dict(self._refused.most_common()),
            gone=count["gone"],
            segments_before=count["before"],
            segments_after=count["after"],
        )

    def _made(self, row: Row) -> _Made | None:
        if row.at_ms < self._since_ms or row.type.partition(".")[0] not in _ROUTED:
            return None
        event = codec.decode(row.type, row.data)
        assert isinstance(event, Routed | Released | Escalated)
        if event.facts.notice != self._notice:
            return None
        return _Made(row, event.route, event.facts)

    async def _again(self, made: Sequence[_Made]) -> list[Reworded]:
        histories = await self._river.journal.read(list({m.row.stream for m in made}))
        heads = {s: head for s, rows in histories.items() if (head := state_of(rows).head)}
        ground = await background(self._river, heads.values())
        told = (self._message(m, heads[m.row.stream], ground) for m in made)
        return [one for one in told if one is not None]

    def _message(self, made: _Made, head: Head, ground: Background) -> Reworded | None:
        row, route, facts = made
        self._count["messages"] += 1
        known, event = ground.people.get(head.recipient), ground.events.get(head.event)
        if known is None or known.recipient is None or event is None:
            self._count["gone"] += 1
            return None
        sent = open_content(known.key, route.sealed, row.stream)
        before = Text(sent.text, sent.subject, sent.html, route.segments)
        tried = frozenset(c.channel for c in facts.channels if c.tried)
        leg = Leg(row.stream, head, None, History(tried=tried))
        after = self._say(route, leg, known.recipient, event)
        told = Reworded(
            row.stream.hex(), row.version, row.at_ms, route.channel, route.language, before, None
        )  # fmt: skip
        if isinstance(after, str):
            self._refused[after] += 1
            return msgspec.structs.replace(told, refused=after)
        self._count["before"] += before.segments
        self._count["after"] += after.segments
        self._count["same" if after == before else "changed"] += 1
        return None if after == before else msgspec.structs.replace(told, after=after)

    def _say(self, route: Route, leg: Leg, who: Recipient, event: Upstream) -> Text | str:
        """The message in the draft's words, or why it cannot be said."""
        if refused := self._unreadable(event.type, event.data):
            return refused
        documents, notice = self._river.documents, self._draft.notice
        values = context(leg, who, notice, event)
        sender = signer(notice, documents.catalog.senders, event.data)
        try:
            said = self._wording.render(route.channel, route.language, values, sender)
        except RenderRefused as error:
            return str(error)
        return Text(said.text, said.subject, said.html, said.segments)

    def _unreadable(self, kind: str, data: Mapping[str, object]) -> str:
        """What the draft's own declaration would not take of an event that came in before."""
        declared = self._draft.events.get(kind)
        if declared is None:
            return f"{kind}: is no trigger of the draft"
        said = {name: value for name, value in data.items() if name != INLINE}
        for fault in check_data(declared, said):
            return f"data.{fault.field}: expected {fault.expected}"
        return ""
