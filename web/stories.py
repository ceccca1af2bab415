"""One notification, one case, one recipient, as operators see them: personal data masked."""

import asyncio
from typing import Any
from urllib.parse import quote, urlsplit

from litestar import Request, Response, get, post
from litestar.exceptions import NotFoundException, PermissionDeniedException
from litestar.params import FromPath
from litestar.response import Redirect

from channels.push_address import WEB, service_of
from preferences import store
from preferences.links import Link, new_reference, save_links
from preferences.recipient import Preferences, Profile
from streams.explanations import Told, explain_stream
from streams.policies import published
from streams.views import Leg, Timeline
from templates.filters import mask
from web.now import titles
from web.site import STREAM, Here, Site
from web.words import Language

HISTORY = 50
"""Notifications on one page of a recipient's history."""

LINK_MS = 24 * 3_600_000
"""How long a link made for trying out is good."""

LINK_SCOPE = "inbox"

Req = Request[Any, Any, Any]


@get("/notifications/{stream:str}", include_in_schema=False)
async def notification(request: Req, site: Here, stream: FromPath[str]) -> Response[str]:
    """From its first row to its last, with the reason of each decision."""
    timeline = await asyncio.to_thread(_timeline, site, stream)
    t = site.speech(request)
    values = {
        "timeline": timeline,
        "title": titles(site, t)(timeline.leg.notice),
        "told": await asyncio.to_thread(_told, site, stream, t.language),
        "mask": mask_address,
        "case_address": case_address,
    }
    live = request.query_params.get("part") == "live"
    return site.page(request, "notification_live.html" if live else "notification.html", values)


def _timeline(site: Site, stream: str) -> Timeline:
    found = site.reading.timeline(stream, unseal=True) if STREAM.fullmatch(stream) else None
    if found is None:
        raise NotFoundException("no such notification")
    return found


def _told(site: Site, stream: str, language: Language) -> dict[int, Told]:
    """Its rows in sentences, by version."""
    reader = site.hub.store
    policies = published(reader, site.hub.river.index)
    story = explain_stream(reader, bytes.fromhex(stream), policies, language, site.zone.key)
    return {one.version: one for one in story.told} if story else {}


@get("/cases/{correlation:str}", include_in_schema=False)
async def case(request: Req, site: Here, correlation: FromPath[str]) -> Response[str]:
    """A case with its events and its notifications, in the order of their times; a large one in
    parts."""
    after = request.query_params.get("after", "")
    after = after if STREAM.fullmatch(after) else ""
    found = await asyncio.to_thread(site.reading.case, correlation, words=True, after=after)
    if found is None:
        raise NotFoundException("no such case")
    values = {"case": found, "title_of": titles(site, site.speech(request))}
    return site.page(request, "case.html", values)


@get("/recipients/{ref:str}", include_in_schema=False)
async def recipient(request: Req, site: Here, ref: FromPath[str]) -> Response[str]:
    """Who it is, masked, and everything the hub meant to tell them."""
    before = request.query_params.get("before", "")
    legs = await asyncio.to_thread(history_of, site, ref, before)
    profile, preferences = await asyncio.to_thread(_person, site, ref)
    language = site.speech(request).language
    erased = await asyncio.to_thread(site.reading.erased, ref, language)
    if profile is None and not legs and not erased:
        raise NotFoundException("no such recipient")
    values = {
        "ref": ref,
        "profile": profile,
        "erased": erased,
        "preferences": preferences,
        "legs": legs,
        "replies": await asyncio.to_thread(site.reading.replies, ref, HISTORY),
        "older": legs[-1].stream if len(legs) == HISTORY else "",
        "title_of": titles(site, site.speech(request)),
        "case_address": case_address,
        "mask": mask_address,
        "mask_name": mask_name,
        "may_link": site.private,
    }
    return site.page(request, "recipient.html", values)


def history_of(site: Site, ref: str, before: str = "") -> list[Leg]:
    """One page of a recipient's notifications."""
    before = before if STREAM.fullmatch(before) else ""
    return site.reading.history(ref, HISTORY, before)


@post("/recipients/{ref:str}/link", include_in_schema=False, status_code=200)
async def personal_link(site: Here, ref: FromPath[str]) -> Redirect:
    """A link to try a recipient's own page with, on one's own machine only: whoever follows it
    acts as that person."""
    if not site.private:
        raise PermissionDeniedException("links are sent to recipients, not to staff")
    profile, _ = await asyncio.to_thread(_person, site, ref)
    if profile is None:
        raise NotFoundException("no such recipient")
    reference = new_reference(site.hub.entropy)
    link = Link(LINK_SCOPE, profile.ref, "", site.now_ms() + LINK_MS)
    await asyncio.to_thread(_save, site, reference, link)
    return Redirect(f"/me/{reference}", status_code=303)


def _save(site: Site, reference: str, link: Link) -> None:
    with site.hub.store.transaction() as connection:
        save_links(connection, [(reference, link)])


def _person(site: Site, ref: str) -> tuple[Profile | None, Preferences]:
    with site.hub.store.readers.connect() as connection:
        known = store.load_many(connection, site.hub.river.vault, [ref]).get(ref)
    if known is None or known.recipient is None:
        return None, Preferences()
    return known.recipient.profile, known.recipient.preferences


def case_address(correlation: str) -> str:
    """Where a case is shown."""
    return "/cases/" + quote(correlation, safe="")


def mask_name(name: str) -> str:
    """The first character of a name: enough to compare with who is on the phone."""
    return name[:1] + "*" * (len(name) - 1)


def mask_address(address: str) -> str:
    """A number or mail address as far as its owner recognises it; of a browser its service."""
    if service_of(address) == WEB:
        return f"{urlsplit(address).hostname}/…"
    user, at, host = address.partition("@")
    return user[:1] + "***@" + host if at else mask(address)
