"""Writes to a journal without end and says what was answered; `test_sqlite` kills it."""

import sys
from pathlib import Path

from streams.journal.base import Archived, Entry, Group, Lookup, Timer, Unit
from streams.journal.sqlite import SqliteStore

ROWS_A_UNIT = 3


def main(path: Path) -> None:
    store = SqliteStore(path)
    number = store.head()
    while True:
        units = []
        for _ in range(20):
            number += ROWS_A_UNIT
            stream = number.to_bytes(16, "big")
            rows = tuple(Entry(stream, n, "Routed", bytes(200)) for n in range(1, ROWS_A_UNIT + 1))
            units.append(Unit(rows, (Lookup(stream, b"", stream),), (Timer(1, stream, "x"),)))
        archive = [Archived(number.to_bytes(16, "big"), b"", 0, "t", "r", bytes(300))]
        print(store.commit([Group(units, archive)], 1_760_000_000_000)[0].pos, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
