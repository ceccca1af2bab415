"""The web application: one Litestar over one hub, for four audiences.

Upstream systems find ``/v1``, citizens ``/me``, editors ``/catalog``, operators the rest. The first
is described at ``/openapi.json``; pages that would show that load from elsewhere, and nothing here
does.
"""

import logging
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

from litestar import Litestar, Request, Response, Router
from litestar.config.csrf import CSRFConfig
from litestar.datastructures import CacheControlHeader, MutableScopeHeaders, State
from litestar.di import Provide
from litestar.exceptions import HTTPException, NotAuthorizedException
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme
from litestar.response import Redirect
from litestar.static_files import create_static_files_router
from litestar.types import ControllerRouterHandler, Message, Scope

from streams.core import codec
from streams.patience import away
from web import (
    api,
    catalog,
    citizen,
    health,
    inbox_events,
    now,
    providers,
    push,
    quarantine,
    staff,
    stories,
    twilio,
    unsubscribe,
    wechat,
)
from web.site import STATIC, YEAR_S, HubContext, Site

log = logging.getLogger("fenghuo.web")

FORM_MAX = 1_000_000
"""Bytes of a form: the largest is a quarantined event, mended, in a URL's encoding."""

CSRF_COOKIE = "fh_csrf"

SECURITY_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",  # a citizen's address is a key
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


def create_app(hub: HubContext) -> Litestar:
    """The application over an open hub. Whoever serves it also runs the hub's bed."""
    site = Site(hub)
    return Litestar(
        [*_doors(), _static()],
        dependencies={"site": Provide(lambda: site, sync_to_thread=False)},
        state=State({"site": site}),
        csrf_config=_csrf(site),
        openapi_config=_openapi(),
        exception_handlers={HTTPException: _refuse, 500: _fail},
        before_send=[_secure],
        logging_config=None,  # whoever serves the application decides about logs
        request_max_body_size=FORM_MAX,
    )


def _doors() -> Sequence[ControllerRouterHandler]:
    staff_only = Router("/", route_handlers=[*_STAFF], guards=[staff.only_staff])
    return [*_OPEN, staff_only]


_OPEN: tuple[ControllerRouterHandler, ...] = (
    api.bring_events,
    api.notification_status,
    api.told_outcomes,
    api.reply_words,
    api.event_status,
    health.alive,
    health.ready,
    staff.login,
    staff.sign_in,
    staff.sign_out,
    citizen.own_page,
    citizen.open_letter,
    citizen.set_switches,
    citizen.set_quiet,
    citizen.set_language,
    citizen.set_consent,
    unsubscribe.ask_to_unsubscribe,
    unsubscribe.unsubscribe,
    inbox_events.inbox_events,
    push.push_worker,
    push.subscribe,
    push.unsubscribe,
    push.pushed,
    twilio.twilio_text,
    twilio.twilio_call,
    twilio.twilio_reply,
    twilio.twilio_key,
    providers.provider_reports,
    providers.provider_report,
    wechat.wechat_server,
    wechat.wechat_told,
)
"""Doors that ask for a key or a link of their own, or for nothing."""

_STAFF: tuple[ControllerRouterHandler, ...] = (
    now.now,
    now.find,
    stories.notification,
    stories.case,
    stories.recipient,
    stories.personal_link,
    catalog.catalog,
    catalog.notice,
    quarantine.quarantine,
    quarantine.item,
    quarantine.replay,
    quarantine.drop,
    health.metrics,
)


def _static() -> Router:
    """Files whose addresses change with their contents are kept for a year."""
    kept = CacheControlHeader(public=True, max_age=YEAR_S, immutable=True)
    return create_static_files_router("/static", [STATIC], cache_control=kept)


def _csrf(site: Site) -> CSRFConfig:
    return CSRFConfig(
        secret=blake2b(key=site.link_key, person=b"csrf", digest_size=32).hexdigest(),
        cookie_name=CSRF_COOKIE,
        cookie_httponly=True,
        cookie_samesite="strict",
        cookie_secure=site.secure,
    )


def _openapi() -> OpenAPIConfig:
    key = SecurityScheme(type="http", scheme="bearer", description="A key by `hub key create`.")
    return OpenAPIConfig(
        title="Fenghuo",
        version="1",
        description="Events in, notifications out: the door for upstream systems.",
        path="/openapi.json",
        # of the two the first is wanted; without the second the framework adds one of its own
        render_plugins=[JsonRenderPlugin(path=["/", "/openapi.json"])],
        components=Components(security_schemes={"key": key}),
        security=[{"key": []}],
        use_handler_docstrings=True,
    )


async def _secure(message: Message, scope: Scope) -> None:
    """Every answer tells the browser how little it may do, also an error's."""
    if message["type"] == "http.response.start":
        headers = MutableScopeHeaders.from_message(message)
        for name, value in SECURITY_HEADERS.items():
            headers[name] = value


def _refuse(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    """What was asked for and not given: JSON at the API's doors, a page at the others."""
    site: Site = request.app.state.site
    if _is_api(request):
        headers = {"www-authenticate": "Bearer"} if error.status_code == 401 else None
        return Response(api.Failed(_problem(error)), status_code=error.status_code, headers=headers)
    if isinstance(error, NotAuthorizedException) and request.method == "GET":
        return Redirect(staff.login_address(request), status_code=303)
    return site.page(request, "error.html", {"status": error.status_code}, error.status_code)


def _problem(error: HTTPException) -> api.Problem:
    """Of a parameter of the wrong type the framework says which, and what it should be."""
    match error.extra:
        case [{"key": str(field), "message": str(said)}, *_]:
            return api.Problem(*codec.refusal(said, field))
    field = _AT.get(error.status_code, "request")
    return api.Problem(field, _EXPECTED.get(field, error.detail))


_AT = {401: "authorization", 413: "body", 405: "method", 404: "path"}
"""The part of a request that an error of the framework is about."""

_EXPECTED = {
    "body": f"at most {api.BODY_MAX} bytes; more events go into several requests",
    "path": "an address that /openapi.json names",
    "method": "a method that /openapi.json names for this address",
}
"""Where the framework says only that something is not so."""


def _fail(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """What went wrong on our side is logged, and not told to strangers."""
    site: Site = request.app.state.site
    if said := away(error):
        log.warning("%s %s: %s", request.method, request.url.path, said)
        status, problem = 503, api.Problem("hub", "a database that answers")
    else:
        log.error("%s %s", request.method, request.url.path, exc_info=error)
        status, problem = 500, api.Problem("hub", "no fault of ours")
    if _is_api(request):
        return Response(api.Failed(problem), status_code=status)
    return site.page(request, "error.html", {"status": status}, status)


def _is_api(request: Request[Any, Any, Any]) -> bool:
    return request.url.path.startswith(("/v1/", "/metrics", "/healthz", "/readyz"))
