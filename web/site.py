"""What every page and door of the hub shares: the hub itself, the words, and how a page is made."""

import asyncio
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol
from urllib.parse import urlencode, urlsplit
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Request, Response
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency
from litestar.enums import MediaType
from litestar.template.base import csrf_token
from markupsafe import Markup

from channels.http_account import Http
from channels.inbox import InboxStore
from channels.lanes import Lanes
from channels.push_account import WebPush
from channels.push_tokens import public_key
from channels.twilio_account import Account
from channels.wechat_account import Door, Wechat
from preferences.links import Signer
from streams.clock import Clock
from streams.commands import Commands
from streams.core.names import clock_of
from streams.journal.base import Store
from streams.pipeline.river import River
from streams.reading import Reading
from web.inbox_streams import InboxStreams
from web.keys import Pace
from web.words import HTML_LANGUAGE, LANGUAGES, Language, Speech, read_words, speeches

PAGES = Path(__file__).parent / "pages"
STATIC = Path(__file__).parent / "static"

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1", "[::1]"})

STREAM = re.compile(r"[0-9a-f]{32}")
"""What the id of a notification looks like, or of an item in quarantine."""

CITIZENS = ("/me/", "/u/")
"""Where the pages for citizens are, by a link of their own."""

LANGUAGE_COOKIE = "lang"
YEAR_S = 365 * 24 * 3600


class HubSettings(Protocol):
    """The settings that pages ask for."""

    @property
    def host(self) -> str: ...
    @property
    def public_url(self) -> str: ...
    @property
    def timezone(self) -> str: ...

    def key(self, name: Literal["link_key"]) -> bytes: ...

    def twilio(self) -> Account | None:
        """Whose callbacks are taken; None takes none."""

    def lane_secrets(self, http: Http) -> Mapping[str, str]:
        """Those of a declared provider, by the names that its lane gives them."""

    def wechat_door(self, wechat: Wechat) -> Door | None:
        """What is needed to believe what WeChat tells about this account; None takes nothing."""

    def web_push(self) -> WebPush | None:
        """Who sends to browsers; None where nobody does."""


class HubContext(Protocol):
    """The hub as the pages see it; ``hub.bootstrap.Hub`` is one."""

    @property
    def settings(self) -> HubSettings: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def store(self) -> Store: ...
    @property
    def river(self) -> River: ...
    @property
    def inbox(self) -> InboxStore: ...
    @property
    def entropy(self) -> Callable[[int], bytes]: ...

    def backlog(self) -> Mapping[str, tuple[int, int]]:
        """How many records wait on each topic, and the offset of the oldest."""

    def ring(self) -> None:
        """Something was journalled: wake whoever follows."""

    def notes(self) -> Sequence[str]:
        """Sentences on what people should look at although the hub goes on."""

    def wrong(self) -> Sequence[str]:
        """Sentences about what this process cannot reach, beside the journal."""

    def absent(self) -> Sequence[str]:
        """Kinds of workers of which none is at work, whatever waits for it."""


def _doors(settings: HubSettings, lanes: Lanes) -> dict[str, Door]:
    """By lane, what is needed to believe what WeChat tells; connections are made once."""
    accounts = {lane.name: lane.account for lane in lanes if isinstance(lane.account, Wechat)}
    doors = {name: settings.wechat_door(account) for name, account in accounts.items()}
    return {name: door for name, door in doors.items() if door is not None}


class Site:
    """One hub's pages. ``private`` is true while nobody but this machine can reach them."""

    def __init__(self, hub: HubContext) -> None:
        settings = hub.settings
        self.hub = hub
        river = hub.river
        self.reading = Reading(
            hub.store, river.vault, river.index, lambda: river.documents, hub.backlog
        )
        self.commands = Commands(river, hub.inbox, hub.ring, asyncio.to_thread)
        self.pace = Pace()
        self.link_key = settings.key("link_key")
        self.signer = Signer({0: self.link_key}, current=0)
        self.twilio = settings.twilio()
        self.wechat = _doors(settings, river.documents.lanes)
        self.push = settings.web_push()
        self.push_key = public_key(self.push.key) if self.push else ""
        self.inbox_streams = InboxStreams(hub.clock, hub.inbox, self.reading)
        self.zone = ZoneInfo(settings.timezone)
        self.secure = settings.public_url.startswith("https://")
        # behind a proxy the hub listens on loopback and is reached from everywhere
        self.private = {settings.host, urlsplit(settings.public_url).hostname} <= LOOPBACK
        self._speech: Callable[[Language], Speech] = speeches(read_words())
        self._pages = _environment()
        self._pages.globals["asset"] = _assets()

    @property
    def pushes(self) -> bool:
        """Whether browsers can be pushed to: somebody is named as the sender, and a lane goes
        there."""
        lanes = self.hub.river.documents.lanes
        return self.push is not None and any(lane.via == "push_web" for lane in lanes)

    def now_ms(self) -> int:
        return self.hub.clock.now_ms()

    def speech(self, connection: ASGIConnection[Any, Any, Any, Any], usual: str = "") -> Speech:
        """In the language asked for just now, else earlier, else the reader's usual one, else as
        the browser says."""
        asked = (
            connection.query_params.get("lang"),
            connection.cookies.get(LANGUAGE_COOKIE),
            usual,
            connection.headers.get("accept-language", "")[:2],
        )
        known = next((language for language in asked if language in LANGUAGES), LANGUAGES[0])
        return self._speech("en" if known == "en" else "zh")

    def page(
        self,
        request: Request[Any, Any, Any],
        name: str,
        values: Mapping[str, Any],
        status: int = 200,
        usual: str = "",
    ) -> Response[str]:
        """A page from ``web/pages``, in the reader's language, never kept by a cache."""
        t = self.speech(request, usual)
        text = self._pages.get_template(name).render(
            **values,
            t=t,
            html_lang=HTML_LANGUAGE[t.language],
            path=request.url.path,
            other_language=_other_language(request, t.language),
            staff=not request.url.path.startswith(CITIZENS),
            signed_in=not self.private,
            csrf=csrf_token({"request": request}),
            moment=self._moment,
            clock=clock_of(self.zone.key, t.language),
        )
        headers = {"cache-control": "no-store"}
        response = Response(text, status_code=status, media_type=MediaType.HTML, headers=headers)
        if request.query_params.get("lang") in LANGUAGES:
            response.set_cookie(
                LANGUAGE_COOKIE, t.language, max_age=YEAR_S, samesite="strict", secure=self.secure
            )
        return response

    def clock_time(self, at_ms: int, form: str) -> str:
        """A time in a few letters, where a chart has no room for more."""
        return datetime.fromtimestamp(at_ms / 1000, self.zone).strftime(form)

    def _moment(self, at_ms: int, form: str = "%Y-%m-%d %H:%M:%S") -> Markup:
        """A time as the authority's clocks show it; machines read the whole of it."""
        local = datetime.fromtimestamp(at_ms / 1000, self.zone)
        return Markup('<time datetime="{}">{}</time>').format(
            local.isoformat(timespec="milliseconds"), local.strftime(form)
        )


Here = NamedDependency[Site]
"""The site, as handlers ask for it."""


def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(PAGES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["number"] = _number
    made.filters["percent"] = _percent
    made.filters["clock"] = _clock
    return made


def _number(value: int) -> str:
    return f"{value:,}"


def _percent(rate: float | None) -> str:
    """One decimal, and never 100 while something is missing: 99.97 is 99.9."""
    return "—" if rate is None else f"{int(rate * 1000) / 10:.1f}%"


def _clock(minute: int) -> str:
    """A minute of the day as people write it."""
    return f"{minute // 60:02d}:{minute % 60:02d}"


def _assets() -> Callable[[str], str]:
    """Addresses of static files that change with their contents, so that they may be kept."""
    marks = {
        file.name: hashlib.blake2b(file.read_bytes(), digest_size=6).hexdigest()
        for file in STATIC.iterdir()
    }
    return lambda name: f"/static/{name}?v={marks[name]}"


def _other_language(request: Request[Any, Any, Any], language: Language) -> str:
    """This page in the other language."""
    query = {key: value for key, value in request.query_params.items() if key != "part"}
    query["lang"] = "en" if language == "zh" else "zh"
    return "?" + urlencode(query)
