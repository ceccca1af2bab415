"""Where providers that a lane declares call back: reports, keys pressed in calls, and replies.

A call is checked by what its lane says, before anything in it is believed. What it tells is in the
journal before it is answered.
"""

import hmac
import logging
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from litestar import Request, Response, post
from litestar.exceptions import NotFoundException, PermissionDeniedException, ValidationException
from litestar.params import FromPath

from channels.base import LateAnswer, Receipt, Reply
from channels.http_account import Callback, Http
from channels.http_callbacks import Called, Malformed, NoMoreCalls, Told, is_theirs, read
from channels.http_request import Secrets, token_of
from preferences.changes import SwitchCategory
from streams.calls import said
from streams.journal.errors import JournalError
from streams.topics import TopicsError
from web.site import STREAM, Here, Site

BODY_MAX = 1_000_000
"""Bytes of a callback: some thousands of reports."""

Req = Request[Any, Any, Any]

log = logging.getLogger("fenghuo.http")


@post(
    "/callbacks/http/{lane:str}",
    opt={"exclude_from_csrf": True},
    request_max_body_size=BODY_MAX,
    include_in_schema=False,
)
async def provider_reports(request: Req, site: Here, lane: FromPath[str]) -> Response[str | None]:
    """Reports that say themselves what they are about."""
    callback, told = await _told(request, site, lane, "")
    return await _taken(site, callback, told)


@post(
    "/callbacks/http/{lane:str}/{stream:str}/{version:int}/{token:str}",
    opt={"exclude_from_csrf": True},
    request_max_body_size=BODY_MAX,
    include_in_schema=False,
)
async def provider_report(
    request: Req,
    site: Here,
    lane: FromPath[str],
    stream: FromPath[str],
    version: FromPath[int],
    token: FromPath[str],
) -> Response[str | None]:
    """What became of the attempt that the address names, which we gave for it."""
    attempt = f"{stream}:{version}"
    http, secrets = _declared(site, lane)
    assert http.callback is not None
    given = token_of(secrets.get(http.callback.check.key, ""), lane, attempt)
    if STREAM.fullmatch(stream) is None or not hmac.compare_digest(token.encode(), given.encode()):
        raise PermissionDeniedException("not an address that was given")
    callback, told = await _told(request, site, lane, attempt)
    return await _taken(site, callback, told)


async def _told(
    request: Req, site: Site, lane: str, attempt: str
) -> tuple[Callback, Sequence[Told]]:
    """What a callback says. Raises where it is nobody's, not the provider's, or not as declared."""
    http, secrets = _declared(site, lane)
    callback = http.callback
    assert callback is not None
    called = Called(
        urlsplit(site.hub.settings.public_url).netloc,
        request.scope["raw_path"].decode(),
        {name.lower(): value for name, value in request.query_params.items()},
        {name.lower(): value for name, value in request.headers.items()},
        await request.body(),
    )
    if not is_theirs(callback.check, secrets, called, site.now_ms()):
        raise PermissionDeniedException("not signed as this lane's provider signs")
    try:
        return callback, read(callback, lane, attempt, called.body, site.now_ms())
    except Malformed as error:
        log.warning("lane %s: a callback that cannot be read: %s", lane, error)
        raise ValidationException(str(error)) from error


def _declared(site: Site, lane: str) -> tuple[Http, Secrets]:
    """The lane's provider, and its secrets."""
    lanes = site.hub.river.documents.lanes
    http = lanes[lane].account if lane in lanes else None
    if not isinstance(http, Http) or http.callback is None:
        raise NotFoundException("no lane whose provider calls back")
    return http, site.hub.settings.lane_secrets(http)


async def _taken(site: Site, callback: Callback, told: Sequence[Told]) -> Response[str | None]:
    """The answer, once all is safe; later, while it cannot be made so."""
    reports = [one for one in told if isinstance(one, Receipt | LateAnswer)]
    replies = [one for one in told if isinstance(one, Reply)]
    try:
        for one in told:
            if isinstance(one, NoMoreCalls):
                await _switch_off(site, one)
        await site.commands.take_reports(reports, replies)
    except (JournalError, TopicsError):
        return Response(None, status_code=503, headers={"retry-after": "5"})
    if not callback.answer:
        return Response(None, status_code=204)
    kind = "application/json" if callback.answer.startswith("{") else "text/plain"
    return Response(callback.answer, status_code=200, media_type=kind)


async def _switch_off(site: Site, wish: NoMoreCalls) -> None:
    """No more calls for whoever was called; where the law asks for one, it stays on."""
    stream, _, version = wish.attempt.partition(":")
    words = await said(site.hub.river, bytes.fromhex(stream), int(version))
    if words is not None:
        off = SwitchCategory("*", "voice", on=False)
        await site.commands.change_preferences(words.recipient, off, f"voice:{wish.key}")
