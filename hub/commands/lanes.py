"""``hub lanes``: how the lanes stand, and how people steer them."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from hub.commands.asking import moment_of
from hub.commands.console import Json, Reason, say, say_json, settings, table
from hub.commands.publishing import beside, me, say_journalled

if TYPE_CHECKING:
    from streams.lane_views import LaneView

lanes = typer.Typer(invoke_without_command=True)

LaneName = Annotated[str, typer.Argument(help="The lane's name, as the lanes file has it.")]
Language = Annotated[Literal["zh", "en"], typer.Option(help="Of the reasons.")]


@lanes.callback()
def show(context: typer.Context, language: Language = "en", json: Json = False) -> None:
    """State, rate, what waits, when that is through, and why a lane stands as it does."""
    if context.invoked_subcommand is not None:
        return
    from hub.books import open_books
    from hub.clock import clock_of

    told = settings()
    with open_books(told) as books:
        now_ms = clock_of(told.clock).now_ms()
        views = books.reading.lanes(now_ms, language)
    if json:
        say_json(views)
        return
    columns = ("lane", "state", "share", "weight", "rate/s", "now/s", "waiting", "through in")
    table("", columns, [_row(view) for view in views])
    for view in views:
        for at_ms, sentence in view.reasons:
            say(f"{moment_of(at_ms)}  {sentence}")
        for notice in view.stopped:
            say(f"{view.name}: the wording of {notice} is stopped; `hub lanes allow` lifts it")


def _row(view: "LaneView") -> tuple[object, ...]:
    through = "never" if view.drain_s is None else _span(view.drain_s)
    return (
        view.name, view.state.replace("_", " "), f"{view.share} %", view.weight, view.rate_per_s,
        view.load_per_s, view.waiting, through,
    )  # fmt: skip


def _span(seconds: int) -> str:
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3_600:
        return f"{seconds // 60} min"
    return f"{seconds // 3_600} h {seconds % 3_600 // 60} min"


@lanes.command()
def pause(lane: LaneName, reason: Reason, json: Json = False) -> None:
    """Take a lane out of use; what waits for it moves to others, little by little."""
    _steer(lane, "pause", reason, json)


@lanes.command()
def resume(lane: LaneName, reason: Reason, json: Json = False) -> None:
    """Take a paused lane into use again."""
    _steer(lane, "resume", reason, json)


@lanes.command()
def weight(
    lane: LaneName,
    weight: Annotated[int, typer.Argument(min=0, max=1_000, help="0: that of the lanes file.")],
    reason: Reason,
    json: Json = False,
) -> None:
    """Give a lane more or less of the work it shares with others."""
    _steer(lane, "weight", reason, json, weight=weight)


@lanes.command()
def allow(
    lane: LaneName,
    notice: Annotated[str, typer.Argument(help="The notice whose wording was stopped there.")],
    reason: Reason,
    json: Json = False,
) -> None:
    """Let a wording that the carrier refused go by a lane again."""
    _steer(lane, "allow", reason, json, notice=notice)


def _steer(
    lane: str,
    action: Literal["pause", "resume", "weight", "allow"],
    reason: str,
    json: bool,
    weight: int = 0,
    notice: str = "",
) -> None:
    with beside() as (hub, runner):
        steering = hub.commands.steer_lane(lane, action, me(), reason, weight, notice)
        answer = runner.run(steering)
    say_journalled(answer, json)
