"""What was measured, for people: tables in Markdown, and a chart. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

BAR_WIDTH = 360
LABEL_WIDTH = 210
VALUE_WIDTH = 60
ROW_HEIGHT = 22

Row = tuple[str, str, str]
"""What, measured, and the mark to reach."""


def rows(found: Mapping[str, Any]) -> list[Row]:
    """One line for each figure of the parts that were measured."""
    made: list[Row] = []
    for name, part in _PARTS.items():
        if name in found:
            made += part(found[name])
    return made


def lines(found: Mapping[str, Any]) -> list[tuple[str, float]]:
    """CPU µs a notification, line by line, and their sum."""
    if "lines" not in found:
        return []
    by_line: dict[str, float] = found["lines"]["lines"]
    return [*by_line.items(), ("sum", sum(by_line.values()))]


def chart(bars: Iterable[tuple[str, float]]) -> str:
    """Bars beside each other's names, as SVG; the table beside it says the same."""
    bars = [*bars]
    top = max((value for _, value in bars), default=0.0) or 1.0
    width, height = LABEL_WIDTH + BAR_WIDTH + VALUE_WIDTH, ROW_HEIGHT * len(bars)
    pieces = []
    for number, (name, value) in enumerate(bars):
        y, size = number * ROW_HEIGHT, value * BAR_WIDTH / top
        middle = y + ROW_HEIGHT * 0.7
        pieces += [
            f'<text x="{LABEL_WIDTH - 8}" y="{middle:.1f}" text-anchor="end">{escape(name)}</text>',
            f'<rect x="{LABEL_WIDTH}" y="{y + 3}" width="{size:.1f}" height="{ROW_HEIGHT - 6}"/>',
            f'<text x="{LABEL_WIDTH + size + 6:.1f}" y="{middle:.1f}">{value:.1f}</text>',
        ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}"'
        f' height="{height}" font-family="sans-serif" font-size="13" role="img">'
        "<style>text{fill:#59636e}rect{fill:#b3541e}</style>"
        f"<title>CPU µs a notification, by line</title>{''.join(pieces)}</svg>\n"
    )


def _flow(part: Mapping[str, Any]) -> list[Row]:
    made = [
        ("notifications a second, end to end", f"{part['per_second']:,.0f}", "5,000"),
        ("CPU µs a notification, all in", f"{part['us_total']:.0f}", "250, 150, then 100"),
        ("delivered", f"{part['delivered_share']:.1%}", "at least 95 %"),
    ]
    made += [(f"CPU: {name}", f"{us:.1f} µs", "") for name, us in _largest(part["us"])]
    made += [
        ("apart: who brings the events", f"{part['upstream_us']:.1f} µs", ""),
        ("apart: the carrier", f"{part['carrier_us']:.1f} µs", ""),
    ]
    made += [(f"memory: {name}", f"{mb:,.0f} MB", "") for name, mb in _largest(part["memory_mb"])]
    made += [(f"on disk: {name}", f"{n:,.0f} bytes", "") for name, n in part["bytes"].items()]
    return made


def _loading(part: Mapping[str, Any]) -> list[Row]:
    return [
        (
            f"before it: {part['recipients']:,} recipients registered",
            f"{part['seconds']:,.0f} s, {part['bytes']:,.0f} bytes each",
            "",
        )
    ]


def _latency(part: Mapping[str, Any]) -> list[Row]:
    what = f"event → accepted at {part['per_second']:,.0f} a second"
    return [(what, _waits(part["accepted"]), "")]


def _emergency(part: Mapping[str, Any]) -> list[Row]:
    behind = f"behind {part['bulletins']:,} bulletins"
    made = [
        (f"warning → accepted {behind}: {channel}", _waits(waits), "p99 at most 1 s")
        for channel, waits in part["accepted"].items()
    ]
    made += [
        ("of it: until it is decided", _waits(part["decided"]), ""),
        ("of it: from there to the acceptance", _waits(part["handed"]), ""),
    ]
    return made


def _fan_out(part: Mapping[str, Any]) -> list[Row]:
    what = f"a warning to {part['recipients']:,}"
    return [
        (what, f"{part['seconds']:,.0f} s, {part['per_second']:,.0f} people a second", ""),
        ("the same to 24 million, extrapolated", f"{part['nation_minutes']:,.0f} min", ""),
    ]


def _growth(part: Mapping[str, Any]) -> list[Row]:
    made = [
        (f"CPU µs with {count:,} journalled", f"{us:.0f} ({mb / 1000:,.1f} GB)", "")
        for count, us, mb in zip(
            part["journalled"], part["us_total"], part["database_mb"], strict=True
        )
    ]
    return [*made, ("one against the other", f"{part['ratio']:.2f} ×", "at most 1.2 ×")]


def _checks(part: Mapping[str, Any]) -> list[Row]:
    whole = part["archived"] == part["events"] and part["projections_equal"]
    right = whole and not part["faults"] and not part["sent_twice"]
    took = sum(part["seconds"].values())
    made = [
        (
            f"journal, archive, projections, chain and ledger of {part['events']:,} events",
            f"{'agree' if right else 'DISAGREE'} (checked in {took:,.0f} s)",
            "agree",
        )
    ]
    if gateway := part.get("gateway"):
        parts = f"{gateway['taken']:,} by the gateway, {part['parts']:,} by the journal"
        made += [
            ("parts of texts taken", parts, "equal"),
            ("receipts acknowledged to the gateway", f"{gateway['acknowledged']:,}", "all"),
        ]
    return made


_PARTS = {
    "loading": _loading,
    "flow": _flow,
    "latency": _latency,
    "emergency": _emergency,
    "fan_out": _fan_out,
    "growth": _growth,
    "checks": _checks,
}


def _waits(part: Mapping[str, int]) -> str:
    return f"p50 {part['p50_ms']:,} ms, p99 {part['p99_ms']:,} ms"


def _largest(part: Mapping[str, float]) -> Sequence[tuple[str, float]]:
    return sorted(part.items(), key=lambda one: -one[1])
