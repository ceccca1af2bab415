"""Which message somebody answered: the one their provider names, else the last that went to them.

A number that a message was sent from may name the message; carriers use such numbers again, so that
a name counts only where the message went to whoever writes now.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from channels.base import Reply
from preferences.vault import SubjectKey
from streams.core import events as e
from streams.core.codec import decode
from streams.journal.base import Row
from streams.pipeline.river import River, open_content
from templates.notice import ChannelName

LOOKED_AT = 200
"""Notifications of one recipient that are looked at for the last message, the newest first: more
than anybody is sent between a message and the answer to it."""

ANSWER = "hub.reply.answered.v1"
"""The hub's own event that asks for an answer to a reply."""


class Answered(NamedTuple):
    """The notification that was answered, and when which lane was handed the message."""

    stream: bytes
    head: e.Head
    lane: str
    at_ms: int
    route: e.Route


async def answered(
    river: River, reply: Reply, channel: ChannelName, refs: Sequence[str]
) -> Answered | None:
    """The message that ``reply`` is about; None where none went to that address. ``refs`` are
    those who registered it."""
    return await _named(river, reply, channel) or await _last(river, reply, channel, refs)


async def _named(river: River, reply: Reply, channel: ChannelName) -> Answered | None:
    stream = _stream_of(reply.attempt)
    if stream is None:
        return None
    rows = (await river.journal.read([stream])).get(stream, [])
    return await _reaching(river, reply, _handed(river, stream, rows, channel))


async def _last(
    river: River, reply: Reply, channel: ChannelName, refs: Sequence[str]
) -> Answered | None:
    """By the lane that brings the reply before all others: with several numbers, people answer
    the one they were written to from."""
    keys = [(river.index.recipient(ref), b"") for ref in refs]
    found = await river.journal.lookup(keys) if keys else {}
    streams = sorted({s for hits in found.values() for s in hits}, reverse=True)[:LOOKED_AT]
    if not streams:
        return None
    sent = [
        one
        for stream, rows in (await river.journal.read(streams)).items()
        for one in _handed(river, stream, rows, channel)
        if one.at_ms <= reply.at_ms
    ]
    return await _reaching(river, reply, sent)


def _handed(
    river: River, stream: bytes, rows: Sequence[Row], channel: ChannelName
) -> Iterator[Answered]:
    """The messages of a leg that were handed over by this channel. An answer of ours is none that
    anybody means when they write "stop"."""
    head: e.Head | None = None
    route: e.Route | None = None
    ours = {notice.id for notice in river.documents.catalog.triggered_by(ANSWER)}
    for row in rows:
        event = decode(row.type, row.data)
        head = getattr(event, "head", None) or head
        route = getattr(event, "route", None) or route
        if head is None or head.notice in ours:
            continue
        if isinstance(event, e.AttemptIntended) and route and route.channel == channel:
            yield Answered(stream, head, event.lane, row.at_ms, route)


async def _reaching(
    river: River, reply: Reply, sent: Sequence[Answered] | Iterator[Answered]
) -> Answered | None:
    """The last of these messages that went to whoever writes."""
    in_order = sorted(sent, key=lambda x: (x.lane == reply.lane, x.at_ms, x.stream), reverse=True)
    keys = await river.people.keys(sorted({one.head.recipient for one in in_order}))
    for one in in_order:
        known = keys.get(one.head.recipient)
        if known is not None and _went_to(known.key, one, reply.source):
            return one
    return None


def _went_to(key: SubjectKey, one: Answered, address: str) -> bool:
    to = open_content(key, one.route.sealed, one.stream).to
    return to.casefold() == address.casefold()


def _stream_of(attempt: str) -> bytes | None:
    """The stream that an attempt's name begins with; None where it is no such name."""
    try:
        return bytes.fromhex(attempt.partition(":")[0]) or None
    except ValueError:
        return None
