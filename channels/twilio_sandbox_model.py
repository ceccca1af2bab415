"""Twilio as far as the hub sees it: what it takes, what it lists, and how it behaves on purpose.

The last eight digits of a number say what befalls it, as with the sandbox carrier; the same digits
mean the same where both can do it. No network and no clock: see :mod:`channels.twilio_sandbox`.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Literal, NamedTuple

import msgspec

Kind = Literal["sms", "voice"]

SPECIAL: dict[str, str] = {
    "99990001": "undelivered",
    "99990002": "bad_recipient",
    "99990003": "answer_lost",
    "99990004": "throttled",  # once a notification, then accepted
    "99990006": "transient",
    "99990007": "answer_late",
    "99990008": "receipt_lost",
    "99990009": "receipt_repeated",
    "99990010": "receipt_early",
    "99990011": "conflicting",
    "99990013": "bad_content",
    "99990014": "bad_account",
    "99990015": "receipt_late",
    "99990016": "unknown",  # taken, and the connection reset
    "99990020": "server_error",  # taken, and answered with 500
    "99990021": "dropped",  # not taken, and the connection reset
    "99990022": "silent",  # taken; neither an answer nor a callback ever comes
    "99990023": "unordered",  # its callbacks come in the wrong order
    "99990031": "no_answer",
    "99990032": "busy",
    "99990033": "machine",
    "99990034": "hangs_up",
    "99990035": "hears_again",  # presses 9, then 1
    "99990036": "no_more",  # presses 0
    "99990037": "wrong_number",
}

REFUSALS: dict[str, tuple[int, int]] = {
    "throttled": (429, 20429),
    "transient": (400, 30001),
    "bad_recipient": (400, 21211),
    "bad_content": (400, 21617),
    "bad_account": (401, 20003),
}
"""Status and code of what is not taken."""

KEYS: dict[str, str] = {"": "1", "hears_again": "91", "no_more": "0"}
"""What somebody presses who listens."""

PAGE_MAX = 1_000


class Entry(msgspec.Struct):
    """One message or call. ``twiml`` is a call's own; ``heard`` what was said in it."""

    sid: str
    kind: Kind
    to: str
    sender: str
    body: str
    callback: str
    created_ms: int
    behaviour: str
    status: str = "queued"
    code: str = ""
    answered_by: str = ""
    heard: list[str] = []

    @property
    def attempt(self) -> str:
        """As our own addresses name it."""
        stream, version = self.callback.rstrip("/").split("/")[-2:]
        return f"{stream}:{version}"


class Made(NamedTuple):
    """What comes of a create: an entry or none, and the answer."""

    entry: Entry | None
    status: int
    body: dict[str, Any]
    behaviour: str


class Change(NamedTuple):
    """A new status of an entry, so long after the one before."""

    after_ms: int
    status: str
    code: str = ""
    answered_by: str = ""
    keys: str = ""
    """Pressed before it ends; only in calls."""
    sip: str = ""


class Model:
    """All that the account has. ``scripts`` say for a number what befalls its n-th request."""

    def __init__(self, account: str, scripts: Mapping[str, Sequence[str]] | None = None) -> None:
        self.account = account
        self.entries: list[Entry] = []
        self.scripts = {to: list(script) for to, script in (scripts or {}).items()}
        self._numbers = itertools.count(1)
        self._throttled: set[str] = set()

    def create(self, kind: Kind, fields: Mapping[str, str], now_ms: int) -> Made:
        """POST Messages or Calls."""
        to = fields.get("To", "")
        behaviour = self._behaviour(to, fields.get("StatusCallback", ""))
        if refusal := REFUSALS.get(behaviour):
            status, code = refusal
            return Made(None, status, failure(status, code), behaviour)
        if behaviour == "dropped":
            return Made(None, 0, {}, behaviour)
        letters = "SM" if kind == "sms" else "CA"
        entry = Entry(
            f"{letters}{next(self._numbers):032x}", kind, to,
            fields.get("From") or fields.get("MessagingServiceSid", ""),
            fields.get("Body" if kind == "sms" else "Twiml", ""),
            fields.get("StatusCallback", ""), now_ms, behaviour,
        )  # fmt: skip
        self.entries.append(entry)
        if behaviour == "server_error":
            return Made(entry, 500, failure(500, 20500), behaviour)
        return Made(entry, 201, self.shown(entry), behaviour)

    def list(self, kind: Kind, to: str, page_size: int) -> dict[str, Any]:
        """GET Messages or Calls: the youngest first, one page."""
        found = [e for e in reversed(self.entries) if e.kind == kind and to in ("", e.to)]
        page = found[: min(page_size, PAGE_MAX)]
        return {
            "messages" if kind == "sms" else "calls": [self.shown(entry) for entry in page],
            "page": 0,
            "page_size": page_size,
            "next_page_uri": None,
        }

    def shown(self, entry: Entry) -> dict[str, Any]:
        """An entry as the interface shows it, in the fields that the hub reads."""
        created = format_datetime(datetime.fromtimestamp(entry.created_ms / 1_000, UTC))
        shown = {
            "sid": entry.sid,
            "account_sid": self.account,
            "to": entry.to,
            "from": entry.sender,
            "status": entry.status,
            "date_created": created,
        }
        if entry.kind == "sms":
            return {**shown, "body": entry.body, "error_code": int(entry.code or 0) or None}
        return {**shown, "answered_by": entry.answered_by or None}

    def _behaviour(self, to: str, callback: str) -> str:
        if script := self.scripts.get(to):
            return script.pop(0)
        behaviour = SPECIAL.get(to[-8:], "")
        if behaviour == "throttled":
            stream = callback.rpartition("/")[0]
            if stream in self._throttled:
                return ""
            self._throttled.add(stream)
        return behaviour


def failure(status: int, code: int) -> dict[str, Any]:
    """The body of a refusal."""
    return {
        "code": code,
        "message": "refused by the sandbox",
        "more_info": f"https://www.twilio.com/docs/errors/{code}",
        "status": status,
    }


def changes(entry: Entry, step_ms: int) -> Iterable[Change]:
    """What becomes of an entry, and when; ``step_ms`` is how long one thing takes."""
    return _of_call(entry, step_ms) if entry.kind == "voice" else _of_message(entry, step_ms)


def _of_message(entry: Entry, step_ms: int) -> Sequence[Change]:
    sent, delivered = Change(step_ms, "sent"), Change(step_ms, "delivered")
    undelivered = Change(step_ms, "undelivered", "30003")
    match entry.behaviour:
        case "receipt_lost" | "silent":
            return ()
        case "undelivered":
            return (sent, undelivered)
        case "receipt_repeated":
            return (sent, delivered, delivered)
        case "receipt_early":
            return (Change(0, "sent"), Change(0, "delivered"))
        case "receipt_late":
            return (sent._replace(after_ms=5 * step_ms), delivered)
        case "conflicting":
            return (sent, delivered, undelivered)
        case "unordered":
            return (delivered, sent, Change(step_ms, "sending"))
        case _:
            return (sent, delivered)


def _of_call(entry: Entry, step_ms: int) -> Sequence[Change]:
    over = Change(step_ms, "completed", answered_by="human")
    match entry.behaviour:
        case "receipt_lost" | "silent":
            return ()
        case "no_answer" | "undelivered":
            return (Change(2 * step_ms, "no-answer"),)
        case "busy":
            return (Change(step_ms, "busy"),)
        case "wrong_number":
            return (Change(step_ms, "failed", sip="404"),)
        case "machine":
            return (over._replace(answered_by="machine_start"),)
        case "hangs_up":
            return (over,)
        case "receipt_repeated":
            return (over, over)
        case "receipt_early":
            return (over._replace(after_ms=0),)
        case "receipt_late":
            return (over._replace(after_ms=5 * step_ms),)
        case "conflicting":
            return (over, Change(step_ms, "no-answer"))
        case "unordered":
            return (over, Change(step_ms, "in-progress"), Change(step_ms, "ringing"))
        case behaviour:
            return (over._replace(keys=KEYS.get(behaviour, KEYS[""])),)
