"""The one-process hub, to be killed: what stands on its standard input is brought to its door.

    python -m tests.crash.hub_at_a_pipe

A line is a list of events in JSON; it is answered, once they are safe, by a line that says how
many. Time, folder and fail point come by the settings. The end of its input ends it.
"""

import asyncio
import json
import os
import sys

import uvloop

from hub.bootstrap import open_hub
from hub.clock import clock_of
from hub.settings import load
from streams.admission import Admission

LINE_MAX = 1 << 24


async def main() -> None:
    settings = load(os.environ)
    hub = open_hub(settings, clock_of(settings.clock))
    lines = asyncio.StreamReader(limit=LINE_MAX)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    async with asyncio.TaskGroup() as group:
        group.create_task(hub.bed.run())
        door = Admission(hub.river)
        print("at the door", flush=True)
        while line := await lines.readline():
            answers = await door.accept([event.encode() for event in json.loads(line)])
            assert {one.status for one in answers} <= {"accepted", "duplicate"}, answers
            print(len(answers), flush=True)
        hub.bed.stop()
    await hub.close()


if __name__ == "__main__":
    uvloop.run(main())
