"""Lanes by mail and by push, each to a server that somebody else wrote. Neither says of itself that
a message reached anybody: what is passed on is not delivered, and a browser would have to show it.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from channels.push_web import PushWeb
from hub.bootstrap import Hub
from preferences.fault import Fault
from preferences.subscriptions import Subscribe
from tests.cluster.native_kafka import free_ports
from tests.demonstration.lane import DemoLane, Taken, violation
from tests.peers import postfix, web_push
from tests.peers.postfix import Postfix
from tests.peers.web_push import Browser, WebPushService

_QUEUED = re.compile(r"qmgr\[\d+\]: (\w+): from=<[^>]+>, size=")
"""A mail that is Postfix's own, as a report is, is from nobody."""


class Mail(DemoLane):
    """Postfix, which passes everything on."""

    name = "email-postfix"
    reports = False

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        [nobody] = free_ports(1)
        self._server = Postfix(nobody)
        self._taken = Taken(0)

    def lacks(self) -> str | None:
        return postfix.lacks()

    def start(self, clock: Path, door: str) -> None:
        self._server.__enter__()

    def toml(self) -> str:
        return _lane(self.name, "email", "smtp")

    def environment(self) -> Mapping[str, str]:
        return {
            "HUB_SMTP_HOST": "127.0.0.1",
            "HUB_SMTP_PORT": str(self._server.port),
            "HUB_SMTP_TLS": "none",
            "HUB_SMTP_FROM": f"no-reply@{postfix.DOMAIN}",
        }

    def person(self, n: int) -> Mapping[str, Any]:
        return {"emails": [f"d{n}@ok.test"]}

    def case(self, n: int) -> tuple[str, Mapping[str, Any]]:
        return violation(n)

    def taken(self) -> Taken:
        return self._taken

    def stop(self) -> None:
        """Its log goes with it."""
        self._taken = Taken(len(set(_QUEUED.findall(self._server.log))))
        self._server.__exit__(None, None, None)


class Push(DemoLane):
    """web-push-testing, which opens what it is brought."""

    name = "push-web"
    reports = False

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._service = WebPushService()
        self._browsers: list[Browser] = []
        self._taken = Taken(0)

    def lacks(self) -> str | None:
        return web_push.lacks()

    def start(self, clock: Path, door: str) -> None:
        self._service.__enter__()

    def toml(self) -> str:
        return _lane(self.name, "push", "push_web", 'carriers = ["web"]')

    def environment(self) -> Mapping[str, str]:
        return {"HUB_PUSH_CONTACT": "mailto:demo@hub.test", "HUB_PUSH_HOSTS": self._service.url}

    def person(self, n: int) -> Mapping[str, Any]:
        return {}

    async def prepare(self, hub: Hub, ref: str) -> None:
        """They switch pushes on in a browser."""
        channel = hub.channels["push_web"]
        assert isinstance(channel, PushWeb)
        browser = self._service.subscribe(channel.vapid.public)
        chosen = await hub.commands.change_subscription(ref, Subscribe(browser.address), "citizen")
        assert not isinstance(chosen, Fault), chosen
        self._browsers.append(browser)

    def case(self, n: int) -> tuple[str, Mapping[str, Any]]:
        """A question of theirs was answered: told by push first."""
        data = {
            "question_no": f"{n:08d}", "topic": "驾驶证换证", "by": "交管窗口",
            "answered_at": "2026-11-23T09:50:00+08:00",
        }  # fmt: skip
        return "gov.traffic.question.answered.v1", data

    def taken(self) -> Taken:
        return self._taken

    def stop(self) -> None:
        """What its browsers were brought goes with it."""
        shown = sum(len(self._service.shown(browser)) for browser in self._browsers)
        self._taken = Taken(shown)
        self._service.__exit__(None, None, None)


def _lane(name: str, channel: str, provider: str, more: str = "") -> str:
    return f"""
[[lane]]
name = "{name}"
channel = "{channel}"
provider = "{provider}"
rate_per_s = 200
{more}
"""
