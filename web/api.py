"""The door for upstream systems: events in, and what became of them.

Answers are JSON. An error says ``{"error": {"field", "expected", "got"}}``: enough to mend the
request by.
"""

import asyncio
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any
from urllib.parse import unquote

import msgspec
from litestar import Request, Response, get, post
from litestar.exceptions import NotAuthorizedException
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, FromQuery

from streams.commands import Received
from streams.core.codec import Refusal
from streams.journal.errors import JournalError
from streams.outcomes import Outcome, Replied, outcomes_after
from streams.topics import TopicsError
from streams.views import EventStatus, Timeline, Written
from web.cloudevents import CONTENT_TYPES, mode_of, unpack
from web.keys import Key
from web.site import STREAM, Here, Site
from web.staff import key_of

BODY_MAX = 10_000_000
"""Bytes of one request: a full batch of ordinary events. What is announced as more is refused
unread, and what turns out to be more is read no further."""

AGAIN_MS = 5_000
"""When to come again after the disk refused: about as long as somebody needs to notice."""

Req = Request[Any, Any, Any]


class Problem(msgspec.Struct, frozen=True):
    """What was wrong: the field, what was expected there, and what was found."""

    field: str
    expected: str
    got: str = ""


class Failed(msgspec.Struct, frozen=True):
    """Nothing was done."""

    error: Problem


class Item(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one event, in the order of the request.

    ``accepted`` is durable; ``duplicate`` was accepted before, and once is enough; ``refused`` has
    its ``error``, and its bytes are kept in quarantine. ``event`` is the hub's own key of it.
    """

    status: str
    event: str = ""
    error: Problem | None = None


class Answer(msgspec.Struct, frozen=True):
    """What became of a request, one result for each event; ``error`` is the first, if any."""

    accepted: int
    duplicate: int
    refused: int
    results: list[Item]
    error: Problem | None = None


@post(
    "/v1/events",
    status_code=202,
    opt={"exclude_from_csrf": True},
    request_max_body_size=BODY_MAX,
    summary="Bring events in",
    responses={
        202: ResponseSpec(Answer, description="At least one event is safe."),
        400: ResponseSpec(Answer, description="None was taken; the error names the field."),
        401: ResponseSpec(Failed, description="No good key."),
        413: ResponseSpec(Failed, description="More than 10 MB."),
        415: ResponseSpec(Failed, description="Another content type than CloudEvents'."),
        429: ResponseSpec(Failed, description="Too many at once with this key."),
        503: ResponseSpec(Failed, description="Not now; nothing was taken, and nothing is lost."),
    },
)
async def bring_events(request: Req, site: Here) -> Response[Answer | Failed]:
    """CloudEvents 1.0 in any of three modes: structured, binary (the data in the body, the rest in
    `ce-` headers), or a batch. Plain `application/json` is taken by its shape."""
    key = await _authorised(request, site)
    headers = {name.lower(): value for name, value in request.headers.items()}
    mode = mode_of(headers.get("content-type", ""), headers)
    if mode is None:
        return _failed(415, "content-type", CONTENT_TYPES, headers.get("content-type", ""))
    events = unpack(mode, headers, await request.body())
    if isinstance(events, Refusal):
        return _failed(400, *events)
    if wait_ms := site.pace.take(key.id, len(events), site.now_ms()):
        return _later(429, wait_ms, "fewer events at once with this key")
    try:
        received = await site.commands.accept(events)
    except (JournalError, TopicsError) as error:
        # nothing of the request was written: the same request again is safe
        return _later(503, AGAIN_MS, "a disk that takes events", str(error))
    return _answer(received)


async def _authorised(request: Req, site: Site) -> Key:
    key = await key_of(site, request, "events")
    if key is None:
        raise NotAuthorizedException("Bearer with a key made by `hub key create`")
    return key


def _answer(received: Sequence[Received]) -> Response[Answer | Failed]:
    results = [
        Item(one.status, one.key, Problem(one.field, one.expected, one.got))
        if one.status == "refused"
        else Item(one.status, one.key)
        for one in received
    ]
    count = {
        status: sum(one.status == status for one in received)
        for status in ("accepted", "duplicate", "refused")
    }
    error = next((item.error for item in results if item.error), None)
    answer = Answer(**count, results=results, error=error)
    return Response(answer, status_code=400 if count["refused"] == len(results) else 202)


def _failed(status: int, field: str, expected: str, got: str = "") -> Response[Any]:
    return Response(Failed(Problem(field, expected, got)), status_code=status)


def _later(status: int, wait_ms: int, expected: str, got: str = "") -> Response[Any]:
    response = _failed(status, "request", expected, got)
    response.headers["retry-after"] = str(-(-wait_ms // 1000))
    return response


@get("/v1/notifications/{stream:str}", summary="What became of a notification")
async def notification_status(
    request: Req, site: Here, stream: FromPath[str]
) -> Response[Timeline]:
    """Every step of one notification, without its words and without the address."""
    await _authorised(request, site)
    known = STREAM.fullmatch(stream)
    timeline = await asyncio.to_thread(site.reading.timeline, stream) if known else None
    return Response(timeline) if timeline else _unknown("notification")


@get("/v1/events/{event:path}", summary="What became of an event")
async def event_status(
    request: Req, site: Here, event: FromPath[PurePath], after: FromQuery[str] = ""
) -> Response[EventStatus]:
    """`{source}/{id}`, each percent-encoded: whether the event is known, and the notifications it
    asked for, at most 500 at once. Where the answer names an `after`, there are more: ask again
    with it."""
    del event  # decoded already; see below
    await _authorised(request, site)
    # the path as it was sent: a source is often a path itself, with its slashes encoded
    raw = request.scope["raw_path"].decode().removeprefix("/v1/events/")
    source, _, event_id = raw.rpartition("/")
    after = after if STREAM.fullmatch(after) else ""
    found = await asyncio.to_thread(site.reading.event, unquote(source), unquote(event_id), after)
    return Response(found) if found else _unknown("event")


class Outcomes(msgspec.Struct, frozen=True):
    """Ends of notifications, and what recipients wrote back, in the order of the journal. Ask again
    with this ``after``: at once where there is ``more``, else after a pause."""

    outcomes: list[Outcome]
    replies: list[Replied]
    after: int
    more: bool


@get("/v1/outcomes", summary="What became of notifications, from a position on")
async def told_outcomes(request: Req, site: Here, after: FromQuery[int] = 0) -> Response[Outcomes]:
    """How notifications ended that were journalled after the position `after`, 0 to begin with.
    Each names its event by the key that its bringer was answered with, and nobody else."""
    await _authorised(request, site)
    told = await asyncio.to_thread(outcomes_after, site.hub.store, max(after, 0))
    return Response(Outcomes(told.outcomes, told.replies, told.pos, told.more))


@get("/v1/replies/{reply:str}", summary="What a recipient wrote back")
async def reply_words(request: Req, site: Here, reply: FromPath[str]) -> Response[Written]:
    """One reply with its words, by the name that `/v1/outcomes` or the topic told."""
    await _authorised(request, site)
    known = STREAM.fullmatch(reply)
    found = await asyncio.to_thread(site.reading.reply, reply) if known else None
    return Response(found) if found else _unknown("reply")


def _unknown(what: str) -> Response[Any]:
    return _failed(404, what, "one that the hub has decided on")
