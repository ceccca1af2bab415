"""Where Twilio calls back: what became of a message or a call, and the keys pressed in one.

A call is checked against the address we gave, never against what the request says of itself, and
before anything in it is believed. What it reports is in the journal before it is answered.
"""

from typing import Any

from litestar import Request, Response, post
from litestar.exceptions import NotFoundException, PermissionDeniedException
from litestar.params import FromPath

from channels.base import Receipt
from channels.twilio_account import KEYS, REPLY, Account
from channels.twilio_callbacks import Keys, Report, fields_of, read_call, read_reply, read_sms
from channels.voice_twiml import (
    CONFIRMED,
    MUST_STAY,
    NO_MORE,
    NOTHING_MORE,
    announce,
    conclude,
    language_of,
)
from preferences.changes import SwitchCategory
from preferences.fault import Fault
from streams.calls import Said, said
from streams.journal.errors import JournalError
from streams.topics import TopicsError
from web.site import STREAM, Here, Site

BODY_MAX = 64_000
"""Bytes of a callback: some forty short fields."""

TURNS_MAX = 6
"""How often one call is answered; the call's own limit comes soon after."""

PRESSED_0 = "voice:0"
"""Who chose it, as the history of somebody's choices names it."""

SAY_NOTHING = '<?xml version="1.0" encoding="UTF-8"?><Response/>'

Req = Request[Any, Any, Any]


@post(
    "/callbacks/twilio/sms/{lane:str}/{stream:str}/{version:int}",
    status_code=204,
    opt={"exclude_from_csrf": True},
    request_max_body_size=BODY_MAX,
    include_in_schema=False,
)
async def twilio_text(
    request: Req, site: Here, lane: FromPath[str], stream: FromPath[str], version: FromPath[int]
) -> Response[None]:
    """What became of a text message."""
    fields = await _fields(request, site, stream)
    return await _reported(site, read_sms(lane, f"{stream}:{version}", fields, site.now_ms()))


@post(
    f"/callbacks/twilio/{REPLY}/{{lane:str}}",
    status_code=200,
    opt={"exclude_from_csrf": True},
    request_max_body_size=BODY_MAX,
    include_in_schema=False,
)
async def twilio_reply(request: Req, site: Here, lane: FromPath[str]) -> Response[Any]:
    """Somebody wrote to the number that our texts come from. The answer goes out by itself, for it
    is a notification like any other: Twilio is told to say nothing."""
    fields = await _signed(request, site)
    if lane not in site.hub.river.documents.lanes:
        raise NotFoundException("no such lane")
    reply = read_reply(lane, fields, site.now_ms())
    if reply is not None:
        try:
            await site.commands.take_reply(reply)
        except TopicsError:
            return Response(None, status_code=503, headers={"retry-after": "5"})
    return _xml(SAY_NOTHING)


@post(
    "/callbacks/twilio/voice/{lane:str}/{stream:str}/{version:int}",
    status_code=204,
    opt={"exclude_from_csrf": True},
    request_max_body_size=BODY_MAX,
    include_in_schema=False,
)
async def twilio_call(
    request: Req, site: Here, lane: FromPath[str], stream: FromPath[str], version: FromPath[int]
) -> Response[None]:
    """What became of a call."""
    fields = await _fields(request, site, stream)
    return await _reported(site, read_call(lane, f"{stream}:{version}", fields, site.now_ms()))


@post(
    f"/callbacks/twilio/voice/{{lane:str}}/{{stream:str}}/{{version:int}}/{KEYS}/{{turn:int}}",
    status_code=200,
    opt={"exclude_from_csrf": True},
    request_max_body_size=BODY_MAX,
    include_in_schema=False,
)
async def twilio_key(
    request: Req,
    site: Here,
    lane: FromPath[str],
    stream: FromPath[str],
    version: FromPath[int],
    turn: FromPath[int],
) -> Response[str]:
    """A key was pressed: what to say next."""
    fields = await _fields(request, site, stream)
    words = await said(site.hub.river, bytes.fromhex(stream), version)
    if words is None:
        return _xml(conclude(NOTHING_MORE, "zh"))
    language = language_of(words.text)
    match fields.get("Digits", ""):
        case "1":
            sid, attempt = fields.get("CallSid", ""), f"{stream}:{version}"
            proof = Receipt(lane, sid, "read", "1", site.now_ms(), attempt)
            if not await _take(site, proof):
                return _xml(_again(site, lane, stream, version, turn, words))
            return _xml(conclude(CONFIRMED, language))
        case "0":
            chosen = await site.commands.change_preferences(
                words.recipient, SwitchCategory("*", "voice", on=False), PRESSED_0
            )
            return _xml(conclude(MUST_STAY if isinstance(chosen, Fault) else NO_MORE, language))
        case _:
            return _xml(_again(site, lane, stream, version, turn, words))


def _again(site: Site, lane: str, stream: str, version: int, turn: int, words: Said) -> str:
    """The same once more, unless that was often enough."""
    if turn >= TURNS_MAX:
        return conclude(NOTHING_MORE, language_of(words.text))
    account = _account(site)
    return announce(
        words.text, account.callback("voice", lane, f"{stream}:{version}", KEYS, str(turn + 1))
    )


async def _fields(request: Req, site: Site, stream: str) -> dict[str, str]:
    """What the callback says. Raises where it is nobody's, or not Twilio's."""
    fields = await _signed(request, site)
    if STREAM.fullmatch(stream) is None:
        raise NotFoundException("no such notification")
    return fields


async def _signed(request: Req, site: Site) -> dict[str, str]:
    """What the callback says. Raises where it is not Twilio's."""
    account = _account(site)
    path = request.scope["raw_path"].decode()
    query = request.scope["query_string"].decode()
    url = account.callback_url.rstrip("/") + path + (f"?{query}" if query else "")
    headers = {name.lower(): value for name, value in request.headers.items()}
    fields = fields_of(url, headers, await request.body(), Keys(account.token, account.shared_key))
    if fields is None or fields.get("AccountSid", account.sid) != account.sid:
        raise PermissionDeniedException("not signed by Twilio for this address")
    return fields


def _account(site: Site) -> Account:
    if site.twilio is None:
        raise NotFoundException("this hub has no account at Twilio")
    return site.twilio


async def _reported(site: Site, report: Report | None) -> Response[None]:
    """The answer, once it is safe; later, while it cannot be made so."""
    if report is None or await _take(site, report):
        return Response(None, status_code=204)
    return Response(None, status_code=503, headers={"retry-after": "5"})


async def _take(site: Site, report: Report) -> bool:
    """Journal it; False while that cannot be done."""
    try:
        await site.commands.take_report(report)
    except (JournalError, TopicsError):
        return False
    return True


def _xml(text: str) -> Response[str]:
    return Response(text, media_type="application/xml")
