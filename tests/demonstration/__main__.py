"""``make demo-carriers`` and ``make demo-real``: messages by every lane at once, counted twice.

    python -m tests.demonstration carriers [--messages 20000]

Each lane leads to a gateway of its own that somebody else wrote, or to a sandbox of ours where
there is none. The last line is JSON: for each lane what the hub's read models count, and what its
peer counts by itself. The exit code is 0 when the two agree everywhere, and nobody was left behind.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path

from tests.demonstration import gateways, others, providers
from tests.demonstration.lane import DemoLane
from tests.demonstration.running import Counts, run

DEMOS: dict[str, tuple[int, tuple[type[DemoLane], ...]]] = {
    "carriers": (
        20_000, (gateways.SmppA, gateways.SmppOnJsmppB, gateways.Cmpp2C, gateways.Cmpp3D),
    ),
    "real": (
        5_000,
        (
            gateways.SmppA, gateways.Cmpp2C, gateways.Cmpp3D, providers.TwilioText,
            providers.TwilioCall, providers.DeclaredText, providers.InboxLane, others.Mail,
            others.Push,
        ),
    ),
}  # fmt: skip
"""How many messages, and by which lanes."""


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.demonstration", description=__doc__)
    parser.add_argument("demo", choices=DEMOS)
    parser.add_argument("--messages", type=int, default=0)
    told = parser.parse_args(words)
    usual, kinds = DEMOS[told.demo]
    with tempfile.TemporaryDirectory(prefix="fenghuo-demo-") as folder:
        lanes = [kind(Path(folder)) for kind in kinds]
        if lacking := sorted({lack for lane in lanes if (lack := lane.lacks())}):
            print(f"{told.demo} cannot be shown here: {', '.join(lacking)}")
            return 2
        counts = asyncio.run(run(Path(folder), lanes, told.messages or usual))
    return concluded(counts)


def concluded(counts: dict[str, Counts]) -> int:
    """Say what differs, then the line for machines; the exit code."""
    wrong = [f"{name}: {fault}" for name, one in counts.items() if (fault := one.fault)]
    print("\n".join(wrong) or "Every lane's books agree with its peer's.")
    lines = {name: one.line() for name, one in counts.items()}
    print(json.dumps({"lanes": lines}, ensure_ascii=False), flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
