"""Small charts, made on the server as SVG. Pure.

They carry classes and no styles, so that a strict content policy lets them pass and the stylesheet
colours them by day and by night. A chart is a picture of a table that stands beside it: readers
who cannot see it lose nothing, and so each is hidden from them.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from markupsafe import Markup, escape

SPARK_WIDTH, SPARK_HEIGHT = 240, 48
BAR_HEIGHT = 10
CELL_WIDTH, CELL_HEIGHT = 36, 26
LABEL_WIDTH = 84
"""Room for a carrier's name; twelve columns beside it fill half a page."""

PAD = 2
"""Half a line's width, so that none is cut off at the edge."""


class Part(NamedTuple):
    """One piece of a bar: its class in the stylesheet, and its share of the whole."""

    name: str
    value: int


class Cell(NamedTuple):
    """One field of a grid: a rate of 0 to 1, None where there is nothing to tell."""

    rate: float | None
    text: str


def sparkline(values: Sequence[int], name: str = "line") -> Markup:
    """The course of a number, the oldest value first; its area filled to the ground."""
    if len(values) < 2:
        values = [*values, *values] or [0, 0]
    top = max(max(values), 1)
    width, height = SPARK_WIDTH - 2 * PAD, SPARK_HEIGHT - 2 * PAD
    points = [
        (PAD + i * width / (len(values) - 1), PAD + height - value * height / top)
        for i, value in enumerate(values)
    ]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    ground = SPARK_HEIGHT - PAD
    return _svg(
        "sparkline",
        SPARK_WIDTH,
        SPARK_HEIGHT,
        f'<polygon class="area {escape(name)}"'
        f' points="{PAD},{ground} {line} {SPARK_WIDTH - PAD},{ground}"/>'
        f'<polyline class="line {escape(name)}" points="{line}"/>',
        stretch=True,
    )


def bar(parts: Iterable[Part], width: int = SPARK_WIDTH, of: int = 0) -> Markup:
    """Parts of a whole, side by side; ``of`` is the whole where the parts are not all of it."""
    parts = [part for part in parts if part.value > 0]
    whole = max(of, sum(part.value for part in parts), 1)
    at = 0.0
    pieces = [f'<rect class="ground" width="{width}" height="{BAR_HEIGHT}"/>']
    for part in parts:
        size = part.value * width / whole
        pieces.append(
            f'<rect class="{escape(part.name)}" x="{at:.2f}" width="{size:.2f}"'
            f' height="{BAR_HEIGHT}"/>'
        )
        at += size
    return _svg("bar", width, BAR_HEIGHT, "".join(pieces), stretch=True)


def grid(columns: Sequence[str], rows: Sequence[tuple[str, Sequence[Cell]]]) -> Markup:
    """Rates by row and column, the darker the higher, each with its number."""
    width = LABEL_WIDTH + len(columns) * CELL_WIDTH
    height = (len(rows) + 1) * CELL_HEIGHT
    pieces = [
        _text(LABEL_WIDTH + (i + 0.5) * CELL_WIDTH, 0.65 * CELL_HEIGHT, "head middle", column)
        for i, column in enumerate(columns)
    ]
    for number, (label, cells) in enumerate(rows, 1):
        top = number * CELL_HEIGHT
        pieces.append(_text(0, top + 0.65 * CELL_HEIGHT, "head", label))
        for i, cell in enumerate(cells):
            left = LABEL_WIDTH + i * CELL_WIDTH
            pieces.append(
                f'<rect class="{_level(cell.rate)}" x="{left + 1}" y="{top + 1}" rx="2"'
                f' width="{CELL_WIDTH - 2}" height="{CELL_HEIGHT - 2}"/>'
            )
            middle = left + CELL_WIDTH / 2
            tone = f"middle on-{_level(cell.rate)}"
            pieces.append(_text(middle, top + 0.65 * CELL_HEIGHT, tone, cell.text))
    return _svg("grid", width, height, "".join(pieces))


def _level(rate: float | None) -> str:
    """Most rates lie near one, so the shades do too: below a half, 50 to 80, 80 to 90, …"""
    if rate is None:
        return "level-none"
    steps = (0.5, 0.8, 0.9, 0.95, 0.99)
    return f"level-{sum(rate >= step for step in steps)}"


def _text(x: float, y: float, name: str, text: str) -> str:
    return f'<text class="{name}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'


def _svg(name: str, width: int, height: int, inside: str, *, stretch: bool = False) -> Markup:
    fill = ' preserveAspectRatio="none"' if stretch else ""
    # nothing in it comes from outside unescaped
    return Markup(  # noqa: S704
        f'<svg class="chart {name}" viewBox="0 0 {width} {height}" width="{width}"'
        f' height="{height}"{fill} aria-hidden="true" focusable="false">{inside}</svg>'
    )
