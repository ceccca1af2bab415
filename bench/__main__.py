"""`make bench`: measure the river on this machine, print the table, keep the JSON."""

import argparse
import asyncio
import json
import tempfile
from dataclasses import replace
from pathlib import Path

import uvloop

from bench import backlog, machine, river

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--backlog", type=int, default=500_000)
    chosen = parser.parse_args()
    before_us = machine.yardstick_us()
    with tempfile.TemporaryDirectory() as folder:
        result = uvloop.run(river.run(chosen.events, Path(folder), by_step=False))
    with tempfile.TemporaryDirectory() as folder:
        steps = uvloop.run(river.run(chosen.events // 4, Path(folder), by_step=True))
    result = replace(result, us={**result.us, **steps.us})
    print(river.table(result))
    found: dict[str, object] = {
        "machine": machine.described(before_us),
        "river": river.as_json(result),
    }
    if chosen.backlog:
        with tempfile.TemporaryDirectory() as folder:
            memory = uvloop.run(backlog.run(chosen.backlog, Path(folder)))
        print(f"backlog: {memory}")
        found["backlog"] = memory
    print(f"machine: {found['machine']}")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "local.json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    main()
