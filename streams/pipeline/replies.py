"""serve_replies(batch): what people wrote back is kept, done, answered and told.

One word stops a category, starts what was stopped, or asks for help; anything else belongs to the
case it answers, where operators and the upstream system find it. The words, what was done about
them and the choice they are stand in one transaction: a stop that is on record holds, and one that
holds is on record. Then the answer is asked for, as an event of the hub's own that ends like any
other; the record is acknowledged last.

Whoever answers by machine writes no word of ours as a rule, and gets no answer; where one does,
:data:`ANSWERS_AN_HOUR` ends it.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal, NamedTuple

import msgspec

from channels.base import Reply
from preferences.changes import SwitchCategory
from preferences.fault import Fault
from preferences.keywords import keyword
from preferences.recipient import Preferences
from preferences.vault import SealBroken, SubjectKey
from streams.core import events as e
from streams.core.codec import Refusal, decode, encode_event
from streams.core.gathering import CONTACT_OF
from streams.core.policy import HOUR_MS, MINUTE_MS
from streams.door import examine
from streams.event_record import seal_event
from streams.journal.base import Entry, Group, Lookup, Reader, Row, Unit
from streams.pipeline.answered import ANSWER, Answered, answered
from streams.pipeline.choosing import (
    Erased,
    after_choice,
    choices_stream,
    chosen,
    is_suppressed,
    keeping,
    offer_of,
    reach_again,
)
from streams.pipeline.quarantining import quarantined
from streams.pipeline.river import Known, River, entry
from streams.pipeline.stopping import redecide_open
from streams.topics import EVENTS, INBOUND, Record
from templates.notice import LANGUAGES, ChannelName

ANSWERS_AN_HOUR = 3
"""To one number: a person who stops, changes their mind and asks for help gets every answer; two
machines that talk to each other fall silent."""

REPEAT_MS = 10 * MINUTE_MS
"""A carrier that did not hear our acknowledgement brings the same words again within minutes, and
some give them no id."""

SUBJECT_MAX = 60
"""Characters of what an answer says was stopped, as its event declares them."""

UNNAMED = {"zh": "通知", "en": "message"}
"""What stands there where no notice is meant, or none of that name is left."""

SOURCE = "/hub/replies"
"""Who says that an answer is due."""

BY = "reply"
"""Who chose it, as the history of somebody's choices names it."""

UNKNOWN = Refusal("source", "a number or address that somebody registered")
UNREADABLE = Refusal("reply", "a reply as this hub's own workers write it")


class Written(msgspec.Struct, frozen=True, array_like=True):
    """What is sealed of a reply: the words, from where and where to, and the event that asks for
    the answer (empty: none is due)."""

    text: str
    source: str
    to: str
    answer: bytes = b""


class _Done(NamedTuple):
    """What a reply leads to: the name of it, the preferences after it, and the choices that make
    them so."""

    name: Literal["passed_on", "stopped", "kept", "started", "nothing", "helped"]
    categories: tuple[str, ...] = ()
    after: Preferences | None = None
    choices: tuple[SwitchCategory, ...] = ()
    about: tuple[str, ...] = ()
    """The notices that the answer names."""


_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Written).decode
_decode = msgspec.msgpack.Decoder(Reply).decode


async def serve_replies(river: River, records: Sequence[Record]) -> None:
    """Serve one batch of the inbound topic. The caller acknowledges it when this returns."""
    due: list[Record] = []
    for record in records:
        try:
            reply = _decode(river.hub_key.open(record.value, INBOUND.encode()))
        except (SealBroken, msgspec.MsgspecError):
            await _set_aside(river, record.value, record.value, UNREADABLE)
            continue
        asked = await _take(river, reply)
        if asked is not None:
            due.append(asked)
    if due:
        await river.topics.publish({EVENTS: due})


async def is_known(river: River, reply: Reply) -> bool:
    """Whether there is anybody whose reply this may be."""
    channel = channel_of(river, reply.lane)
    refs = await river.people.find(CONTACT_OF[channel], reply.source)
    return bool(refs) or await answered(river, reply, channel, refs) is not None


def channel_of(river: River, lane: str) -> ChannelName:
    """The channel of a lane; of one that has left the lanes file since, that of texts."""
    lanes = river.documents.lanes
    return lanes[lane].channel if lane in lanes else "sms"


def open_written(key: SubjectKey, event: e.ReplyReceived) -> Written:
    """The words of a journalled reply."""
    return _unpack(key.open(event.sealed, event.reply))


async def _take(river: River, reply: Reply) -> Record | None:
    """Journal one reply, with what it leads to; the record that asks for its answer, if any."""
    channel = channel_of(river, reply.lane)
    name = _name(river, reply)
    while True:
        refs = await river.people.find(CONTACT_OF[channel], reply.source)
        message = await answered(river, reply, channel, refs)
        ref = message.head.recipient if message else next(iter(refs), "")
        stream = choices_stream(ref)
        rows = (await river.journal.read([stream])).get(stream, []) if ref else []
        # read after the rows: whoever chooses meanwhile takes the version
        known = (await river.people.load([ref])).get(ref) if ref else None
        if known is None:
            raw = msgspec.json.encode(reply)
            await _set_aside(river, name, raw, UNKNOWN)
            return None
        earlier = _earlier(rows)
        kind = CONTACT_OF[channel]
        if known.recipient and is_suppressed(known.recipient, kind, reply.source):
            await reach_again(river, kind, reply.source, BY)  # whoever writes from it has it
        if again := _again(known, earlier, reply, name, message):
            return _asking(river, ref, open_written(known.key, again))
        try:
            return await _append(river, reply, name, channel, message, known, rows, earlier)
        except _Overtaken:
            continue


class _Overtaken(Exception):  # noqa: N818 - named for what happened
    """Somebody else wrote first, or the recipient was erased: read again."""


def _name(river: River, reply: Reply) -> bytes:
    told = (reply.ref,) if reply.ref else (reply.text, str(reply.at_ms))
    return river.index.reply(reply.lane, reply.source, *told)


def _earlier(rows: Sequence[Row]) -> list[e.ReplyReceived]:
    """What this recipient wrote before, in order."""
    events = (decode(row.type, row.data) for row in rows if row.type.startswith("ReplyReceived."))
    return [event for event in events if isinstance(event, e.ReplyReceived)]


def _again(
    known: Known,
    earlier: Sequence[e.ReplyReceived],
    reply: Reply,
    name: bytes,
    message: Answered | None,
) -> e.ReplyReceived | None:
    """The same reply as it is journalled already. Without an id of its provider's, it is one that
    said the same of the same message on the same lane minutes ago, with no word in between that
    asked for something else: a stop after a start is a stop, however soon."""
    for event in earlier:
        if event.reply == name:
            return event
    if reply.ref:
        return None
    about = message.stream if message else b""
    asked = keyword(reply.text)
    for event in reversed(earlier):
        if reply.at_ms - event.written_ms > REPEAT_MS:
            return None
        same = (event.lane, event.answers, event.asked) == (reply.lane, about, asked)
        if same and open_written(known.key, event).text == reply.text:
            return event
        if asked and event.asked not in ("", asked):
            return None
    return None


async def _append(
    river: River, reply: Reply, name: bytes, channel: ChannelName, message: Answered | None,
    known: Known, rows: Sequence[Row], earlier: Sequence[e.ReplyReceived],
) -> Record | None:  # fmt: skip
    """Write it at the version it was judged at, and have what is still open decided again."""
    now_ms = river.clock.now_ms()
    done = _judge(river, known.preferences, reply, message, earlier, now_ms)
    asking = _answer(river, reply, name, channel, known.ref, message, done, earlier)
    written = Written(reply.text, reply.source, reply.to, asking)
    head = message.head if message else None
    event = e.ReplyReceived(
        reply=name, recipient=known.ref, lane=reply.lane, channel=channel,
        written_ms=reply.at_ms, sealed=known.key.seal(_pack(written), name),
        asked=keyword(reply.text), done=done.name, categories=done.categories,
        answers=message.stream if message else b"", event=head.event if head else b"",
        notice=head.notice if head else "", correlation=head.correlation if head else "",
        answered=bool(asking),
    )  # fmt: skip
    stream, version = choices_stream(known.ref), rows[-1].version + 1 if rows else 1
    entries: list[Entry] = [entry(stream, version, event)]
    for choice in done.choices:
        version += 1
        entries.append(entry(stream, version, chosen(known.ref, choice, BY, known.key)))
    lookups = [Lookup(name, b"", stream)]
    if event.correlation:
        case = river.index.case(event.correlation)
        lookups.append(Lookup(case, river.index.NOTED, stream))
    effects = (keeping(river, known.ref, done.after),) if done.after else ()

    def look(reader: Reader) -> Sequence[Unit]:
        return redecide_open(river, reader, [known.ref], now_ms)

    unit = Unit(tuple(entries), tuple(lookups), effects=effects)
    try:
        committed = await river.journal.append(Group([unit], look=look if done.after else None))
    except Erased:
        raise _Overtaken from None
    if not committed.won[0]:
        raise _Overtaken
    return _asking(river, known.ref, written)


# What a word does --------------------------------------------------------------------------------


def _judge(
    river: River, before: Preferences, reply: Reply, message: Answered | None,
    earlier: Sequence[e.ReplyReceived], now_ms: int,
) -> _Done:  # fmt: skip
    """What the words ask for, and what can be done about it."""
    match keyword(reply.text):
        case "stop":
            if message is None:
                return _Done("nothing")
            category, about = message.head.category, message.head.notice
            if category in offer_of(river.documents).kept:
                return _Done("kept", (category,), about=(about,))
            return _switched(river, before, "stopped", (category,), (about,), now_ms)
        case "start":
            stopped = _stopped(earlier)
            if not stopped:
                return _Done("nothing")
            titles = tuple(stopped.values())
            return _switched(river, before, "started", tuple(stopped), titles, now_ms)
        case "help":
            return _Done("helped")
        case _:
            return _Done("passed_on")


def _switched(
    river: River, before: Preferences, name: Literal["stopped", "started"],
    categories: tuple[str, ...], about: tuple[str, ...], now_ms: int,
) -> _Done:  # fmt: skip
    """Every channel of these categories switched off, or on again. Said once more it changes
    nothing, and is on record all the same."""
    offer, after = offer_of(river.documents), before
    choices: list[SwitchCategory] = []
    for category in categories:
        choice = SwitchCategory(category, "*", on=name == "started")
        changed = after_choice(after, choice, offer, now_ms)
        if isinstance(changed, Fault):  # no notice is of this category any more
            return _Done("nothing")
        if changed is not after:
            after = changed
            choices.append(choice)
    return _Done(name, categories, after if choices else None, tuple(choices), about)


def _stopped(earlier: Sequence[e.ReplyReceived]) -> dict[str, str]:
    """The categories that words have stopped and none has started since, with the notice that was
    answered each time."""
    stopped: dict[str, str] = {}
    for event in earlier:
        if event.done == "stopped":
            stopped.update(dict.fromkeys(event.categories, event.notice))
        elif event.done == "started":
            stopped.clear()
    return stopped


# The answer --------------------------------------------------------------------------------------


def _answer(
    river: River, reply: Reply, name: bytes, channel: ChannelName, ref: str,
    message: Answered | None, done: _Done, earlier: Sequence[e.ReplyReceived],
) -> bytes:  # fmt: skip
    """The event that asks for the answer; empty where none is given: to words that are no request,
    in a catalog that has no answer for this channel, and to who was answered often enough."""
    since_ms = reply.at_ms - HOUR_MS
    lately = sum(event.answered and event.written_ms > since_ms for event in earlier)
    catalog = river.documents.catalog
    told = [notice for notice in catalog.triggered_by(ANSWER) if channel in notice.channels]
    if done.name == "passed_on" or not told or lately >= ANSWERS_AN_HOUR:
        return b""
    notice = catalog.notices.get(message.head.notice) if message else None
    data = {
        "channel": channel,
        "done": done.name,
        **{f"subject_{language}": _titles(river, done.about, language) for language in LANGUAGES},
    }
    if notice is not None:
        data["sender"] = notice.sender
    data.update({one.contact_field: reply.source for one in told if one.contact_field})
    event = e.Event(
        specversion="1.0", id=name.hex(), source=SOURCE, type=ANSWER, subject=ref,
        time=datetime.fromtimestamp(reply.at_ms / 1000, UTC).isoformat(),
        data=msgspec.Raw(msgspec.json.encode(data)),
    )  # fmt: skip
    return encode_event(event)


def _titles(river: River, notices: Sequence[str], language: str) -> str:
    """What these notices are called, as far as there is room."""
    known = river.documents.catalog.notices
    titles = [known[name].title[language] for name in dict.fromkeys(notices) if name in known]
    while titles and len("、".join(titles)) > SUBJECT_MAX:
        titles.pop()
    return "、".join(titles) or UNNAMED[language]


def _asking(river: River, ref: str, written: Written) -> Record | None:
    """The record that asks for the answer, as it was decided then; again and again the same."""
    if not written.answer:
        return None
    documents = river.documents
    now_ms = river.clock.now_ms()
    read = examine(written.answer, documents.catalog, documents.hosts, river.vault.digest, now_ms)
    if isinstance(read, Refusal):  # the catalog has changed since: nobody waits for it any more
        return None
    return Record(ref.encode(), seal_event(river.hub_key, read, documents.rules))


# What belongs to nobody --------------------------------------------------------------------------


async def _set_aside(river: River, name: bytes, raw: bytes, why: Refusal) -> None:
    await river.journal.append(Group([quarantined(river, raw, INBOUND, why, name=name)]))
