"""A hub that is served over a real socket, and the system's Chromium to look at it."""

import asyncio
import itertools
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, sync_playwright

from channels.lanes import DEFAULT_LANES
from tests.web.world import World, world

CHROMIUM = "/usr/bin/chromium"
QUIET = [  # a browser that calls nobody
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


CONTACT = "mailto:push@authority.example"
PUSH_SERVICE = "http://127.0.0.1:9"
"""Where nobody is: this Chromium has no push service, and pages are what is looked at."""


PUSH_LANE = """
[[lane]]
name = "push-web"
channel = "push"
provider = "push_web"
carriers = ["web"]
rate_per_s = 100
"""


class Served:
    """The hub runs in a thread with a loop of its own; ``do`` runs something there."""

    def __init__(self, there: World, loop: asyncio.AbstractEventLoop, address: str) -> None:
        self.world = there
        self.address = address
        self._loop = loop
        self._numbers = itertools.count(1_000)

    def number(self) -> int:
        """One that no other event has."""
        return next(self._numbers)

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=60)


def serve(folder: Path, ready: Callable[[Served], None], end: threading.Event) -> None:
    async def run() -> None:
        lanes = folder / "lanes.toml"
        lanes.write_text(DEFAULT_LANES.read_text(encoding="utf-8") + PUSH_LANE, encoding="utf-8")
        told = {"lanes": lanes, "push_contact": CONTACT, "push_hosts": (PUSH_SERVICE,)}
        async with world(folder, **told) as there:
            config = uvicorn.Config(there.app, port=0, log_level="error", lifespan="off")
            server = uvicorn.Server(config)
            serving = asyncio.create_task(server.serve())
            await there.until(lambda: server.started)
            port = server.servers[0].sockets[0].getsockname()[1]
            ready(Served(there, asyncio.get_running_loop(), f"http://127.0.0.1:{port}"))
            await asyncio.to_thread(end.wait)
            server.should_exit = True
            await serving

    asyncio.run(run())


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One hub for all these tests."""
    made: list[Served] = []
    ready, end = threading.Event(), threading.Event()

    def note(one: Served) -> None:
        made.append(one)
        ready.set()

    thread = threading.Thread(target=serve, args=(tmp_path_factory.mktemp("hub"), note, end))
    thread.start()
    assert ready.wait(30), "the hub did not start"
    yield made[0]
    end.set()
    thread.join(30)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A fresh page whose console must stay empty: a blocked style or script is told there."""
    context = chromium.new_context(locale="zh-CN", viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    said: list[str] = []
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    yield opened
    context.close()
    # an answer of 422 is told there too, and is what a test may ask for
    assert [text for text in said if "status of 422" not in text] == []
