"""A citizen's inbox as it changes, told to the page that shows it: server-sent events.

Each event's id is its position in the journal. A browser that lost its stream comes again by itself
and says which was the last (``Last-Event-ID``), so that nothing is missed and nothing told twice.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from litestar import Request, Response, get
from litestar.params import FromPath
from litestar.response import ServerSentEvent
from litestar.response.sse import ServerSentEventMessage

from streams.views import InboxChange
from web import citizen
from web.site import Here

RETRY_MS = 3_000
"""When a browser comes again."""

POSITION_DIGITS = 18
"""Of what is believed to be a position."""

Req = Request[Any, Any, Any]

_encode = msgspec.json.Encoder().encode


@get("/me/{token:str}/events", include_in_schema=False)
async def inbox_events(
    request: Req, site: Here, token: FromPath[str]
) -> ServerSentEvent | Response[None]:
    """What changes in the inbox from now on, or from where a page says that it stands."""
    who = await citizen.reader_of(site, token)
    streams = site.inbox_streams
    if not streams.has_room(who.ref):
        return Response(None, status_code=429, headers={"retry-after": "60"})
    head = await asyncio.to_thread(site.hub.store.head)
    asked = str(request.headers.get("last-event-id") or request.query_params.get("since") or "")
    known = len(asked) <= POSITION_DIGITS and asked.isascii() and asked.isdigit()
    after = min(int(asked), head) if known else head
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return ServerSentEvent(_told(streams.follow(who.ref, after)), headers=headers)


async def _told(
    changes: AsyncIterator[InboxChange | None],
) -> AsyncIterator[ServerSentEventMessage]:
    """As the page reads them. The first says when to come again."""
    yield ServerSentEventMessage(data=None, comment="here", retry=RETRY_MS)
    async for change in changes:
        if change is None:
            yield ServerSentEventMessage(data=None, comment="here")
        else:
            told = _encode({"stream": change.stream, "what": change.what})
            yield ServerSentEventMessage(data=told, event="inbox", id=change.pos)
