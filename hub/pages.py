"""``hub web``: the pages and the API of a cluster. Its door puts events on the topic."""

import asyncio
import signal
from collections.abc import Callable

import uvicorn

from hub.bootstrap import settle
from hub.cluster import ClusterHub, open_cluster
from hub.serving import GOODBYE_S, Server, listening
from hub.settings import Settings
from streams.clock import Clock
from streams.patience import away
from web.app import create_app

LOOK_MS = 5_000
REFRESH_MS = 1_000
"""How late a document that another process published is taken up."""


async def serve_pages(settings: Settings, clock: Clock, say: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT."""
    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.set)
    with listening(settings) as listener:
        hub = await open_cluster(settings, clock, ending, patient=False)
        settle()
        config = uvicorn.Config(
            create_app(hub),
            log_level="warning",
            access_log=False,
            loop="none",
            server_header=False,
            timeout_graceful_shutdown=GOODBYE_S,
        )
        server = Server(config)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(server.serve(sockets=[listener]))
                group.create_task(_refresh(hub, ending))
                group.create_task(_look(hub, ending))
                say(f"pages at http://{settings.host}:{listener.getsockname()[1]}/")
                await ending.wait()
                server.should_exit = True
        finally:
            await hub.close()


async def _look(hub: ClusterHub, ending: asyncio.Event) -> None:
    """Whether the brokers answer: the door needs them, no page does."""
    while not ending.is_set():
        await hub.topics.look()
        await hub.clock.wait(ending, LOOK_MS)


async def _refresh(hub: ClusterHub, ending: asyncio.Event) -> None:
    """Documents as they are published; while the database is away, those known."""
    while not ending.is_set():
        try:
            await hub.reads(hub.refresher.refresh)
        except Exception as error:
            if not (said := away(error)):
                raise
            hub.patience.wrong = said
        else:
            hub.patience.wrong = ""
        await hub.clock.wait(ending, REFRESH_MS)
