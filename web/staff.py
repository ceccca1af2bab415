"""Who may see the pages of staff.

On its own machine the hub asks nobody; whoever can reach it there owns it. Beyond, it asks for an
API key of the scope ``operator``: machines send it as ``Authorization: Bearer``, people type it
once, and a signed cookie remembers them no longer than the key lasts. Staff accounts take its place
later.
"""

import asyncio
from typing import Annotated, Any
from urllib.parse import urlencode

from litestar import Request, Response, get, post
from litestar.connection import ASGIConnection
from litestar.enums import RequestEncodingType
from litestar.exceptions import NotAuthorizedException, PermissionDeniedException
from litestar.handlers.base import BaseRouteHandler
from litestar.params import Body
from litestar.response import Redirect

from web.keys import Key, Scope, check_key, find_key
from web.site import LOOPBACK, Here, Site

COOKIE = "fh_operator"
SHIFT_MS = 12 * 3_600_000
"""How long one sign-in lasts: a shift and what is left over of it."""

Connection = ASGIConnection[Any, Any, Any, Any]
Form = Annotated[dict[str, str], Body(media_type=RequestEncodingType.URL_ENCODED)]


async def only_staff(connection: Connection, _: BaseRouteHandler) -> None:
    """A guard: raises unless this is somebody of the authority."""
    site: Site = connection.app.state.site
    if site.private:
        # a foreign page whose name was made to point here still says its own name
        host = connection.url.hostname or ""
        if host not in LOOPBACK:
            raise PermissionDeniedException(f"this hub is not called {host}")
        connection.state["by"] = "staff"
        return
    key = await key_of(site, connection, "operator") or await _signed_in(site, connection)
    if key is None:
        raise NotAuthorizedException("an operator's key is asked for")
    connection.state["by"] = f"staff:{key.id}"


def who(connection: Connection) -> str:
    """Whoever acts here, as the journal names them. Behind the guard only."""
    by: str = connection.state["by"]
    return by


async def key_of(site: Site, connection: Connection, scope: Scope) -> Key | None:
    """The key that came as ``Authorization: Bearer``, when it opens this scope."""
    kind, _, text = connection.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer":
        return None
    return await asyncio.to_thread(_check, site, text.strip(), scope)


def _check(site: Site, text: str, scope: Scope) -> Key | None:
    with site.hub.store.readers.connect() as database:
        return check_key(database, text, scope, site.now_ms())


async def _signed_in(site: Site, connection: Connection) -> Key | None:
    said = site.signer.check("operator", connection.cookies.get(COOKIE, ""), site.now_ms())
    return await asyncio.to_thread(_still_good, site, said[0]) if said else None


def _still_good(site: Site, key_id: str) -> Key | None:
    with site.hub.store.readers.connect() as database:
        key = find_key(database, key_id)
    return key if key is not None and key.usable("operator", site.now_ms()) else None


@get("/login", include_in_schema=False)
async def login(request: Request[Any, Any, Any], site: Here) -> Response[str]:
    """Asks for an operator's key."""
    return site.page(request, "login.html", {"wrong": False, "next": _inside(request)})


@post("/login", include_in_schema=False, status_code=200)
async def sign_in(request: Request[Any, Any, Any], site: Here, data: Form) -> Response[Any]:
    """Changes a key into a cookie that lasts a shift."""
    key = await asyncio.to_thread(_check, site, data.get("key", "").strip(), "operator")
    if key is None:
        values = {"wrong": True, "next": _inside(request)}
        return site.page(request, "login.html", values, status=403)
    ends_ms = min(site.now_ms() + SHIFT_MS, key.expires_ms)
    response = Redirect(_inside(request), status_code=303)
    response.set_cookie(
        COOKIE,
        site.signer.sign("operator", (key.id,), ends_ms),
        max_age=SHIFT_MS // 1000,
        httponly=True,
        samesite="strict",
        secure=site.secure,
    )
    return response


@post("/logout", include_in_schema=False, status_code=200)
async def sign_out() -> Redirect:
    """Forgets the cookie."""
    response = Redirect("/login", status_code=303)
    response.delete_cookie(COOKIE)
    return response


def login_address(connection: Connection) -> str:
    """Where to sign in, and to come back from."""
    return "/login?" + urlencode({"next": connection.url.path})


def _inside(request: Request[Any, Any, Any]) -> str:
    """Where to go next: a path of ours, and nobody else's site."""
    path = request.query_params.get("next", "/")
    return path if path.startswith("/") and path[1:2] not in ("/", "\\") else "/"
