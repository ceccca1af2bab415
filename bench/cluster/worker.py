"""``hub worker KIND...`` under the sampler: `python -m bench.cluster.worker TABLE KIND...`."""

import os
import sys
from pathlib import Path

import uvloop

from bench.cluster.sampler import Sampler
from hub.clock import clock_of
from hub.settings import load
from hub.workers import work


def say(sentence: str) -> None:
    print(sentence, flush=True)


if __name__ == "__main__":
    table, *kinds = sys.argv[1:]
    settings = load(os.environ)
    sampler = Sampler(Path(table))
    sampler.start()
    try:
        uvloop.run(work(settings, clock_of(settings.clock), kinds, say))  # type: ignore[arg-type]
    finally:
        sampler.stop()
