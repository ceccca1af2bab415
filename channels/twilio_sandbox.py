"""A server that behaves as Twilio does, on loopback: for tests and for showing the hub.

It speaks HTTP, checks the account, takes messages and calls, lists them, and calls back signed. In
calls it does what the instructions say: it listens, and presses keys. What it is asked to do wrong
is told by the numbers: see :mod:`channels.twilio_sandbox_model`. A callback is sent once.
"""

import asyncio
import base64
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit
from xml.etree import ElementTree

import msgspec
from twilio.request_validator import RequestValidator

from channels.base import Clock
from channels.sandbox_http import Exchange, Pace, SandboxServer
from channels.twilio_account import Account
from channels.twilio_callbacks import FORM, SIGNATURE
from channels.twilio_sandbox_model import (
    PAGE_MAX,
    Change,
    Entry,
    Kind,
    Made,
    Model,
    changes,
    failure,
)

TURNS_MAX = 10
"""Instructions followed in one call."""

RESOURCES: dict[str, Kind] = {"Messages.json": "sms", "Calls.json": "voice"}


class TwilioSandbox(SandboxServer):
    """The server. ``entries`` is what it took, in order."""

    def __init__(
        self,
        clock: Clock,
        account: str,
        token: str,
        pace: Pace = Pace(),  # noqa: B008 a frozen value
        scripts: Mapping[str, Sequence[str]] | None = None,
        taken: Callable[[Entry], None] = lambda entry: None,
    ) -> None:
        super().__init__(clock)
        self.model = Model(account, scripts)
        self.hung = False
        """Takes connections, and answers nobody."""
        self.deaf = False
        """Calls nobody back."""
        self._expected = "Basic " + base64.b64encode(f"{account}:{token}".encode()).decode()
        self._signer = RequestValidator(token)
        self._pace = pace
        self._taken = taken

    @property
    def entries(self) -> list[Entry]:
        return self.model.entries

    async def settled(self) -> None:
        """Until nobody is to be called back any more."""
        while callbacks := [task for task in self._tasks if task.get_name() == "callbacks"]:
            await asyncio.wait(callbacks)

    # Requests

    async def _serve(self, asked: Exchange) -> bool:
        if self.hung:
            await asyncio.Event().wait()
        headers = dict(asked.request.headers)
        if headers.get(b"authorization", b"").decode() != self._expected:
            return await asked.answer(401, failure(401, 20003))
        address = urlsplit(asked.request.target.decode())
        kind = RESOURCES.get(address.path.rpartition("/")[2])
        if kind is None or f"/Accounts/{self.model.account}/" not in address.path:
            return await asked.answer(404, failure(404, 20404))
        if asked.request.method == b"GET":
            query = dict(parse_qsl(address.query))
            size = int(query.get("PageSize", 50))
            listed = self.model.list(kind, query.get("To", ""), min(size, PAGE_MAX))
            return await asked.answer(200, listed)
        fields = dict(parse_qsl(asked.body.decode(), keep_blank_values=True))
        made = self.model.create(kind, fields, self._clock.now_ms())
        return await self._made(asked, made)

    async def _made(self, asked: Exchange, made: Made) -> bool:
        """Say what came of a create, or do not."""
        if made.entry is not None:
            self._taken(made.entry)
            following = self._meanwhile(self._follow(made.entry), name="callbacks")
            if made.behaviour == "receipt_early":
                await asyncio.wait({following})
        match made.behaviour:
            case "unknown" | "dropped":
                return asked.hang_up()
            case "answer_lost" | "silent":
                await asyncio.Event().wait()
            case "answer_late":
                await self._clock.sleep_ms(self._pace.late_ms)
            case _:
                await self._clock.sleep_ms(self._pace.answer_ms)
        return await asked.answer(made.status, made.body)

    # Callbacks

    async def _follow(self, entry: Entry) -> None:
        """Let happen to an entry what is to happen."""
        for change in changes(entry, self._pace.step_ms):
            if change.after_ms:
                await self._clock.sleep_ms(change.after_ms)
            if change.keys:
                await self._converse(entry, change)
            entry.status, entry.code = change.status, change.code
            entry.answered_by = change.answered_by
            await self._call(entry.callback, _told(self.model.account, entry, change))

    async def _converse(self, entry: Entry, change: Change) -> None:
        """Listen to what is said, and press the keys, one after the other."""
        instructions, keys = entry.body, list(change.keys)
        for _ in range(TURNS_MAX):
            root = ElementTree.fromstring(instructions)  # noqa: S314 - written by the hub
            entry.heard += [say.text or "" for say in root.iter("Say")]
            gather = root.find("Gather")
            if gather is None or not keys:
                return
            fields = _told(self.model.account, entry, change._replace(status="in-progress"))
            action = gather.get("action", "")
            answer = await self._call(action, {**fields, "Digits": keys.pop(0)})
            if not answer:
                return
            instructions = answer

    async def _call(self, url: str, fields: dict[str, str]) -> str:
        """Call back, signed, once; what was answered."""
        if self.deaf:
            return ""
        headers = {SIGNATURE: self._signer.compute_signature(url, fields), "content-type": FORM}
        return await self.call_back(url, urlencode(fields).encode(), headers)


def _told(account: str, entry: Entry, change: Change) -> dict[str, str]:
    """The fields of a callback."""
    common = {"AccountSid": account, "ApiVersion": "2010-04-01", "To": entry.to}
    if entry.kind == "sms":
        told = {
            "MessageSid": entry.sid,
            "SmsSid": entry.sid,
            "MessageStatus": change.status,
            "SmsStatus": change.status,
            "From": entry.sender,
        }
        return common | told | ({"ErrorCode": change.code} if change.code else {})
    told = {"CallSid": entry.sid, "CallStatus": change.status, "Direction": "outbound-api"}
    if change.answered_by:
        told["AnsweredBy"] = change.answered_by
    if change.sip:
        told["SipResponseCode"] = change.sip
    return common | told


async def serve(
    clock: Clock,
    account: Account,
    host: str,
    port: int,
    ledger: Path,
    pace: Pace,
    listening: Callable[[str], None],
) -> None:
    """Be Twilio until cancelled. What was taken is a line of ``ledger``, written before anybody is
    answered; it begins anew each time, as the names given here do."""
    with ledger.open("wb", buffering=0) as file:

        def taken(entry: Entry) -> None:
            file.write(msgspec.json.encode(entry) + b"\n")

        sandbox = TwilioSandbox(clock, account.sid, account.token, pace, taken=taken)
        await sandbox.start(host, port)
        listening(sandbox.url)
        try:
            await asyncio.Event().wait()
        finally:
            await sandbox.stop()
