"""A recipient's own page, by personal link: what they were told, and how they want to be told.

The link is the key, so the page is never kept by a cache and tells no other site where it was
opened. Opening it changes nothing, since mail scanners open every link: each change is a POST.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from litestar import Request, Response, get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Redirect

from preferences import store
from preferences.changes import SetLanguage, SetQuietHours, SwitchCategory
from preferences.fault import Fault
from preferences.links import find_link
from preferences.recipient import Preferences, Profile
from preferences.rules import consented, opted_out
from preferences.subscriptions import own_contacts
from streams.views import Content, Leg
from templates.notice import CHANNELS
from web.now import titles
from web.site import STREAM, Here, Site
from web.stories import LINK_SCOPE
from web.words import LANGUAGES, Speech

MESSAGES = 20
"""On one page; each is opened by itself, which takes a read of its own."""

INBOX_MAX = 200
"""Unread ones looked for: as many as an inbox lists."""

BY = "citizen"

Req = Request[Any, Any, Any]


class Reader(NamedTuple):
    """Whoever holds the link."""

    token: str
    ref: str
    profile: Profile | None
    preferences: Preferences
    language: str


class Letter(NamedTuple):
    """One message as its recipient reads it. ``unread`` ones keep their words closed."""

    leg: Leg
    title: str
    content: Content
    language: str
    unread: bool


class Switches(NamedTuple):
    """One row of the switches: for each channel on, off, or None where it is not offered. A
    category that is sent by law is ``kept`` on."""

    category: str
    label: str
    kept: bool
    on: list[tuple[str, bool | None]]


class Pushes(NamedTuple):
    """The part of the page: our public key, the SHA-256 of each endpoint known, in use or not."""

    key: str
    known: list[str]
    """Hexadecimal: the page compares the browser's own without being told the others'."""


async def reader_of(site: Site, token: str) -> Reader:
    """Whoever holds this link. Raises where it is none, or has ended."""
    found = await asyncio.to_thread(_find, site, token)
    if found is None:
        raise NotFoundException("no such link")
    return found


def _find(site: Site, token: str) -> Reader | None:
    with site.hub.store.readers.connect() as connection:
        link = find_link(connection, token, LINK_SCOPE, site.now_ms())
        if link is None:
            return None
        known = store.load_many(connection, site.hub.river.vault, [link.ref]).get(link.ref)
    if known is None or known.key is None:
        return None
    who = known.recipient
    return Reader(
        token, known.ref, who.profile if who else None, known.preferences,
        who.language if who else known.preferences.language,
    )  # fmt: skip


@get("/me/{token:str}", include_in_schema=False)
async def own_page(request: Req, site: Here, token: FromPath[str]) -> Response[str]:
    """What they were sent, and the switches."""
    return await _page(request, site, await reader_of(site, token))


async def _page(request: Req, site: Site, who: Reader, fault: Fault | None = None) -> Response[str]:
    t = site.speech(request, who.language)
    head = await asyncio.to_thread(site.hub.store.head)  # first: what comes later is told
    letters = await asyncio.to_thread(_letters, site, t, who.ref)
    opened = request.query_params.get("opened", "")
    if request.query_params.get("part") == "live":
        shown = {"who": who, "letters": letters, "opened": opened}
        return site.page(request, "me_letters.html", shown, 200, who.language)
    offer = site.commands.offer()
    columns = [channel for channel in CHANNELS if channel in offer.channels]
    chosen = who.preferences
    values = {
        "who": who,
        "letters": letters,
        "replies": await asyncio.to_thread(site.reading.replies, who.ref, MESSAGES),
        "title_of": titles(site, t),
        "head": head,
        "opened": opened,
        "pushes": _pushes(site, who.profile),
        "saved": "saved" in request.query_params,
        "fault": _fault_word(t, fault),
        "columns": columns,
        "switches": _switches(site, t, chosen, columns),
        "consents": [
            (category, label_of(site, t, category), consented(chosen, category, site.now_ms()))
            for category in _asking_consent(site)
        ],
        "languages": LANGUAGES,
        "quiet": _quiet_mode(chosen),
        "quiet_ends": _quiet_ends(chosen),
        "half_hours": _half_hours,
    }
    return site.page(request, "me.html", values, 422 if fault else 200, who.language)


def _pushes(site: Site, profile: Profile | None) -> Pushes | None:
    """What the page says of pushes; None where there are none to be had."""
    if not site.pushes or profile is None:
        return None
    endpoints = [
        contact.address.partition("#")[0]
        for contact in own_contacts(profile.contacts)
        if not contact.suppressed
    ]
    return Pushes(
        site.push_key, [hashlib.sha256(endpoint.encode()).hexdigest() for endpoint in endpoints]
    )


def _letters(site: Site, t: Speech, ref: str) -> list[Letter]:
    """The newest messages that were really made, with their words."""
    unread = {item.stream for item in site.hub.inbox.list(ref, INBOX_MAX) if not item.read_ms}
    title = titles(site, t)
    letters = []
    for leg in site.reading.history(ref, MESSAGES):
        timeline = site.reading.timeline(leg.stream, unseal=True)
        made = [m for m in timeline.moments if m.content] if timeline else []
        if made and made[-1].content:
            last = made[-1]
            letters.append(
                Letter(
                    leg, title(leg.notice), made[-1].content, last.language, leg.stream in unread
                )
            )
    return letters


def _switches(site: Site, t: Speech, chosen: Preferences, columns: Sequence[str]) -> list[Switches]:
    offer = site.commands.offer()
    rows = [
        Switches(
            category,
            label_of(site, t, category),
            category in offer.kept,
            [(c, not opted_out(chosen, category, c) if c in channels else None) for c in columns],
        )
        for category, channels in offer.categories.items()
    ]
    return sorted(rows, key=lambda row: row.category)


def label_of(site: Site, t: Speech, category: str) -> str:
    """What a category is called; one that only the catalog knows, by its notices."""
    named = t.named("subject", category)
    if named != category:
        return named
    notices = site.hub.river.documents.catalog.notices.values()
    return t("site.comma").join(n.title[t.language] for n in notices if n.category == category)


def _asking_consent(site: Site) -> list[str]:
    notices = site.hub.river.documents.catalog.notices.values()
    return sorted({notice.category for notice in notices if notice.consent})


def _quiet_mode(chosen: Preferences) -> str:
    if chosen.quiet_from < 0:
        return "policy"
    return "none" if chosen.quiet_from == chosen.quiet_to else "own"


def _quiet_ends(chosen: Preferences) -> list[tuple[str, int]]:
    """What the choice of own hours begins with."""
    if _quiet_mode(chosen) == "own":
        return [("from", chosen.quiet_from), ("to", chosen.quiet_to)]
    return [("from", 22 * 60), ("to", 7 * 60)]


def _half_hours(besides: int) -> list[int]:
    """The minutes of the day there are to choose from, and the one chosen elsewhere."""
    return sorted({*range(0, 24 * 60, 30), besides})


def _fault_word(t: Speech, fault: Fault | None) -> str:
    match fault:
        case None:
            return ""
        case Fault(field="push"):
            return t("me.fault_push")
        case Fault(field="from_minute" | "to_minute"):
            return t("me.fault_quiet")
        case _:
            return t("me.fault_other", field=fault.field)


# Changes -----------------------------------------------------------------------------------------


@post("/me/{token:str}/read", include_in_schema=False, status_code=200)
async def open_letter(request: Req, site: Here, token: FromPath[str]) -> Redirect:
    """A message of the inbox is opened: from now on it has been read."""
    who = await reader_of(site, token)
    stream = str((await request.form()).get("stream", ""))
    if not STREAM.fullmatch(stream):
        raise NotFoundException("no such message")
    await site.commands.mark_read(who.ref, stream)
    return Redirect(f"/me/{token}?opened={stream}#m-{stream}", status_code=303)


@post("/me/{token:str}/switches", include_in_schema=False, status_code=200)
async def set_switches(request: Req, site: Here, token: FromPath[str]) -> Response[Any]:
    """The ticks as they are now; what differs from before is changed."""
    who = await reader_of(site, token)
    ticked = set((await request.form()).getall("on", []))
    offer = site.commands.offer()
    changes = [
        SwitchCategory(category, channel, on=f"{category}/{channel}" in ticked)
        for category, channels in offer.categories.items()
        for channel in channels
        if category not in offer.kept
        and (f"{category}/{channel}" in ticked)
        is bool(opted_out(who.preferences, category, channel))
    ]
    return await _change(request, site, who, changes)


@post("/me/{token:str}/quiet", include_in_schema=False, status_code=200)
async def set_quiet(request: Req, site: Here, token: FromPath[str]) -> Response[Any]:
    """Quiet hours: as usual, none, or their own."""
    who = await reader_of(site, token)
    form = await request.form()
    match form.get("mode"):
        case "own":
            start, end = _minute(form.get("from")), _minute(form.get("to"))
        case "none":
            start = end = 0
        case _:
            start = end = -1
    return await _change(request, site, who, [SetQuietHours(start, end)])


@post("/me/{token:str}/language", include_in_schema=False, status_code=200)
async def set_language(request: Req, site: Here, token: FromPath[str]) -> Response[Any]:
    """The language of what is sent from now on."""
    who = await reader_of(site, token)
    language = str((await request.form()).get("language", ""))
    return await _change(request, site, who, [SetLanguage(language)])


@post("/me/{token:str}/consent", include_in_schema=False, status_code=200)
async def set_consent(request: Req, site: Here, token: FromPath[str]) -> Response[Any]:
    """Consent is given here, and this page is its proof; or it is withdrawn."""
    who = await reader_of(site, token)
    form = await request.form()
    answer = await site.commands.record_consent(
        who.ref, str(form.get("category", "")), form.get("given") == "yes", "personal page", BY
    )
    return await done(request, site, who, answer if isinstance(answer, Fault) else None)


async def _change(req: Req, site: Site, who: Reader, choices: list[Any]) -> Response[Any]:
    for choice in choices:
        answer = await site.commands.change_preferences(who.ref, choice, BY)
        if isinstance(answer, Fault):
            return await done(req, site, who, answer)
    return await done(req, site, who, None)


async def done(request: Req, site: Site, who: Reader, fault: Fault | None) -> Response[Any]:
    if fault:
        return await _page(request, site, await reader_of(site, who.token), fault)
    return Redirect(f"/me/{who.token}?saved", status_code=303)


def _minute(text: object) -> int:
    """A minute of the day as the form sends it; -2, which is none, for anything else."""
    return int(text) if isinstance(text, str) and text.isdecimal() and len(text) < 5 else -2
