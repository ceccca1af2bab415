"""The link of ``List-Unsubscribe``: one click in a mail reader switches a category off (RFC 8058).

The link is good for one category in one channel, and for nothing else. Opening it changes nothing,
since mail scanners open every link; the reader's own POST asks for no login, no cookie and no page
before it, and may come as often as it likes.
"""

import asyncio
from typing import Any

from litestar import Request, Response, get, post
from litestar.exceptions import NotFoundException, ValidationException
from litestar.params import FromPath

from preferences import store
from preferences.changes import SwitchCategory
from preferences.fault import Fault
from preferences.links import Unsubscribe, check_unsubscribe
from preferences.rules import opted_out
from web.citizen import label_of
from web.site import Here, Site

BODY_MAX = 4_000
"""Bytes of the POST: one field."""

FIELD, VALUE = "List-Unsubscribe", "One-Click"
"""What RFC 8058, section 3.2 has the reader post; our own page posts the same."""

ONE_CLICK = "email:one-click"
"""Who chose it, as the history of somebody's choices names it."""

Req = Request[Any, Any, Any]


@get("/u/{token:str}", include_in_schema=False)
async def ask_to_unsubscribe(request: Req, site: Here, token: FromPath[str]) -> Response[str]:
    """What the link would switch off, and the button that does."""
    return await _page(request, site, token, _read(site, token))


@post(
    "/u/{token:str}",
    status_code=200,
    opt={"exclude_from_csrf": True},
    request_max_body_size=BODY_MAX,
    include_in_schema=False,
)
async def unsubscribe(request: Req, site: Here, token: FromPath[str]) -> Response[str]:
    """The category is off; once more, it still is."""
    what = _read(site, token)
    if (await request.form()).get(FIELD) != VALUE:
        raise ValidationException(f"{FIELD}={VALUE}")
    choice = SwitchCategory(what.category, what.channel, on=False)
    answer = await site.commands.change_preferences(what.ref, choice, ONE_CLICK)
    return await _page(request, site, token, what, answer if isinstance(answer, Fault) else None)


def _read(site: Site, token: str) -> Unsubscribe:
    what = check_unsubscribe(site.signer, token, site.now_ms())
    if what is None:
        raise NotFoundException("no such link")
    return what


async def _page(
    request: Req, site: Site, token: str, what: Unsubscribe, fault: Fault | None = None
) -> Response[str]:
    known = await asyncio.to_thread(_find, site, what.ref)
    if known is None or known.recipient is None:
        raise NotFoundException("no such link")
    language = known.recipient.language
    values = {
        "token": token,
        "what": what,
        "label": label_of(site, site.speech(request, language), what.category),
        "off": opted_out(known.recipient.preferences, what.category, what.channel),
        "kept": fault is not None or what.category in site.commands.offer().kept,
        "field": FIELD,
        "value": VALUE,
    }
    return site.page(request, "unsubscribe.html", values, 422 if fault else 200, language)


def _find(site: Site, ref: str) -> store.Loaded | None:
    with site.hub.store.readers.connect() as connection:
        return store.load_many(connection, site.hub.river.vault, [ref]).get(ref)
