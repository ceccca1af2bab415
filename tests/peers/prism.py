"""Prism over Twilio's own OpenAPI document: it judges what is asked, and what is answered.

    with Prism(log, upstream) as prism:     # in front of a server
        ...     # requests to prism.url; an answer or request that breaks the document is an error

Both are somebody else's, fetched once for a checkout: the judge by npm (``@stoplight/prism-cli``),
the document in Twilio's own package (``@twilio/cli-core``).
"""

import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

PACKAGES = ("@stoplight/prism-cli@5.16.0", "@twilio/cli-core@8.3.2")
PARTS = Path(__file__).resolve().parents[2] / ".parts"
HOME = PARTS / "prism-5.16.0"
JUDGE = HOME / "node_modules" / ".bin" / "prism"
DOCUMENT = HOME / "node_modules/@twilio/cli-core/src/services/twilio-api" / "twilio_api_v2010.json"

INSTALL_S = 240
START_S = 60
STOP_S = 5


class PeerFailed(Exception):  # noqa: N818 - named for what is known
    """It could not be fetched, or does not listen."""


def lacks() -> str | None:
    """What this machine needs before it can run; None when nothing."""
    for tool in ("node", "npm"):
        if shutil.which(tool) is None:
            return f"no {tool} (apt-get install nodejs npm)"
    return None


def install() -> None:
    """Have both in `.parts/`, fetched if they are not there."""
    if JUDGE.exists() and DOCUMENT.exists():
        return
    HOME.mkdir(parents=True, exist_ok=True)
    command = ["npm", "install", "--no-save", "--no-package-lock", "--no-audit", "--no-fund"]
    done = subprocess.run(
        [*command, *PACKAGES], cwd=HOME, capture_output=True, text=True, timeout=INSTALL_S,
        check=False,
    )  # fmt: skip
    if done.returncode:
        raise PeerFailed(f"npm could not fetch {PACKAGES}: {done.stderr[-500:]}")


class Prism:
    """The judge. Without ``upstream`` it answers by itself, with what the document shows."""

    def __init__(self, log: Path, upstream: str = "") -> None:
        self.url = ""
        self._log = log
        self._upstream = upstream
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Prism":
        install()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        mode: Sequence[str] = ("mock", str(DOCUMENT))
        if self._upstream:
            mode = ("proxy", str(DOCUMENT), self._upstream)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [str(JUDGE), *mode, "--errors", "--host", "127.0.0.1", "--port", str(port)],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        self.url = f"http://127.0.0.1:{port}"
        self._wait()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(STOP_S)

    def _wait(self) -> None:
        """Until it answers anything."""
        assert self._process is not None
        for _ in range(START_S * 5):
            if self._process.poll() is not None:
                break
            try:
                urllib.request.urlopen(self.url, timeout=2).close()
            except urllib.error.HTTPError:
                return
            except OSError:
                time.sleep(0.2)
            else:
                return
        raise PeerFailed(f"Prism does not listen: {self._log.read_text()[-500:]}")
