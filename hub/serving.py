"""``hub up``: the sandbox carrier, the river, the pages and the API, until a signal ends them.

It ends in order: no more sample events; every worker finishes what it has in hand; the read models
catch up with the journal; the pages show these last counts for a moment; then all is closed.
"""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import msgspec
import uvicorn

from hub import sampling
from hub.bootstrap import Hub, open_hub, settle
from hub.carrier import Carrier
from hub.clock import clock_of
from hub.folder import LEDGER, Folder, held
from hub.settings import Settings
from streams.core.policy import DAY_MS
from streams.projections.following import Follower
from web.app import create_app
from web.keys import create_key

LAST_PAGES_S = 2
"""How long the pages still answer when everything else has ended: a page that looks again every
second or two shows the last counts."""

GOODBYE_S = 3
"""How long a connection may take to end before it is cut."""

CURL_KEY_MS = DAY_MS
"""How long the key of the curl line is good for."""

BACKLOG = 2_048
FOLLOW_ROWS = 10_000

Say = Callable[[str], None]


class Busy(Exception):  # noqa: N818 - a state of the port, not a mistake
    """Somebody listens there already."""


async def serve(settings: Settings, per_s: float | None, own_sandbox: bool, say: Say) -> None:
    """Serve until SIGTERM or SIGINT. ``per_s``: with sample recipients and so many events."""
    with held(settings.data_dir) as folder, listening(settings) as listener:
        settings = _located(settings, listener)
        async with _carrier(settings, own_sandbox, rough=per_s is not None) as settings:
            hub = open_hub(settings, clock_of(settings.clock))
            settle()
            try:
                await _Service(hub, folder, listener, say).run(per_s)
            finally:
                await hub.close()
    say("Ended.")


@contextmanager
def listening(settings: Settings) -> Iterator[socket.socket]:
    """The port is taken before anything else begins: one that is busy is a sentence, not a hub
    without pages."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((settings.host, settings.port))
            listener.listen(BACKLOG)
        except OSError as error:
            raise Busy(
                f"cannot listen on {settings.host}:{settings.port} ({error.strerror}); "
                "HUB_PORT takes another, 0 a free one"
            ) from error
        yield listener


def _located(settings: Settings, listener: socket.socket) -> Settings:
    """With the port that was taken, also in the links that are sent, unless they were set."""
    port = listener.getsockname()[1]
    public_url = settings.public_url
    if public_url == Settings().public_url:
        public_url = f"http://{settings.host}:{port}"
    return msgspec.structs.replace(settings, port=port, public_url=public_url)


@asynccontextmanager
async def _carrier(settings: Settings, own: bool, rough: bool) -> AsyncIterator[Settings]:
    """The sandbox carrier beside the hub, and the settings that say where it is."""
    if not own:
        yield settings
        return
    ledger = settings.data_dir / LEDGER
    options = ("--rough",) if rough else ()
    carrier = Carrier(settings.sandbox_host, settings.sandbox_port, ledger, options)
    await carrier.start()
    watching = asyncio.create_task(carrier.watch())
    try:
        yield msgspec.structs.replace(settings, sandbox_port=carrier.port)
    finally:
        watching.cancel()
        await carrier.end()


class Server(uvicorn.Server):
    """A server that leaves signals to the hub, and waits for no stream that would go on."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        app: Any = self.config.app
        app.state.site.inbox_streams.end()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Service:
    """One open hub being served."""

    def __init__(self, hub: Hub, folder: Folder, listener: socket.socket, say: Say) -> None:
        self._hub = hub
        self._folder = folder
        self._listener = listener
        self._say = say
        self._ending = asyncio.Event()
        config = uvicorn.Config(
            create_app(hub),
            log_level="warning",
            access_log=False,
            loop="none",
            server_header=False,
            timeout_graceful_shutdown=GOODBYE_S,
        )
        self._server = Server(config)

    async def run(self, per_s: float | None) -> None:
        self._heed_signals()
        async with asyncio.TaskGroup() as group:
            bed = group.create_task(self._hub.bed.run())
            group.create_task(self._server.serve(sockets=[self._listener]))
            self._greet()
            samples = group.create_task(sampling.bring(self._hub, per_s)) if per_s else None
            await self._ending.wait()
            self._say("Ending: finishing what is in hand.")
            await _cancel(samples)
            self._hub.bed.stop()
            await bed
            await self._catch_up()
            await asyncio.sleep(LAST_PAGES_S)
            self._server.should_exit = True
        await self._catch_up()  # with what came by the pages meanwhile

    def _heed_signals(self) -> None:
        """The first signal ends in order; the second has its usual effect."""
        loop = asyncio.get_running_loop()

        def end(number: int) -> None:
            loop.remove_signal_handler(number)
            self._ending.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, end, number)

    async def _catch_up(self) -> None:
        follower = Follower(self._hub.store)
        while await asyncio.to_thread(follower.follow, FOLLOW_ROWS):
            pass

    def _greet(self) -> None:
        settings = self._hub.settings
        url = f"http://{settings.host}:{settings.port}"
        self._folder.say(url)
        self._say(f"Fenghuo is at {url}/   (data in {settings.data_dir}; Ctrl-C ends it)\n")
        self._say("Send it an event of your own:\n")
        self._say(curl_line(url, _curl_key(self._hub)) + "\n")


async def _cancel(task: "asyncio.Task[None] | None") -> None:
    if task is not None:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _curl_key(hub: Hub) -> str:
    now_ms = hub.clock.now_ms()
    with hub.store.transaction() as connection:
        return create_key(connection, hub.entropy, "hub up", "events", now_ms, now_ms + CURL_KEY_MS)


def curl_line(url: str, key: str) -> str:
    """A command that tells a made-up citizen of a fine; the shell fills in id and time, so that it
    can be pasted again."""
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": "curl-'$(date +%s)'",
        "source": "/curl",
        "type": "gov.traffic.violation.recorded.v1",
        "time": "'$(date -u +%FT%TZ)'",
        "subject": "me",
        "data": {
            "recipient": {
                "ref": "me",
                "kind": "person",
                "name": "王示例",
                "phones": ["13800001234"],
            },
            "violation_no": "'$(date +%s)'",
            "plate": "闽A01234",
            "occurred_at": "'$(date -u +%FT%TZ)'",
            "place": "五四路与湖东路交叉口",
            "offence": "机动车违反规定停放",
            "fine": 15000,
            "points": 0,
        },
    }
    body = msgspec.json.encode(event).decode()
    return (
        f"curl -sS {url}/v1/events -H 'Authorization: Bearer {key}' \\\n"
        f"  -H 'Content-Type: application/cloudevents+json' \\\n  -d '{body}'"
    )
