"""The sandbox carrier as the benchmark's own process: `python -m bench.carrier LEDGER`."""

import asyncio
import sys
from pathlib import Path

from bench.world import FAULTS
from channels.sandbox import serve

if __name__ == "__main__":
    ledger = Path(sys.argv[1])
    asyncio.run(serve("127.0.0.1", 0, ledger, 1, FAULTS, lambda port: print(port, flush=True)))
