"""A push service that is not ours: npm's `web-push-testing`, which opens what it is brought.

with WebPushService() as service:
    browser = service.subscribe(our_public_key)
    ...                             # the hub pushes to browser.endpoint
    service.shown(browser)          # what that browser would read, decrypted
    service.expire(browser)         # from now on 410
"""

import json
import shutil
import socket
import subprocess
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from channels.push_address import subscription_address
from tests.peers.fetching import PeerFailed, fetched

VERSION = "1.2.2"
SCRIPT = Path(__file__).with_name("web_push.js")
STOP_S = 5
ANSWER_S = 10


def lacks() -> str | None:
    """What this machine needs before the peer can run; None when nothing."""
    for tool in ("node", "npm"):
        if shutil.which(tool) is None:
            return f"no {tool} (apt-get install nodejs npm)"
    return None


def install() -> Path:
    """Where node finds it."""
    command = ["npm", "install", "--no-save", "--no-package-lock", "--no-audit", "--no-fund"]
    package = f"web-push-testing@{VERSION}"
    return fetched(f"web-push-testing-{VERSION}", [*command, package]) / "node_modules"


class Browser(NamedTuple):
    """A subscription as a page gets it from its browser."""

    endpoint: str
    p256dh: str
    auth: str
    name: str

    @property
    def address(self) -> str:
        """As we keep it."""
        return subscription_address(self.endpoint, self.p256dh, self.auth)


class WebPushService:
    """The process."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.url = f"http://localhost:{self._port}"
        """As it begins every endpoint."""
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> "WebPushService":
        path = str(Path(shutil.which("node") or "node").parent)
        self._process = subprocess.Popen(
            ["node", str(SCRIPT), str(self._port)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            text=True,
            env={"NODE_PATH": str(install()), "PATH": path},
        )
        assert self._process.stdout is not None
        if not self._process.stdout.readline():
            raise PeerFailed("web-push-testing does not listen")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        process = self._process
        assert process is not None
        assert process.stdout is not None
        process.terminate()
        process.wait(STOP_S)
        process.stdout.close()

    def subscribe(self, key: str) -> Browser:
        """A browser subscribes to us."""
        made = self._ask("subscribe", {"applicationServerKey": key, "userVisibleOnly": "true"})
        return Browser(made["endpoint"], **made["keys"], name=made["clientHash"])

    def shown(self, browser: Browser) -> list[dict[str, str]]:
        """What was pushed to it, decrypted."""
        found = self._ask("get-notifications", {"clientHash": browser.name})
        return [json.loads(text) for text in found["messages"]]

    def expire(self, browser: Browser) -> None:
        """It is gone: its user removed it."""
        self._ask(f"expire-subscription/{browser.name}", {})

    def _ask(self, path: str, said: dict[str, str]) -> Any:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._port}/{path}",
            json.dumps(said).encode(),
            {"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=ANSWER_S) as answer:
            body = answer.read()
        return json.loads(body).get("data") if body.startswith(b"{") else None
