"""``hub demo`` and ``hub simulate``: the river on time of our own."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hub.commands.console import fail, say, say_json, settings, table

if TYPE_CHECKING:
    from hub.demo import Played, Progress

FOLDER = "demo"
"""Beside the hub's own data folder: what was played can be looked at with every other command."""

EVENTS_MAX = 1_000_000


def demo(
    events: Annotated[
        int, typer.Option(min=1, max=EVENTS_MAX, help="How many events come in all.")
    ] = 20_000,
    days: Annotated[int, typer.Option(min=1, max=14, help="Over how many simulated days.")] = 3,
    seed: Annotated[int, typer.Option(help="The same seed plays the same story.")] = 1,
    folder: Annotated[
        Path | None, typer.Option(help="Data folder; what an earlier demo left in it goes.")
    ] = None,
) -> None:
    """Play three days of the six services with every fault; ends by itself within a minute."""
    import msgspec
    import uvloop

    from hub.demo import clear, play
    from hub.folder import held

    told = settings()
    place = folder or told.data_dir.with_name(FOLDER)
    with held(place):
        clear(place)
        told = msgspec.structs.replace(told, data_dir=place)
        played = uvloop.run(play(told, events, days, seed, _tell))
    _faults(played)
    say(f"Look at it: HUB_DATA_DIR={place} hub report")
    say_json(played.line())
    if played.parts.in_flight or played.unaccounted or played.duplicates:
        raise typer.Exit(1)


def _tell(progress: "Progress") -> None:
    from hub.demo import BEIJING

    parts = progress.parts
    at = datetime.fromtimestamp(progress.now_ms / 1000, BEIJING)
    say(
        f"day {progress.day:2} {at:%H:%M}  events {progress.events:6,}"
        f"  notifications {parts.notifications:6,}  delivered {parts.delivered:6,}"
        f"  in flight {parts.in_flight:5,}"
    )


def _faults(played: "Played") -> None:
    from channels.sandbox_model import FAULTS

    rows = [(fault, played.faults.get(fault, 0)) for fault in FAULTS]
    table("Faults of the carrier, and how often each struck", ("fault", "times"), rows)


def simulate(
    seed: Annotated[int, typer.Option(help="The seed: its story is the same each time.")],
) -> None:
    """Play one seed of the simulator, as `make sim` does thousands of."""
    import subprocess
    import sys

    from hub.carrier import CHECKOUT

    if not (CHECKOUT / "tests" / "simulation").is_dir():
        fail("the simulator is part of a checkout, and this is none")
    command = [sys.executable, "-m", "tests.simulation", "--seed", str(seed)]
    run = subprocess.run(command, cwd=CHECKOUT, check=False)  # noqa: S603 - our own interpreter
    raise typer.Exit(run.returncode)
