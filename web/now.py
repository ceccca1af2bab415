"""What is going on now: where work waits, what became of everything, and how well it arrives."""

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from litestar import Request, Response, get
from litestar.response import Redirect
from markupsafe import Markup
from sqlalchemy import func, literal, select

from channels.carriers import CARRIERS
from streams.core.policy import DAY_MS, HOUR_MS, MINUTE_MS
from streams.journal.schema import timer
from streams.lane_views import LaneView
from streams.reading import By
from streams.topics import PARKED, ROUTED
from streams.views import Delivery, Minute, Rates, Totals
from web.charts import Cell, Part, bar, grid, sparkline
from web.site import STREAM, Here, Site
from web.words import Speech

SPANS = {"hour": HOUR_MS, "day": DAY_MS, "week": 7 * DAY_MS}
POINTS = 12
"""Points of a chart: five minutes of an hour, two hours of a day."""

AXIS = {"hour": "%H:%M", "day": "%H:%M", "week": "%m-%d"}
"""How the points of each span are told apart."""

NEWEST = 12
ALARM_MAX = 1_000
"""Quarantined items counted for the alarm."""

TIMERS_COUNTED = 100_000
"""Beyond, it only matters that there are many: counting a million reminders holds up a reader."""

BYS: tuple[By, ...] = ("channel", "carrier", "notice")


class Stage(NamedTuple):
    """Where work may wait. ``more`` when it was not counted to the end."""

    name: str
    waiting: int
    more: bool = False
    next_ms: int = 0


class Line(NamedTuple):
    """One line of a delivery table."""

    title: str
    rates: Rates
    rate: float | None
    bar: Markup


@get("/", include_in_schema=False)
async def now(request: Request[Any, Any, Any], site: Here) -> Response[str]:
    """The first page of staff; ``?part=live`` is what of it moves."""
    t = site.speech(request)
    span = request.query_params.get("span", "hour")
    span = span if span in SPANS else "hour"
    values = await asyncio.to_thread(_values, site, t, span)
    live = request.query_params.get("part") == "live"
    values |= {"span": span, "spans": list(SPANS), "title_of": titles(site, t)}
    return site.page(request, "now_live.html" if live else "now.html", values)


@get("/find", include_in_schema=False, sync_to_thread=False)
def find(request: Request[Any, Any, Any]) -> Redirect:
    """From whatever somebody holds in hand to its page."""
    asked = request.query_params.get("q", "").strip()
    if STREAM.fullmatch(asked.lower()):
        return Redirect(f"/notifications/{asked.lower()}", status_code=303)
    where = "cases" if "=" in asked else "recipients"
    return Redirect(f"/{where}/{quote(asked, safe='')}" if asked else "/", status_code=303)


def titles(site: Site, t: Speech) -> Any:
    """What notices are called, by id; one that is no longer in the catalog keeps its id."""
    notices = site.hub.river.documents.catalog.notices

    def title(name: str) -> str:
        return notices[name].title[t.language] if name in notices else name

    return title


def _values(site: Site, t: Speech, span: str) -> dict[str, Any]:
    reading = site.reading
    totals = reading.standing()
    lanes = reading.lanes(site.now_ms(), t.language)
    until_ms = site.now_ms() // MINUTE_MS * MINUTE_MS + MINUTE_MS
    since_ms, step_ms = until_ms - SPANS[span], SPANS[span] // POINTS
    minutes = reading.minutes(since_ms, until_ms, step_ms)
    heat_columns = [site.clock_time(minute.start_ms, AXIS[span]) for minute in minutes]
    heat_rows = _heat(site, t, since_ms, until_ms, step_ms)
    return {
        "stages": _stages(site, totals),
        "lanes": lanes,
        "costs": sorted(reading.costs().items(), key=lambda cost: -cost[1].cost),
        "wrong": site.hub.wrong(),
        "absent": site.hub.absent(),
        "notes": site.hub.notes(),
        "alarms": _alarms(site, totals, lanes),
        "totals": totals,
        "accounts_bar": bar([Part(name, n) for name, n in totals.categories.items()], width=960),
        "rates": {by: _lines(site, t, by, reading.delivery(by, since_ms, until_ms)) for by in BYS},
        "minutes": minutes,
        "axis": AXIS[span],
        "step": t.duration(step_ms),
        "most": max(minute.rates.delivered for minute in minutes),
        "course": sparkline([minute.rates.delivered for minute in minutes], "delivered"),
        "heat": grid(heat_columns, heat_rows),
        "heat_columns": heat_columns,
        "heat_rows": heat_rows,
        "newest": reading.newest(NEWEST),
    }


def _stages(site: Site, totals: Totals) -> list[Stage]:
    waiting = {topic: count for topic, (count, _) in site.reading.backlog().items()}
    held, next_ms = _timers(site)
    return [
        Stage("events", sum(waiting.get(name, 0) for name in ROUTED)),
        Stage("held", totals.categories.get("held", 0)),
        Stage("timers", held, held == TIMERS_COUNTED, next_ms),
        Stage("sending", totals.categories.get("sending", 0)),
        Stage("accepted", totals.categories.get("accepted", 0)),
        Stage("parked", waiting.get(PARKED, 0)),
        Stage("delivered", totals.categories.get("delivered", 0)),
    ]


def _timers(site: Site) -> tuple[int, int]:
    """How many timers there are, up to a bound, and when the next is due (0: none)."""
    some = select(literal(1)).select_from(timer).limit(TIMERS_COUNTED).subquery()
    with site.hub.store.readers.connect() as connection:
        count = connection.scalar(select(func.count()).select_from(some)) or 0
    return count, site.hub.store.next_due_ms() or 0


def _alarms(site: Site, totals: Totals, lanes: Sequence[LaneView]) -> list[tuple[str, int, str]]:
    """What somebody should look at: its word, how many, and where."""
    known = [
        ("alarm_quarantine", len(site.reading.quarantined("open", ALARM_MAX)), "/quarantine"),
        ("alarm_lanes", sum(lane.state == "left_alone" for lane in lanes), "#lanes"),
        ("alarm_swept", site.reading.swept(site.now_ms() - DAY_MS).caught, "/metrics"),
        ("alarm_unconfirmed", totals.categories.get("unconfirmed", 0), "#accounts"),
    ]
    return [alarm for alarm in known if alarm[1]]


def _lines(site: Site, t: Speech, by: By, deliveries: Sequence[Delivery]) -> list[Line]:
    title = titles(site, t) if by == "notice" else lambda name: t.named(by, name)
    return [
        Line(
            title(one.name) if one.name else t(f"now.no_{by}"),
            one.rates,
            one.delivery_rate,
            bar(
                [
                    Part("delivered", one.rates.delivered),
                    Part("undelivered", one.rates.undelivered),
                    Part("unconfirmed", one.rates.unconfirmed),
                ]
            ),
        )
        for one in deliveries
        if one.rates.accepted or one.delivery_rate is not None
    ]


def _heat(
    site: Site, t: Speech, since_ms: int, until_ms: int, step_ms: int
) -> list[tuple[str, list[Cell]]]:
    """Delivery rates of each carrier over time; carriers without any are left out."""
    rows = []
    for carrier in CARRIERS:
        minutes = site.reading.minutes(since_ms, until_ms, step_ms, "carrier", carrier)
        cells = [_cell(minute) for minute in minutes]
        if any(cell.rate is not None for cell in cells):
            rows.append((t.named("carrier", carrier), cells))
    return rows


def _cell(minute: Minute) -> Cell:
    rate = minute.rates.delivery_rate
    return Cell(rate, "" if rate is None else f"{int(rate * 100)}")
