"""The catalog as its readers would see it: each body filled from its notice's sample."""

from typing import Any, NamedTuple

from litestar import Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from templates.bodies import BUILTIN
from templates.errors import RenderRefused
from templates.lint import sample_builtin
from templates.notice import LANGUAGES, ChannelName, Notice, Rendered
from templates.segments import Segments, count
from web.site import Here, Site

LIMITED = frozenset({"text", "digits", "url", "phone", "integer", "list"})
"""Types of variables whose length is declared; the others have one of their own."""

Req = Request[Any, Any, Any]


class Preview(NamedTuple):
    """One body in one language. ``fault`` says why its sample does not fill it."""

    channel: ChannelName
    language: str
    rendered: Rendered
    segments: Segments
    fault: str = ""


class Service(NamedTuple):
    """The notices of one of the authority's services."""

    name: str
    notices: list[tuple[Notice, str]]


@get("/catalog", include_in_schema=False, sync_to_thread=False)
def catalog(request: Req, site: Here) -> Response[str]:
    """Every notice, by service, with the version in force."""
    documents = site.hub.river.documents
    by_service: dict[str, list[tuple[Notice, str]]] = {}
    for notice in documents.catalog.notices.values():
        version = documents.wordings[notice.id].name.partition("@")[2]
        by_service.setdefault(notice.service, []).append((notice, version))
    services = [Service(name, notices) for name, notices in sorted(by_service.items())]
    values = {"services": services, "total": len(documents.catalog.notices)}
    return site.page(request, "catalog.html", values)


@get("/catalog/{notice_id:str}", include_in_schema=False, sync_to_thread=False)
def notice(request: Req, site: Here, notice_id: FromPath[str]) -> Response[str]:
    """One notice: its rules, its words in both languages, what they may use."""
    documents = site.hub.river.documents
    found = documents.catalog.notices.get(notice_id)
    if found is None:
        raise NotFoundException("no such notice")
    t = site.speech(request)
    after = found.escalation
    values = {
        "notice": found,
        "sender": documents.catalog.senders[found.sender],
        "wording": documents.wordings[notice_id],
        "previews": {language: previews(site, found, language) for language in LANGUAGES},
        "variables": documents.catalog.variables(notice_id),
        "builtin": BUILTIN,
        "limited": LIMITED,
        "expiry": t.duration(found.expiry_ms),
        "escalation": t(
            "catalog.escalates",
            after=t.duration(after.after_ms),
            to=t("site.comma").join(t.named("channel", channel) for channel in after.to),
        )
        if after
        else "",
    }
    return site.page(request, "notice.html", values)


def previews(site: Site, notice: Notice, language: str) -> list[Preview]:
    """Every body of a notice in one language, as it would be sent."""
    return [_preview(site, notice, channel, language) for channel in notice.channels]


def _preview(site: Site, notice: Notice, channel: ChannelName, language: str) -> Preview:
    documents = site.hub.river.documents
    sample = documents.catalog.samples[notice.id]
    context = {**sample.data, **sample_builtin(sample)}
    sender = documents.catalog.senders[notice.sender]
    try:
        rendered = documents.wordings[notice.id].render(channel, language, context, sender)
    except RenderRefused as refused:
        return Preview(channel, language, Rendered(""), count(""), str(refused))
    return Preview(channel, language, rendered, count(rendered.text))
