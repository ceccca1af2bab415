"""`make bench-cluster`: measure the cluster on this machine, part by part, and keep the JSON.

    python -m bench.cluster                              # everything, over an hour
    python -m bench.cluster --parts latency --rate 2000  # one part; the others' results stay
    python -m bench.cluster --carrier smpp               # what goes by text alone, over SMPP
    python -m bench.cluster --quick                      # whether it works

Growth needs a cluster of its own; the other parts share one, in this order. What was found over
SMPP is kept under ``smpp``, beside what was found with the sandbox.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import Any, get_args

import msgspec

from bench import machine
from bench.cluster import emergency, flow, growth, latency
from bench.cluster.bed import SANDBOX, Bed, Carrier, opened, say, shown
from bench.cluster.checks import check

RESULTS = Path(__file__).parent.parent / "results" / "cluster.json"
PARTS = ("flow", "lines", "latency", "emergency", "fan-out", "growth")
TEXT_PARTS = ("flow", "lines")
"""What is measured over SMPP: the others go by voice and the inbox too, or are not about carriers.
"""

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
    results = Results(chosen.out, chosen.carrier, machine.yardstick_us())
    results.found["sizes"] = msgspec.to_builtins(sizes)
    wrong: list[str] = []
    if shared := [part for part in PARTS if part in chosen.parts and part != "growth"]:
        with opened(sizes.partitions, chosen.folder, chosen.carrier) as bed:
            wrong += _measure(bed, shared, sizes, results, chosen.rate)
    if "growth" in chosen.parts:
        with opened(sizes.partitions, chosen.folder) as bed:
            say(f"growth: {sizes.base:,} and {sizes.grown:,} journalled")
            bed.load(sizes.grown_recipients)
            grown = growth.measure(bed, sizes.base, sizes.grown, sizes.grown_events)
            results.keep("growth", grown)
            say(f"growth: {grown.us_total} µs, {grown.ratio:.2f} times as much")
    for sentence in wrong:
        print(sentence, file=sys.stderr)
    return 1 if wrong else 0


class Results:
    """The file of results, of which ``found`` is what one carrier's runs found. ``before_us``: the
    yardstick before anything ran; it is taken again behind each part."""

    def __init__(self, file: Path, carrier: Carrier, before_us: float) -> None:
        self._file = file
        self._before_us = before_us
        self._all = dict(msgspec.json.decode(file.read_bytes())) if file.exists() else {}
        self.found: dict[str, Any] = (
            self._all if carrier == SANDBOX else self._all.setdefault(carrier, {})
        )

    def keep(self, name: str, result: msgspec.Struct) -> None:
        """Every part at once: an hour's work is not lost with the last."""
        self.found["machine"] = machine.described(self._before_us)
        self.found[name] = msgspec.to_builtins(result)
        self._file.parent.mkdir(exist_ok=True)
        self._file.write_bytes(
            msgspec.json.format(msgspec.json.encode(self._all), indent=1) + b"\n"
        )

    def rate(self) -> float:
        """Of the flow, a second."""
        if "flow" not in self.found:
            raise SystemExit("no flow was measured yet: say --rate, or --parts flow latency")
        return float(self.found["flow"]["per_second"])


def _measure(bed: Bed, parts: list[str], sizes: Sizes, results: Results, rate: float) -> list[str]:
    """The parts that share a cluster; what was wrong. ``rate`` 0: by the flow's."""
    before = bed.disk()["database"]
    seconds = bed.load(sizes.recipients)
    each = (bed.disk()["database"] - before) / sizes.recipients
    say(f"{sizes.recipients:,} recipients in {seconds:.0f} s, {each:,.0f} bytes each")
    results.found["loading"] = {
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
                wrong += _flow(bed, sizes, results)
            case "lines":
                lines = flow.by_line(bed, sizes.sampled)
                results.keep("lines", lines)
                say(f"lines: {lines.attributed:.1%} attributed: {shown(lines.lines)}")
            case "latency":
                rate = rate or results.rate() / HALF
                waited = latency.measure(bed, sizes.paced, rate)
                results.keep("latency", waited)
                say(f"latency at {rate:,.0f} a second: {waited.accepted}")
            case "emergency":
                per_second = sizes.warnings / sizes.warned_s
                told = emergency.measure(bed, sizes.bulletins, sizes.warnings, per_second)
                results.keep("emergency", told)
                say(f"emergency: {told}")
            case "fan-out":
                wide = emergency.fan_out(bed, sizes.fan_out)
                results.keep("fan_out", wide)
                say(f"fan-out: {wide}")
        say(f"{part}: took {time.monotonic() - start_s:.0f} s")
    say("checks: journal, archive and projections")
    checked = check(bed)
    results.keep("checks", checked)
    return wrong + checked.wrong()


def _flow(bed: Bed, sizes: Sizes, results: Results) -> list[str]:
    flowed = flow.measure(bed, sizes.events)
    results.keep("flow", flowed)
    say(
        f"flow: {flowed.per_second:,.0f} a second, {flowed.delivered_share:.1%} delivered,"
        f" {flowed.us_total:.0f} µs each: {shown(flowed.us)};"
        f" upstream {flowed.upstream_us:.0f}, carrier {flowed.carrier_us:.0f}"
    )
    if flowed.delivered_share < DELIVERED_LEAST:
        return [f"only {flowed.delivered_share:.1%} were delivered"]
    return []


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--carrier", choices=get_args(Carrier), default=SANDBOX)
    parser.add_argument("--parts", nargs="+", choices=PARTS)
    parser.add_argument("--quick", action="store_true", help="small sizes: does it work?")
    parser.add_argument("--rate", type=float, default=0.0, help="for latency, events a second")
    parser.add_argument("--folder", type=Path, help="where the cluster's data lie meanwhile")
    parser.add_argument("--out", type=Path, default=RESULTS)
    for name in Sizes.__struct_fields__:
        kind = type(getattr(QUICK, name))
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind)
    chosen = parser.parse_args()
    possible = PARTS if chosen.carrier == SANDBOX else TEXT_PARTS
    chosen.parts = chosen.parts or possible
    if not set(chosen.parts) <= set(possible):
        parser.error(f"--carrier {chosen.carrier}: --parts must be of {', '.join(possible)}")
    return chosen


if __name__ == "__main__":
    sys.exit(main())
