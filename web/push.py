"""Pushes to a citizen's own browser: switched on and off on their page, and proved by its worker.

The browser makes a subscription at the push service of its maker; the page hands it in like any
other form. A push service never says what became of a message, so the worker that shows it does: at
an address that is in the message, encrypted for that browser alone.
"""

import asyncio
from typing import Any

from litestar import Request, Response, get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Redirect

from channels.base import Receipt
from channels.push_address import is_allowed, read_subscription, subscription_address
from preferences.fault import Fault
from preferences.links import check_pushed
from preferences.subscriptions import Subscribe, Unsubscribe, own_contacts
from streams.journal.errors import JournalError
from streams.topics import TopicsError
from web import citizen
from web.site import STATIC, Here

WORKER = "worker.js"
"""Served below ``/me/``: a worker may only serve pages beside it."""

BODY_MAX = 4_096
"""Bytes of what is posted here: an endpoint and two keys."""

BY = "citizen"

Req = Request[Any, Any, Any]


@get(f"/me/{WORKER}", include_in_schema=False)
async def push_worker() -> Response[bytes]:
    """The worker that shows pushes. Browsers ask whether it is still the same."""
    text = await asyncio.to_thread((STATIC / WORKER).read_bytes)
    return Response(text, media_type="text/javascript", headers={"cache-control": "no-cache"})


@post(
    "/me/{token:str}/push",
    include_in_schema=False,
    status_code=200,
    request_max_body_size=BODY_MAX,
)
async def subscribe(request: Req, site: Here, token: FromPath[str]) -> Response[Any]:
    """Pushes go to this browser from now on."""
    who = await citizen.reader_of(site, token)
    if site.push is None or not site.pushes:
        raise NotFoundException("no pushes here")
    form = await request.form()
    endpoint, p256dh, auth = (str(form.get(name, "")) for name in ("endpoint", "p256dh", "auth"))
    address = subscription_address(endpoint, p256dh, auth)
    if read_subscription(address) is None or not is_allowed(endpoint, site.push.hosts):
        return await citizen.done(request, site, who, Fault("push", "a browser's subscription"))
    answer = await site.commands.change_subscription(who.ref, Subscribe(address), BY)
    return await citizen.done(request, site, who, answer if isinstance(answer, Fault) else None)


@post(
    "/me/{token:str}/push/end",
    include_in_schema=False,
    status_code=200,
    request_max_body_size=BODY_MAX,
)
async def unsubscribe(request: Req, site: Here, token: FromPath[str]) -> Response[Any]:
    """No more to the browser with this endpoint; without one, to none of them."""
    who = await citizen.reader_of(site, token)
    endpoint = str((await request.form()).get("endpoint", ""))
    known = own_contacts(who.profile.contacts) if who.profile else ()
    ended = [c.address for c in known if c.address.partition("#")[0] == endpoint]
    if endpoint and not ended:
        return Redirect(f"/me/{token}", status_code=303)
    change = Unsubscribe(ended[0] if ended else "")
    answer = await site.commands.change_subscription(who.ref, change, BY)
    return await citizen.done(request, site, who, answer if isinstance(answer, Fault) else None)


@post(
    "/pushed/{proof:str}",
    status_code=204,
    opt={"exclude_from_csrf": True},
    request_max_body_size=BODY_MAX,
    include_in_schema=False,
)
async def pushed(request: Req, site: Here, proof: FromPath[str]) -> Response[None]:
    """A browser showed a push, or somebody opened it."""
    said = check_pushed(site.signer, proof, site.now_ms())
    if said is None:
        raise NotFoundException("no such push")
    match (await request.form()).get("what"):
        case "shown":
            report = Receipt(said.lane, "", "delivered", "shown", site.now_ms(), said.attempt)
        case "opened":
            report = Receipt(said.lane, "", "read", "", site.now_ms(), said.attempt)
        case _:
            raise NotFoundException("nothing that happens to a push")
    try:
        await site.commands.take_report(report)
    except (JournalError, TopicsError):
        return Response(None, status_code=503, headers={"retry-after": "5"})
    return Response(None, status_code=204)
