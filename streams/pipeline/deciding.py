"""One decision and the event that records it: shared by every step that decides.

The facts are gathered, :func:`streams.core.routing.decide` answers, and where the answer is *send*
the message is rendered and sealed. What a verdict is called depends on where the leg stands: the
same *send* opens a stream (Routed), releases a held one (Released) or tries the next channel
(Escalated).
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from preferences.recipient import Recipient
from preferences.rules import local_day
from streams.archive import open_archived
from streams.core import events as e
from streams.core.gathering import NO_HISTORY, History, contact_for, gather
from streams.core.lifecycle import State, Status, moved
from streams.core.notices import Upstream, days_left
from streams.core.policy import MINUTE_MS
from streams.core.routing import Verdict, decide, window_end_ms
from streams.core.routing_facts import Facts
from streams.journal.base import Lookup, Timer, Unit
from streams.pipeline.river import Content, Documents, Known, River, entry, seal_content
from templates.errors import RenderRefused
from templates.notice import ChannelName, Notice, Sender, signer

RELEASE = "release"
"""The one kind of timer whose stream is looked at as a whole when it fires."""

UNFIT = "content_refused"
"""The reason when a message cannot be rendered: nothing half-right is sent, and editors see it."""

REMOVED = "notice_removed"
"""The reason when the catalog has no such notice any more: what it would say, and by which
channels, is nowhere declared."""

BEHIND_MS = 10 * MINUTE_MS
"""A notice that a process does not know may be a new one: what is published reaches the others in a
second or two, what comes with a new version when they are started anew. Longer than both."""

REDECIDE = "redecide"
"""Set when a recipient's choices changed: decide again although nothing is due."""


class Background(NamedTuple):
    """What decisions about a batch of legs need: people by reference, event data by archive key."""

    people: Mapping[str, Known]
    events: Mapping[bytes, Upstream]


class Leg(NamedTuple):
    """A leg to decide on: an existing one (``state``) or a new one."""

    stream: bytes
    head: e.Head
    state: State | None = None
    history: History = NO_HISTORY
    failed: str = ""
    """Why the step before failed, when this decision answers a failure or a silence."""


class Judged(NamedTuple):
    """A decision: the unit that records it, the verdict, and the event in the unit's row."""

    unit: Unit
    verdict: Verdict
    event: e.Base


async def background(river: River, heads: Iterable[e.Head]) -> Background:
    """Load whom the legs are for, the archived events they come from, and whom these are about."""
    heads = list(heads)
    people = dict(await river.people.load(sorted({h.recipient for h in heads})))
    archived = await river.journal.archived(sorted({h.event for h in heads}))
    if subjects := {a.recipient for a in archived.values()} - people.keys() - {""}:
        people |= await river.people.load(sorted(subjects))
    events, catalog = {}, river.documents.catalog
    for key, row in archived.items():
        owner = people.get(row.recipient)
        opened = open_archived(row, owner.key if owner else None, river.hub_key, catalog)
        if opened is not None:
            events[key] = opened
    return Background(people, events)


def judge(
    river: River, leg: Leg, known: Known | None, event: Upstream | None, now_ms: int,
    given: bytes = b"",
) -> Judged:  # fmt: skip
    """Decide on one leg: the unit that records the decision at the leg's next version. ``given`` is
    the key of the event that opens it, where it is just being archived."""
    documents = river.documents
    notice = documents.catalog.notices.get(leg.head.notice)
    if notice is None:
        return _undeclared(river, leg, now_ms)
    who = known.recipient if known else None
    facts = gather(
        leg.head, notice, who, leg.history, documents.lanes, leg.stream, documents.language, now_ms,
        documents.wordings[notice.id].name, _wanted(notice, event),
    )  # fmt: skip
    verdict = decide(facts, documents.policy, now_ms)
    route = None
    if verdict.kind == "send":
        assert known is not None and who is not None
        try:
            route = _route(documents, leg, facts, verdict, known, who, notice, event, now_ms)
        except RenderRefused as refused:
            verdict = Verdict("suppress", f"{UNFIT}:{refused}", {})
    recorded = _recorded(leg, route, facts, verdict, documents.policy.version)
    timers: tuple[Timer, ...] = ()
    if verdict.kind == "hold":
        timers = (Timer(verdict.until_ms, leg.stream, RELEASE),)
    version = leg.state.version + 1 if leg.state else 1
    lookups = _lookups(river, leg, verdict, facts, now_ms)
    unit = Unit((entry(leg.stream, version, recorded),), lookups, timers, (), given)
    return Judged(unit, verdict, recorded)


def is_removed(river: River, state: State) -> bool:
    """Whether the notice of a leg was taken out of the catalog, and is not only new to this
    process."""
    assert state.head is not None
    known = state.head.notice in river.documents.catalog.notices
    return not known and river.clock.now_ms() >= state.opened_at_ms + BEHIND_MS


def _undeclared(river: River, leg: Leg, now_ms: int) -> Judged:
    """A leg whose notice is not in the catalog waits while this process may be behind, and then
    ends. No rule is asked; what an attempt came to is known, and is not taken back."""
    state = leg.state
    assert state is not None and state.facts is not None, "a leg is opened by a known notice"
    event: e.Base
    timers: tuple[Timer, ...] = ()
    verdict = Verdict("suppress", REMOVED, {})
    if not is_removed(river, state):
        until_ms = state.opened_at_ms + BEHIND_MS
        verdict = Verdict("hold", REMOVED, {}, until_ms=max(until_ms, now_ms))
        event = _recorded(leg, None, state.facts, verdict, river.documents.policy.version)
        timers = (Timer(verdict.until_ms, leg.stream, RELEASE),)
    elif state.unknown:
        event = e.Unconfirmed(attempt=state.attempt, reason=REMOVED, moved=_moved(leg))
    elif state.attempt:
        event = e.Failed(reason=REMOVED, moved=_moved(leg))
    else:
        event = e.Cancelled(reason=REMOVED, moved=_moved(leg))
    unit = Unit((entry(leg.stream, state.version + 1, event),), (), timers)
    return Judged(unit, verdict, event)


def _recorded(
    leg: Leg, route: e.Route | None, facts: Facts, verdict: Verdict, policy: int
) -> e.Base:
    """The event that this verdict is, for a leg that stands where this one does."""
    if route is not None:
        return _sending(leg, route, facts, verdict, policy)
    if verdict.kind == "hold":
        return e.Held(
            until_ms=verdict.until_ms,
            reason=verdict.reason,
            facts=facts,
            policy=policy,
            head=None if leg.state else leg.head,
            failed=_done_with(leg),
            moved=_moved(leg),
        )
    return _ending(leg, facts, verdict, policy)


def _sending(leg: Leg, route: e.Route, facts: Facts, verdict: Verdict, policy: int) -> e.Base:
    if leg.state is None:
        return e.Routed(
            head=leg.head, route=route, facts=facts, policy=policy, reason=verdict.reason
        )
    was = leg.state.route
    if leg.failed and was is not None and was.channel != route.channel:
        return e.Escalated(
            route=route, facts=facts, policy=policy, reason=leg.failed,
            after=leg.state.attempt, moved=_moved(leg),
        )  # fmt: skip
    return e.Released(
        route=route, facts=facts, policy=policy, reason=leg.failed or verdict.reason,
        moved=_moved(leg),
    )  # fmt: skip


def _done_with(leg: Leg) -> str:
    """Why the channel in use is not to be taken again when the wait is over; empty where it is."""
    route = leg.state.route if leg.state else None
    return leg.failed if route is not None and route.channel in leg.history.tried else ""


def _ending(leg: Leg, facts: Facts, verdict: Verdict, policy: int) -> e.Base:
    """A leg that was never handed over is suppressed; one that was, has failed."""
    if leg.state is None:
        return e.Suppressed(reason=verdict.reason, facts=facts, policy=policy, head=leg.head)
    if verdict.reason == "expired":
        return e.Expired(moved=_moved(leg))
    if leg.state.attempt:
        return e.Failed(reason=leg.failed or verdict.reason, moved=_moved(leg))
    return e.Suppressed(reason=verdict.reason, facts=facts, policy=policy, moved=_moved(leg))


def _moved(leg: Leg) -> e.Moved | None:
    return moved(leg.state) if leg.state else None


def _lookups(
    river: River, leg: Leg, verdict: Verdict, facts: Facts, now_ms: int
) -> tuple[Lookup, ...]:
    """A new leg is found by its recipient and its case; what is sent counts against the cap."""
    lookups = []
    index, head = river.index, leg.head
    if leg.state is None:
        case = index.within(head.correlation)
        lookups.append(Lookup(index.recipient(head.recipient), case, leg.stream))
        if head.correlation:
            lookups.append(Lookup(index.case(head.correlation), index.NOTE, leg.stream))
    if verdict.kind == "send" and river.documents.policy.classes[head.cls].cap:
        day = local_day(now_ms, facts.zone)
        lookups.append(Lookup(index.cap(head.recipient, head.cls, day), b"", leg.stream))
    return tuple(lookups)


def _route(
    documents: Documents, leg: Leg, facts: Facts, verdict: Verdict, known: Known, who: Recipient,
    notice: Notice, event: Upstream | None, now_ms: int,
) -> e.Route:  # fmt: skip
    if event is None:
        raise RenderRefused("", "the event is no longer in the archive")
    channel = verdict.channel
    contact = contact_for(channel, who, _wanted(notice, event))
    assert contact is not None
    wording = documents.wordings[notice.id]
    language = facts.language
    sender = signer(notice, documents.catalog.senders, event.data)
    rendered = wording.render(channel, language, context(leg, who, notice, event), sender)
    content = Content(
        contact.address, rendered.text, rendered.subject, rendered.html,
        _from(sender, channel, language),
    )  # fmt: skip
    return e.Route(
        channel=channel,
        lane=verdict.lane,
        carrier=verdict.carrier,
        wording=wording.name,
        language=language,
        segments=rendered.segments,
        sealed=seal_content(known.key, content, leg.stream),
        window_end_ms=window_end_ms(facts, documents.policy, now_ms),
    )


def _wanted(notice: Notice, event: Upstream | None) -> str:
    """The address that the event asks for; "" for any."""
    return str(event.data.get(notice.contact_field, "")) if event and notice.contact_field else ""


def _from(sender: Sender, channel: ChannelName, language: str) -> str:
    """How the sender calls itself there: an address for mail, else its short number."""
    if channel != "email":
        return sender.short_number
    name = sender.name.get(language) or next(iter(sender.name.values()))
    return f"{name} <{sender.email}>"


def context(leg: Leg, who: Recipient, notice: Notice, event: Upstream) -> dict[str, Any]:
    """The variables a body may use: the event's data and the built-in ones."""
    date = str(event.data.get(notice.due_field, "")) if notice.due_field else ""
    return {
        **event.data,
        "name": who.profile.name,
        "days_left": days_left(leg.head, date, who.profile.zone),
        "again": bool(leg.history.tried),
        "serial": serial(leg.head),
    }


def serial(head: e.Head) -> str:
    """Short, and the same in every copy of one notification, whatever its channel or try."""
    return head.event[:4].hex().upper()


def may_retry(state: State, river: River) -> bool:
    """Whether the channel in use has tries left."""
    assert state.head is not None
    return state.tries < river.documents.policy.classes[state.head.cls].tries


def next_leg(state: State, stream: bytes, failed: str) -> Leg:
    """The decision after a channel is done with: the channels tried so far are out."""
    assert state.head is not None
    tried = set(state.tried)
    if state.route is not None:
        tried.add(state.route.channel)
    history = History(tried=frozenset(tried), avoid=frozenset(state.avoid))
    return Leg(stream, state.head, state, history, failed)


def same_leg(state: State, stream: bytes, reason: str, history: History = NO_HISTORY) -> Leg:
    """The decision made again: earlier channels stay out, the current one is still good, by lanes
    that have not failed this leg before, as long as there are others."""
    assert state.head is not None
    avoid = history.avoid | state.avoid
    history = history._replace(tried=frozenset(state.tried), avoid=avoid)
    return Leg(stream, state.head, state, history, reason)


def waits(state: State) -> bool:
    """Nothing was handed over yet: the leg may still be decided otherwise."""
    return state.status in (Status.HELD, Status.READY, Status.BACKOFF)
