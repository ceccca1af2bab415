"""The sandbox carrier for the kill test: `python -m tests.crash.carrier LEDGER`."""

import asyncio
import sys
from pathlib import Path

from channels.sandbox import serve
from channels.sandbox_model import Faults

FAULTS = Faults(
    answer_lost=0.002, answer_late=0.005, throttled=0.01, transient=0.005, receipt_repeated=0.01,
    receipt_early=0.02, receipt_late=0.02, undelivered=0.01, receipt_ms=2_000,
)  # fmt: skip

if __name__ == "__main__":
    ledger = Path(sys.argv[1])
    asyncio.run(serve("127.0.0.1", 0, ledger, 7, FAULTS, lambda port: print(port, flush=True)))
