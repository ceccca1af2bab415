"""Quarantine: what could not be understood, as it came; to be mended and replayed, or dropped."""

import asyncio
from typing import Any, NamedTuple

from litestar import Request, Response, get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Redirect

from preferences.fault import Fault
from streams.commands import Received
from streams.core.codec import MAX_EVENT_BYTES
from streams.views import QuarantinedItem
from web.site import STREAM, Here, Site
from web.staff import who

PAGE = 50
STATES = ("open", "replayed", "dropped")

DUMP_BYTES = 4096
"""Of what is no text: enough to see what it is."""

Req = Request[Any, Any, Any]


class Original(NamedTuple):
    """The bytes as a page can show them. Only a text that could still be an event is offered for
    mending."""

    size: int
    text: str
    mendable: bool


class Said(NamedTuple):
    """What became of an attempt to close an item: a word of ours, and the door's answer."""

    word: str
    field: str = ""
    expected: str = ""
    got: str = ""


@get("/quarantine", include_in_schema=False)
async def quarantine(request: Req, site: Here) -> Response[str]:
    """Items by state, the newest first."""
    state = request.query_params.get("state", "open")
    state = state if state in (*STATES, "") else "open"
    before = request.query_params.get("before", "")
    before = before if STREAM.fullmatch(before) else ""
    items = await asyncio.to_thread(site.reading.quarantined, state, PAGE, before)
    values = {
        "items": items,
        "state": state,
        "states": (*STATES, ""),
        "older": items[-1].id if len(items) == PAGE else "",
        "done": request.query_params.get("done", "") if state == "open" else "",
    }
    return site.page(request, "quarantine.html", values)


@get("/quarantine/{item_id:str}", include_in_schema=False)
async def item(request: Req, site: Here, item_id: FromPath[str]) -> Response[str]:
    """One item, with its original bytes."""
    return await _page(request, site, item_id)


async def _page(
    request: Req, site: Site, item_id: str, mended: str | None = None, said: Said | None = None
) -> Response[str]:
    found, raw = await _item(site, item_id)
    original = shown(raw)
    values = {
        "item": found,
        "original": original,
        "mended": original.text if mended is None else mended,
        "said": said,
    }
    return site.page(request, "quarantined.html", values, 422 if said else 200)


async def _item(site: Site, item_id: str) -> tuple[QuarantinedItem, bytes]:
    if not STREAM.fullmatch(item_id):
        raise NotFoundException("no such item")
    found = await asyncio.to_thread(site.reading.quarantined_item, item_id)
    raw = await asyncio.to_thread(site.reading.quarantined_raw, item_id)
    if found is None or raw is None:
        raise NotFoundException("no such item")
    return found, raw


def shown(raw: bytes) -> Original:
    """The bytes as text where they are text, else in hexadecimal."""
    if len(raw) <= MAX_EVENT_BYTES:
        try:
            return Original(len(raw), raw.decode(), mendable=True)
        except UnicodeDecodeError:
            pass
    return Original(len(raw), raw[:DUMP_BYTES].hex(" "), mendable=False)


@post("/quarantine/{item_id:str}/replay", include_in_schema=False, status_code=200)
async def replay(request: Req, site: Here, item_id: FromPath[str]) -> Response[Any]:
    """Bring it in again as it was mended; the original stays as it came."""
    _, raw = await _item(site, item_id)
    # a browser sends every line break of a text area as two characters
    mended = str((await request.form()).get("mended", "")).replace("\r\n", "\n")
    changed = None if mended == shown(raw).text else mended.encode()
    answer = await site.commands.replay_quarantined(item_id, changed, who(request))
    match answer:
        case Received(status="refused", field=field, expected=expected, got=got):
            said = Said("again", field, expected, got)
            return await _page(request, site, item_id, mended, said)
        case Fault(field, expected):
            return await _page(request, site, item_id, mended, Said("fault", field, expected))
    return Redirect("/quarantine?done=replayed", status_code=303)


@post("/quarantine/{item_id:str}/drop", include_in_schema=False, status_code=200)
async def drop(request: Req, site: Here, item_id: FromPath[str]) -> Response[Any]:
    """Close it without bringing it in, and say why."""
    await _item(site, item_id)
    reason = str((await request.form()).get("reason", "")).strip()
    fault = await site.commands.drop_quarantined(item_id, who(request), reason)
    if fault:
        return await _page(request, site, item_id, None, Said("fault", *fault))
    return Redirect("/quarantine?done=dropped", status_code=303)
