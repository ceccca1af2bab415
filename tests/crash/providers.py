"""Providers of every channel, each with its own count of what it took, in a loop of their own.

They live in the test's process, and outlive the hub that dies over them.
"""

import asyncio
import email
import sqlite3
import threading
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from aiosmtpd.smtp import SMTP, Envelope, Session

from channels.http_sandbox import Account, HttpSandbox
from channels.sandbox import read_ledger
from channels.sandbox_http import Pace
from channels.sandbox_model import Faults
from channels.twilio_sandbox import TwilioSandbox
from channels.twilio_sandbox_model import Kind
from channels.wechat_sandbox import WechatSandbox
from hub.clock import Rehearsal
from hub.folder import JOURNAL
from templates.notice import ChannelName
from tests.channels.apns_bench import PEM, Apple
from tests.channels.http_bench import APP, SECRETS, SMS, VOICE
from tests.channels.push_bench import CONTACT, PushService
from tests.channels.twilio_bench import SENDER, SID, TOKEN
from tests.channels.wechat_bench import ACCOUNT, ENVIRON, SECRET, the_door
from tests.crash.rehearsal import Director

REPORTS_MS = 120_000
"""Reports come so long after a message: twenty-four seconds of the machine's, in which a hub that
died has long been started again."""

START_S = 10

LANE = """
[[lane]]
name = "{name}"
channel = "{channel}"
provider = "{provider}"
carriers = ["{carrier}"]
rate_per_s = 500
segments_max = 10
"""

Result = TypeVar("Result")


class Provider(ABC):
    """What a hub sends to by one channel. ``folder`` is the hub's, ``clock`` the time of all, and
    ``door`` where the hub is called back."""

    channel: ClassVar[ChannelName]
    tells: ClassVar[bool] = True
    """Whether what it took is known in the end although nobody heard its answer."""

    def __init__(self, folder: Path, clock: Path, door: str) -> None:
        self.folder = folder
        self.clock = clock
        self.door = door
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.run(self.start())

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """In its loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(START_S)

    def close(self) -> None:
        self.run(self.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(START_S)
        self._loop.close()

    async def start(self) -> None:  # noqa: B027 - the inbox is always there
        """Be there."""

    async def stop(self) -> None:  # noqa: B027
        """Be gone."""

    @abstractmethod
    def lanes(self) -> str:
        """The lanes that lead here; there are no others."""

    def environment(self) -> Mapping[str, str]:
        """Settings of the hub, and secrets of the lanes."""
        return {}

    @abstractmethod
    def reached(self, n: int) -> Mapping[str, Sequence[str]]:
        """How the ``n``-th person is reached: here, and nowhere else."""

    @abstractmethod
    def taken(self) -> Counter[str]:
        """How often it took each leg."""

    def report(self, director: Director) -> None:  # noqa: B027 - most say nothing more
        """Say by now what became of all that was taken."""


# Declared by their lanes --------------------------------------------------------------------------


class DeclaredText(Provider):
    """It calls back."""

    channel = "sms"
    lane: ClassVar[str] = SMS
    lost: ClassVar[float] = 0.0
    """Share of the reports that never come."""

    async def start(self) -> None:
        self._ledger = self.folder / "provider.jsonl"
        faults = Faults(receipt_ms=REPORTS_MS, receipt_lost=self.lost)
        account = Account(APP, SECRETS["key"], SECRETS["callback"])
        self._sandbox = HttpSandbox(Rehearsal(self.clock), account, self._ledger, faults=faults)
        await self._sandbox.start()

    async def stop(self) -> None:
        await self._sandbox.stop()

    def lanes(self) -> str:
        return self.lane.replace("http://127.0.0.1:8125", self._sandbox.url)

    def environment(self) -> Mapping[str, str]:
        return {"EXAMPLE_KEY": SECRETS["key"], "EXAMPLE_CALLBACK_KEY": SECRETS["callback"]}

    def reached(self, n: int) -> Mapping[str, Sequence[str]]:
        return {"phones": [f"138{n:08d}"]}

    def taken(self) -> Counter[str]:
        entries = read_ledger(self._ledger)
        return Counter(e.attempt.partition(":")[0] for e in entries if e.outcome == "taken")

    def report(self, director: Director) -> None:
        director.move_to(director.now_ms() + REPORTS_MS)


class SilentText(DeclaredText):
    """It says nothing more. The second of its lanes is for when the first is in doubt."""

    tells = False
    lost = 1.0

    def lanes(self) -> str:
        own = 'carriers = ["cmcc"]\nrate_per_s'
        lane = super().lanes()
        return lane.replace("rate_per_s", own) + lane.replace("-example", "-other")


class SilentCall(SilentText):
    """The same, of calls."""

    channel = "voice"
    lane = VOICE.replace("rate_per_s = 20", "rate_per_s = 200")  # several in a batch


class DeclaredPush(DeclaredText):
    """The same, of pushes to an app."""

    channel = "push"

    def lanes(self) -> str:
        text = super().lanes().replace("/v1/messages", "/v1/pushes")
        return text.replace('channel = "sms"', 'channel = "push"').replace("sms_http", "push_http")

    def reached(self, n: int) -> Mapping[str, Sequence[str]]:
        return {"push": [f"device-{n}"]}


# Twilio -------------------------------------------------------------------------------------------


class _Reports(Rehearsal):
    """Time in which reports wait until they are let go."""

    def __init__(self, clock: Path) -> None:
        super().__init__(clock)
        self.free = asyncio.Event()

    async def sleep_ms(self, ms: int) -> None:
        if ms < REPORTS_MS:
            await super().sleep_ms(ms)
        else:
            await self.free.wait()


class TwilioText(Provider):
    """It calls back."""

    channel = "sms"
    kind: ClassVar[Kind] = "sms"
    lists: ClassVar[bool] = False
    """Whether it calls nobody back, and is asked."""

    async def start(self) -> None:
        self._reports = _Reports(self.clock)
        pace = Pace(step_ms=1 if self.lists else REPORTS_MS)
        self.sandbox = TwilioSandbox(self._reports, SID, TOKEN, pace)
        self.sandbox.deaf = self.lists
        await self.sandbox.start()

    async def stop(self) -> None:
        await self.sandbox.stop()

    def lanes(self) -> str:
        return LANE.format(
            name=f"{self.channel}-abroad", channel=self.channel, provider=f"{self.kind}_twilio",
            carrier="intl",
        )  # fmt: skip

    def environment(self) -> Mapping[str, str]:
        return {
            "HUB_TWILIO_ACCOUNT": SID, "HUB_TWILIO_TOKEN": TOKEN, "HUB_TWILIO_FROM": SENDER,
            "HUB_TWILIO_URL": self.sandbox.url,
        }  # fmt: skip

    def reached(self, n: int) -> Mapping[str, Sequence[str]]:
        return {"phones": [f"+1555{n:07d}"]}

    def taken(self) -> Counter[str]:
        return Counter(entry.attempt.partition(":")[0] for entry in tuple(self.sandbox.entries))

    def report(self, director: Director) -> None:
        self._loop.call_soon_threadsafe(self._reports.free.set)


class TwilioTextListed(TwilioText):
    """It calls nobody back, and is asked what it has."""

    lists = True


class TwilioCall(TwilioText):
    """Calls: there is no lane for texts."""

    channel = "voice"
    kind = "voice"


class TwilioCallListed(TwilioCall):
    """They are asked for."""

    lists = True


# Which say nothing of what they took --------------------------------------------------------------


class MailServer(Provider):
    """aiosmtpd. A mail is known by its Message-ID: readers show the same once."""

    channel = "email"
    tells = False

    async def start(self) -> None:
        self._ids: list[str] = []
        self._sessions: list[SMTP] = []
        self._server = await self._loop.create_server(self._session, "127.0.0.1", 0)
        self._port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.close()
        for session in self._sessions:
            if session.transport is not None:
                session.transport.abort()
        await asyncio.sleep(0.01)

    def _session(self) -> SMTP:
        self._sessions.append(SMTP(self, hostname="localhost", loop=self._loop))
        return self._sessions[-1]

    async def handle_DATA(  # noqa: N802 aiosmtpd's names
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        assert isinstance(envelope.content, bytes)
        self._ids.append(email.message_from_bytes(envelope.content)["Message-ID"])
        return "250 2.0.0 queued"

    def lanes(self) -> str:
        return LANE.format(name="email-a", channel="email", provider="smtp", carrier="*")

    def environment(self) -> Mapping[str, str]:
        return {
            "HUB_SMTP_HOST": "127.0.0.1", "HUB_SMTP_PORT": str(self._port), "HUB_SMTP_TLS": "none",
        }  # fmt: skip

    def reached(self, n: int) -> Mapping[str, Sequence[str]]:
        return {"emails": [f"citizen{n}@example.cn"]}

    def taken(self) -> Counter[str]:
        return Counter(name.strip("<>").partition("@")[0] for name in tuple(self._ids))


class Browsers(Provider):
    """A push service that keeps one message a topic (RFC 8030 section 5.4)."""

    channel = "push"
    tells = False

    async def start(self) -> None:
        self._service = PushService()
        await self._service.start()

    async def stop(self) -> None:
        await self._service.stop()

    def lanes(self) -> str:
        return LANE.format(name="push-web", channel="push", provider="push_web", carrier="web")

    def environment(self) -> Mapping[str, str]:
        return {"HUB_PUSH_CONTACT": CONTACT, "HUB_PUSH_HOSTS": self._service.url}

    def reached(self, n: int) -> Mapping[str, Sequence[str]]:
        return {"push": [self._service.address(f"-{n}")]}

    def taken(self) -> Counter[str]:
        return Counter(one.headers["Topic"] for one in tuple(self._service.taken))


class AppleDevices(Provider):
    """Apple's service on hypercorn. The collapse id is the leg: a device shows the same once."""

    channel = "push"
    tells = False

    async def start(self) -> None:
        self._apple = Apple(self.folder)
        await self._apple.start()

    async def stop(self) -> None:
        await self._apple.stop()

    def lanes(self) -> str:
        return LANE.format(name="push-apns", channel="push", provider="push_apns", carrier="apns")

    def environment(self) -> Mapping[str, str]:
        return {
            "HUB_APNS_KEY": PEM, "HUB_APNS_KEY_ID": "KEY4567890", "HUB_APNS_TEAM": "TEAM567890",
            "HUB_APNS_TOPIC": "cn.gov.app", "HUB_APNS_URL": self._apple.url,
            "HUB_APNS_CA": str(self._apple.certificate),
        }  # fmt: skip

    def reached(self, n: int) -> Mapping[str, Sequence[str]]:
        return {"push": [f"apns:ok{n}"]}

    def taken(self) -> Counter[str]:
        return Counter(one.headers["apns-collapse-id"] for one in tuple(self._apple.taken))


# And the others -----------------------------------------------------------------------------------


class Wechat(Provider):
    """Our simulator of it. It tells, but by a name that its lost answer would have given."""

    channel = "wechat"
    tells = False

    async def start(self) -> None:
        self._reports = _Reports(self.clock)
        pace = Pace(step_ms=REPORTS_MS)
        self.sandbox = WechatSandbox(
            self._reports, the_door(), SECRET, f"{self.door}/callbacks/wechat/wechat-gov", pace
        )
        await self.sandbox.start()

    async def stop(self) -> None:
        await self.sandbox.stop()

    def lanes(self) -> str:
        lane = LANE.format(name="wechat-gov", channel="wechat", provider="wechat", carrier="*")
        return f"""{lane}
[lane.wechat]
app_id = "{ACCOUNT.app_id}"
password_env = "{ACCOUNT.password_env}"
token_env = "{ACCOUNT.token_env}"
key_env = "{ACCOUNT.key_env}"
url = "{self.sandbox.url}"
templates = {{ plate-application = "TM-1" }}
"""

    def environment(self) -> Mapping[str, str]:
        return {ACCOUNT.password_env: SECRET, **ENVIRON}

    def reached(self, n: int) -> Mapping[str, Sequence[str]]:
        return {"wechat": [f"openid-{n}"]}

    def taken(self) -> Counter[str]:
        return Counter([*(one.client_id for one in self.sandbox.entries), *self.sandbox.again])

    def report(self, director: Director) -> None:
        self._loop.call_soon_threadsafe(self._reports.free.set)


class Inbox(Provider):
    """The hub's own table; what was put there is known to be."""

    channel = "inbox"

    def lanes(self) -> str:
        return LANE.format(name="inbox", channel="inbox", provider="inbox", carrier="*")

    def reached(self, n: int) -> Mapping[str, Sequence[str]]:
        return {}

    def taken(self) -> Counter[str]:
        with closing(sqlite3.connect(self.folder / "hub" / JOURNAL)) as database:
            rows = database.execute("SELECT stream FROM inbox_message").fetchall()
        return Counter(stream.hex() for (stream,) in rows)
