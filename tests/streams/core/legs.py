"""Journalled events of one leg, in few words: tests tell a leg's life as a list of them."""

from typing import Any

from streams.core import events as e
from streams.core.events import JournalEvent
from streams.core.lifecycle import Journalled, State, fold
from tests.streams.core.samples import NOON, facts

AT = NOON
STEP_MS = 1_000
"""A row is a second younger than the one before."""

PHONE = ("sms", "voice")
LANES = {"sms": "sms-cmcc", "voice": "voice-any"}

HEAD = e.Head(
    notice="licence-renewal-due", cls="reminder", category="licence", recipient="r-1",
    event=b"event", event_ms=NOON, expiry_ms=NOON + 86_400_000, region="35",
)  # fmt: skip


def head(cls: Any = "reminder") -> e.Head:
    return e.Head(
        notice=HEAD.notice, cls=cls, category=HEAD.category, recipient="r-1", event=b"event",
        event_ms=NOON, expiry_ms=HEAD.expiry_ms, region="35",
    )  # fmt: skip


def way(channel: Any = "sms") -> e.Route:
    return e.Route(
        channel=channel, lane=LANES.get(channel, channel),
        carrier="cmcc" if channel in PHONE else "",
        wording="licence-renewal-due@1", language="zh", segments=int(channel == "sms"),
        sealed=b"sealed",
    )  # fmt: skip


def routed(channel: str = "sms", cls: str = "reminder") -> e.Routed:
    return e.Routed(
        head=head(cls), route=way(channel), facts=facts(), policy=1, reason="first_reachable"
    )


def released(channel: str = "sms", reason: str = "retry") -> e.Released:
    return e.Released(route=way(channel), facts=facts(), policy=1, reason=reason)


def escalated(channel: str = "voice", after: int = 2) -> e.Escalated:
    return e.Escalated(
        route=way(channel), facts=facts(), policy=1, reason="no_receipt", after=after
    )


def held(opens: bool = False, until_ms: int = NOON + 3_600_000) -> e.Held:
    return e.Held(
        until_ms=until_ms, reason="quiet_hours", facts=facts(), policy=1,
        head=HEAD if opens else None,
    )  # fmt: skip


def suppressed(opens: bool = False) -> e.Suppressed:
    return e.Suppressed(reason="opted_out", facts=facts(), policy=1, head=HEAD if opens else None)


def intended() -> e.AttemptIntended:
    return e.AttemptIntended(lane="sms-cmcc", call_before_ms=NOON + 10_000)


def accepted(attempt: int = 2) -> e.Accepted:
    return e.Accepted(attempt=attempt, ref=f"ref-{attempt}")


def not_sent(attempt: int = 2) -> e.NotSent:
    return e.NotSent(attempt=attempt, reason="deadline")


def throttled(attempt: int = 2) -> e.Throttled:
    return e.Throttled(attempt=attempt, code="88")


def refused(attempt: int = 2, scope: str = "") -> e.Refused:
    return e.Refused(attempt=attempt, code="11", scope=scope)


def unknown(attempt: int = 2) -> e.Unknown:
    return e.Unknown(attempt=attempt, evidence="no answer before the time-out")


def delivered(attempt: int = 2) -> e.Delivered:
    return e.Delivered(attempt=attempt, code="DELIVRD", at_ms=NOON + 5_000)


def undelivered(attempt: int = 2, code: str = "UNDELIV") -> e.Undelivered:
    return e.Undelivered(attempt=attempt, status="undelivered", code=code, at_ms=NOON + 5_000)


def read(attempt: int = 2) -> e.Read:
    return e.Read(attempt=attempt, at_ms=NOON + 9_000)


def reported(status: Any, attempt: int = 2) -> e.Reported:
    return e.Reported(attempt=attempt, status=status, code="2.0.0", at_ms=NOON + 5_000)


def cancelled() -> e.Cancelled:
    return e.Cancelled(reason="case_settled", by="gov.traffic.licence.renewed.v1")


def failed() -> e.Failed:
    return e.Failed(reason="all_channels_tried")


def expired() -> e.Expired:
    return e.Expired()


def unconfirmed(attempt: int = 2) -> e.Unconfirmed:
    return e.Unconfirmed(attempt=attempt, reason="horizon")


def no_receipt(attempt: int = 2) -> e.NoReceipt:
    return e.NoReceipt(attempt=attempt)


def rows(*events: JournalEvent) -> list[Journalled]:
    return [Journalled(i, AT + i * STEP_MS, event) for i, event in enumerate(events, 1)]


def life(*events: JournalEvent) -> State:
    """The state these events add up to, as rows 1, 2, 3, …"""
    return fold(rows(*events))
