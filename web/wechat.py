"""Where WeChat tells the server of an official account: what became of a message, and what people
write to the account.

Only what is signed over its own content is believed (see `channels.wechat_callbacks`), and it is
journalled, or on its topic, before it is answered.
"""

from typing import Any

from litestar import Request, Response, get, post
from litestar.exceptions import NotFoundException, PermissionDeniedException
from litestar.params import FromPath

from channels.wechat_account import Door
from channels.wechat_callbacks import fields_of, proves, read_follower, read_reply, read_report
from streams.journal.errors import JournalError
from streams.topics import TopicsError
from web.site import Here, Site

BODY_MAX = 64_000
"""Bytes of a callback: an event has a few hundred."""

TAKEN = "success"
"""What WeChat wants to hear; of anything else it tells again, three times, five seconds apart."""

FOLLOWED = "wechat:subscribe"
"""Who says that an openid works again, as the history of somebody's choices names it."""

Req = Request[Any, Any, Any]


@get("/callbacks/wechat/{lane:str}", include_in_schema=False)
async def wechat_server(request: Req, site: Here, lane: FromPath[str]) -> Response[str]:
    """WeChat looks whether the server is the account's: it wants its own word back."""
    query = dict(request.query_params.items())
    if not proves(_door(site, lane), query):
        raise PermissionDeniedException("not signed by WeChat for this account")
    return Response(query.get("echostr", ""), media_type="text/plain")


@post(
    "/callbacks/wechat/{lane:str}",
    status_code=200,
    opt={"exclude_from_csrf": True},
    request_max_body_size=BODY_MAX,
    include_in_schema=False,
)
async def wechat_told(request: Req, site: Here, lane: FromPath[str]) -> Response[str]:
    """A report on a message, what somebody wrote, or that they follow the account."""
    query = dict(request.query_params.items())
    fields = fields_of(_door(site, lane), query, await request.body())
    if fields is None:
        raise PermissionDeniedException("not signed by WeChat for this account")
    now_ms = site.now_ms()
    report, reply = read_report(lane, fields, now_ms), read_reply(lane, fields, now_ms)
    try:
        if report is not None:
            await site.commands.take_report(report)
        if reply is not None:
            await site.commands.take_reply(reply)
        if openid := read_follower(fields):
            await site.commands.reach_again("wechat", openid, FOLLOWED)
    except (JournalError, TopicsError):
        return Response("later", status_code=503, headers={"retry-after": "5"})
    return Response(TAKEN, media_type="text/plain")


def _door(site: Site, lane: str) -> Door:
    door = site.wechat.get(lane)
    if door is None:
        raise NotFoundException("no lane of this name has an account at WeChat")
    return door
