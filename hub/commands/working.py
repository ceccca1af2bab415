"""``hub worker`` and ``hub web``: the processes of a cluster."""

from enum import StrEnum
from typing import Annotated

import typer

from hub.commands.console import MISUSED, fail, say, settings
from hub.settings import Settings


class Kind(StrEnum):
    """What a worker does."""

    ROUTER = "router"
    DISPATCHER = "dispatcher"
    RECEIVER = "receiver"
    TIMER = "timer"


def worker(
    kinds: Annotated[list[Kind], typer.Argument(help=f"What it does: {', '.join(Kind)}.")],
) -> None:
    """Run one worker of a cluster, of one kind or several."""
    import uvloop

    from hub.clock import clock_of
    from hub.workers import work

    told = _of_a_cluster()
    uvloop.run(work(told, clock_of(told.clock), [kind.value for kind in kinds], say))


def web() -> None:
    """Run the pages and the API of a cluster."""
    import uvloop

    from hub.clock import clock_of
    from hub.pages import serve_pages

    told = _of_a_cluster()
    uvloop.run(serve_pages(told, clock_of(told.clock), say))


def _of_a_cluster() -> Settings:
    told = settings()
    if not told.database:
        fail("HUB_DATABASE and HUB_KAFKA name the cluster; without one there is `hub up`", MISUSED)
    return told
