"""The sandbox carrier as a process of the hub's own: started, watched, ended by its id.

It lives in a session of its own, so that Ctrl-C reaches the hub alone and finds the carrier still
there to drain towards. A pipe to its standard input tells it when the hub is gone, even killed.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

CHECKOUT = Path(__file__).parent.parent

START_S = 20
"""How long the process may take to listen: it first reads back its whole ledger."""

END_S = 5
"""How long it may take to end before it is killed."""

RESTART_S = 1
"""Between its death and its next start, so that one that cannot live costs little."""


class CarrierFailed(Exception):  # noqa: N818 - named for what is known
    """The process did not begin to listen; the text is what it said."""


class Carrier:
    """The process. ``port`` is where it listens once it is started; a restart keeps it."""

    def __init__(self, host: str, port: int, ledger: Path, options: Sequence[str] = ()) -> None:
        self.port = port
        self._host = host
        self._arguments = ["--ledger", str(ledger.absolute())]
        self._arguments += options
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    async def start(self) -> None:
        """Returns when it listens; raises :class:`CarrierFailed`."""
        command = [sys.executable, "-P", "-m", "hub", "sandbox", "--with-parent"]
        command += ["--host", self._host, "--port", str(self.port), *self._arguments]
        path = [str(CHECKOUT), os.environ.get("PYTHONPATH", "")]
        process = self._process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path))},
            start_new_session=True,
        )
        assert process.stdout is not None
        try:
            async with asyncio.timeout(START_S):
                line = (await process.stdout.readline()).decode()
        except TimeoutError:
            line = ""
        if not line.startswith("listening"):
            await self.end()
            raise CarrierFailed(f"the sandbox carrier does not listen on {self._host}:{self.port}")
        self.port = int(line.rpartition(":")[2])

    async def watch(self) -> None:
        """Start it again whenever it dies. Cancel this before :meth:`end`."""
        while True:
            if self._process is not None:
                await self._process.wait()
            await asyncio.sleep(RESTART_S)
            with suppress(CarrierFailed):
                await self.start()

    async def end(self) -> None:
        """End it, by its id."""
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(END_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
