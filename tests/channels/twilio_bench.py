"""A Twilio channel before our simulator, and a door of the test's own that takes the callbacks."""

from collections.abc import Callable, Mapping, Sequence

from aiohttp import web
from msgspec.structs import replace

from channels.base import Accepted, LateAnswer, Message, Receipt
from channels.sandbox_http import Pace
from channels.twilio_account import Account
from channels.twilio_callbacks import Keys, Report, fields_of, read_call, read_sms
from channels.twilio_channel import TwilioChannel
from channels.twilio_sandbox import TwilioSandbox
from channels.twilio_sandbox_model import SPECIAL
from tests.channels.callback_bench import FAR, CallbackBench, CallbackDoor, PausedClock
from tests.contracts.clocks import RealClock

SID = "AC" + "0" * 32
TOKEN = "not-a-secret"
SENDER = "+15550001000"

NUMBER_OF = {behaviour: "+155" + digits for digits, behaviour in SPECIAL.items()}


def account(url: str, callback_url: str, **changes: object) -> Account:
    return replace(Account(SID, TOKEN, SENDER, callback_url, api_url=url, answer_s=4), **changes)


class Door(CallbackDoor):
    """Takes callbacks, and keeps the reports that are signed."""

    paths = ("/callbacks/twilio/{kind}/{lane}/{stream}/{version}",)

    def __init__(self) -> None:
        super().__init__()
        self.reports: list[Report] = []
        self.refused: list[str] = []

    async def take(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        url = self.url + request.raw_path
        fields = fields_of(url, headers, await request.read(), Keys(TOKEN))
        if fields is None:
            self.refused.append(url)
            return web.Response(status=403)
        read = read_sms if request.match_info["kind"] == "sms" else read_call
        attempt = f"{request.match_info['stream']}:{request.match_info['version']}"
        report = read(request.match_info["lane"], attempt, fields, 1_700_000_000_000)
        if report is not None:
            self.reports.append(report)
        if isinstance(report, Receipt):
            self.news.set()
        return web.Response(status=204)

    def receipts(self) -> tuple[Receipt, ...]:
        found = tuple(report for report in self.reports if isinstance(report, Receipt))
        self.reports.clear()
        return found

    def accepted(self) -> list[tuple[str, str]]:
        """Attempts that are on their way, and their names."""
        return [
            (report.attempt, report.outcome.ref)
            for report in self.reports
            if isinstance(report, LateAnswer) and isinstance(report.outcome, Accepted)
        ]


class TwilioBench(CallbackBench):
    """``make`` makes the channel over an account."""

    takes_twice = True  # no key of Twilio's makes two creates one

    def __init__(self, lane: str, make: Callable[[RealClock, Account], TwilioChannel]) -> None:
        self.lane = lane
        self.clock = PausedClock()
        self.door = Door()
        self.sandbox = TwilioSandbox(self.clock, SID, TOKEN, Pace())
        self._make = make

    def connect(self, **changes: object) -> None:
        """A channel to the simulator, whose collect also hands out what the door took."""
        made = self._make(self.clock, account(self.sandbox.url, self.door.url, **changes))
        self.hand_out(made)

    def message(self, n: int, behaviour: str = "", call_before_ms: int = 0) -> Message:
        to = NUMBER_OF.get(behaviour, f"+1555123{n:04d}")
        return Message(f"{n:032x}:1", to, f"消息 {n}", call_before_ms or FAR)

    def taken(self) -> Sequence[str]:
        return [entry.attempt for entry in self.sandbox.entries]


def entry_of(bench: TwilioBench, attempt: str) -> Mapping[str, object]:
    return next(bench.sandbox.model.shown(e) for e in bench.sandbox.entries if e.attempt == attempt)
