"""`make bench-cluster`: measure the cluster on this machine, part by part, and keep the JSON.

    python -m bench.cluster                              # everything, over an hour
    python -m bench.cluster --parts latency --rate 2000  # one part; the others' results stay
    python -m bench.cluster --quick                      # whether it works

Growth needs a cluster of its own; the other parts share one, in this order.
"""

import argparse
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from bench.cluster import emergency, flow, growth, latency
from bench.cluster.bed import Bed, opened, say, shown
from bench.cluster.checks import check

RESULTS = Path(__file__).parent.parent / "results" / "cluster.json"
PARTS = ("flow", "lines", "latency", "emergency", "fan-out", "growth")

HALF = 2
"""Latency is measured at a half of the rate."""

DELIVERED_LEAST = 0.95


class Sizes(msgspec.Struct, kw_only=True):
    """How large everything is. ``warned_s``: over how long the warnings come."""

    recipients: int = 1_000_000
    events: int = 1_000_000
    sampled: int = 200_000
    paced: int = 100_000
    bulletins: int = 500_000
    warnings: int = 1_000
    warned_s: float = 10.0
    fan_out: int = 1_000_000
    base: int = 1_000_000
    grown: int = 10_000_000
    grown_events: int = 200_000
    grown_recipients: int = 200_000
    partitions: int = 4


QUICK = Sizes(
    recipients=1_000, events=1_000, sampled=500, paced=300, bulletins=500, warnings=20,
    warned_s=1.0, fan_out=200, base=1_000, grown=3_000, grown_events=300, grown_recipients=300,
    partitions=2,
)  # fmt: skip
"""Shows that it works; no figure of it means anything."""


def main() -> int:
    chosen = _arguments()
    sizes = QUICK if chosen.quick else Sizes()
    for name in Sizes.__struct_fields__:
        if (size := getattr(chosen, name)) is not None:
            setattr(sizes, name, size)
    found: dict[str, Any] = _kept(chosen.out)
    found["machine"] = {"cores": os.cpu_count(), "python": platform.python_version()}
    found["sizes"] = msgspec.to_builtins(sizes)
    wrong: list[str] = []
    if shared := [part for part in PARTS if part in chosen.parts and part != "growth"]:
        with opened(sizes.partitions, chosen.folder) as bed:
            wrong += _measure(bed, shared, sizes, found, chosen)
    if "growth" in chosen.parts:
        with opened(sizes.partitions, chosen.folder) as bed:
            say(f"growth: {sizes.base:,} and {sizes.grown:,} journalled")
            bed.load(sizes.grown_recipients)
            grown = growth.measure(bed, sizes.base, sizes.grown, sizes.grown_events)
            _keep(found, "growth", grown, chosen.out)
            say(f"growth: {grown.us_total} µs, {grown.ratio:.2f} times as much")
    for sentence in wrong:
        print(sentence, file=sys.stderr)
    return 1 if wrong else 0


def _measure(
    bed: Bed, parts: list[str], sizes: Sizes, found: dict[str, Any], chosen: argparse.Namespace
) -> list[str]:
    """The parts that share a cluster; what was wrong."""
    out: Path = chosen.out
    before = bed.disk()["database"]
    seconds = bed.load(sizes.recipients)
    each = (bed.disk()["database"] - before) / sizes.recipients
    say(f"{sizes.recipients:,} recipients in {seconds:.0f} s, {each:,.0f} bytes each")
    found["loading"] = {
        "recipients": sizes.recipients,
        "seconds": seconds,
        "per_second": sizes.recipients / seconds,
        "bytes": each,
    }
    wrong: list[str] = []
    for part in parts:
        start_s = time.monotonic()
        say(f"{part}: begins")
        match part:
            case "flow":
                wrong += _flow(bed, sizes, found, out)
            case "lines":
                lines = flow.by_line(bed, sizes.sampled)
                _keep(found, "lines", lines, out)
                say(f"lines: {lines.attributed:.1%} attributed: {shown(lines.lines)}")
            case "latency":
                rate = chosen.rate or _rate(found) / HALF
                waited = latency.measure(bed, sizes.paced, rate)
                _keep(found, "latency", waited, out)
                say(f"latency at {rate:,.0f} a second: {waited.accepted}")
            case "emergency":
                per_second = sizes.warnings / sizes.warned_s
                told = emergency.measure(bed, sizes.bulletins, sizes.warnings, per_second)
                _keep(found, "emergency", told, out)
                say(f"emergency: {told}")
            case "fan-out":
                wide = emergency.fan_out(bed, sizes.fan_out)
                _keep(found, "fan_out", wide, out)
                say(f"fan-out: {wide}")
        say(f"{part}: took {time.monotonic() - start_s:.0f} s")
    say("checks: journal, archive and projections")
    checked = check(bed)
    _keep(found, "checks", checked, out)
    return wrong + checked.wrong()


def _flow(bed: Bed, sizes: Sizes, found: dict[str, Any], out: Path) -> list[str]:
    flowed = flow.measure(bed, sizes.events)
    _keep(found, "flow", flowed, out)
    say(
        f"flow: {flowed.per_second:,.0f} a second, {flowed.delivered_share:.1%} delivered,"
        f" {flowed.us_total:.0f} µs each: {shown(flowed.us)};"
        f" upstream {flowed.upstream_us:.0f}, carrier {flowed.carrier_us:.0f}"
    )
    if flowed.delivered_share < DELIVERED_LEAST:
        return [f"only {flowed.delivered_share:.1%} were delivered"]
    return []


def _rate(found: dict[str, Any]) -> float:
    if "flow" not in found:
        raise SystemExit("no flow was measured yet: say --rate, or --parts flow latency")
    return float(found["flow"]["per_second"])


def _kept(out: Path) -> dict[str, Any]:
    return dict(msgspec.json.decode(out.read_bytes())) if out.exists() else {}


def _keep(found: dict[str, Any], name: str, result: msgspec.Struct, out: Path) -> None:
    """Every part at once: an hour's work is not lost with the last."""
    found[name] = msgspec.to_builtins(result)
    out.parent.mkdir(exist_ok=True)
    out.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--quick", action="store_true", help="small sizes: does it work?")
    parser.add_argument("--rate", type=float, default=0.0, help="for latency, events a second")
    parser.add_argument("--folder", type=Path, help="where the cluster's data lie meanwhile")
    parser.add_argument("--out", type=Path, default=RESULTS)
    for name in Sizes.__struct_fields__:
        kind = type(getattr(QUICK, name))
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
