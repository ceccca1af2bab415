"""A journalled event of every kind, and of every case of it that is told by its own sentence."""

from typing import Any

from msgspec.structs import replace

from streams.core import events as e
from streams.core.events import JournalEvent
from tests.streams.core.legs import (
    accepted,
    cancelled,
    delivered,
    escalated,
    expired,
    held,
    intended,
    no_receipt,
    not_sent,
    read,
    refused,
    released,
    reported,
    routed,
    suppressed,
    throttled,
    unconfirmed,
    undelivered,
    unknown,
)
from tests.streams.core.samples import NOON

MOVED = e.Moved(
    was="sending", channel="sms", lane="sms-cmcc", carrier="cmcc", notice="licence-renewal-due",
    cls="reminder", region="35",
)  # fmt: skip


def steered(action: Any) -> e.LaneSteered:
    return e.LaneSteered(lane="sms-cmcc", action=action, by="shell:wang", reason="maintenance")


def shifted(share: int, reason: Any) -> e.Shifted:
    return e.Shifted(
        lane="sms-cmcc", share=share, reason=reason, calls=52, errors=50, per_s=125,
        urgent_per_s=100, to=("sms-any",),
    )  # fmt: skip


def replied(asked: Any = "", done: Any = "passed_on", **more: Any) -> e.ReplyReceived:
    said: dict[str, Any] = {
        "reply": bytes(range(16)), "recipient": "r-1", "lane": "sms-cmcc", "channel": "sms",
        "written_ms": NOON, "sealed": b"sealed", "notice": "fire-safety-tip",
        "answers": bytes(range(16, 32)), "event": bytes(range(32, 48)), "answered": bool(asked),
        "correlation": "tip_no=1",
    }  # fmt: skip
    return e.ReplyReceived(asked=asked, done=done, **said | more)


EVERY_EVENT: dict[str, JournalEvent] = {
    "Routed": routed(),
    "Held": held(opens=True),
    "Held, failed": replace(held(), failed="undelivered:UNDELIV"),
    "Suppressed": suppressed(opens=True),
    "Released": replace(released(), reason="first_reachable"),
    "Released, retry": released(reason="retry"),
    "Released, resent": released("email", reason="resent"),
    "Released, decided_again": released(reason="decided_again"),
    "Released, refused": released(reason="refused:LANE-9"),
    "Released, shifted": released(reason="shifted"),
    "Escalated": replace(escalated(), reason="something_else"),
    "Escalated, no_receipt": escalated(),
    "Escalated, undelivered": replace(escalated(), reason="undelivered:UNDELIV"),
    "Escalated, refused": replace(escalated(), reason="refused:11"),
    "AttemptIntended": intended(),
    "Cancelled": cancelled(),
    "Cancelled, superseded": e.Cancelled(
        reason="superseded", by=f"a status of {NOON}", moved=MOVED
    ),
    "Cancelled, too late": cancelled(),
    "Cancelled, handed_over": e.Cancelled(reason="handed_over", by="contact persons"),
    "Cancelled, erased": e.Cancelled(reason="erased", by="the recipient's erasure"),
    "Cancelled, notice_removed": e.Cancelled(reason="notice_removed", moved=MOVED),
    "Expired": expired(),
    "Failed": e.Failed(reason="all_channels_tried", moved=MOVED),
    "Failed, refused": e.Failed(reason="refused:11"),
    "Failed, undelivered": e.Failed(reason="undelivered:UNDELIV"),
    "Failed, notice_removed": e.Failed(reason="notice_removed", moved=MOVED),
    "Unknown": unknown(),
    "Unconfirmed": unconfirmed(),
    "Unconfirmed, notice_removed": e.Unconfirmed(attempt=2, reason="notice_removed"),
    "Unconfirmed, cancelled": e.Unconfirmed(attempt=2, reason="cancelled"),
    "NoReceipt": no_receipt(),
    "Accepted": replace(accepted(), moved=MOVED, segments=2, cost=900),
    "NotSent": not_sent(),
    "Throttled": throttled(),
    "Refused": refused(),
    "Refused, recipient": refused(scope="recipient"),
    "Refused, content": refused(scope="content"),
    "Refused, sender": refused(scope="sender"),
    "Refused, account": refused(scope="account"),
    "Refused, lane": refused(scope="lane"),
    "Delivered": delivered(),
    "Undelivered": undelivered(),
    "Undelivered, again": replace(undelivered(), code="no-answer", then="again"),
    "Undelivered, rejected": replace(undelivered(), status="rejected", code="REJECTD"),
    "Undelivered, expired": replace(undelivered(), status="expired", code="EXPIRED"),
    "TransferDecided, allowed": e.TransferDecided(
        lane="sms-abroad", allowed=True, by="shell:zhang", reason="Order 7 of 2026"
    ),
    "TransferDecided, forbidden": e.TransferDecided(
        lane="sms-abroad", allowed=False, by="shell:li", reason="Order 7 has ended"
    ),
    "Read": read(),
    "Read, acknowledged": replace(read(), code="1"),
    "Reported, relayed": reported("relayed"),
    "Reported, delayed": replace(reported("delayed"), code="4.4.1"),
    "Reported, complaint": replace(reported("complaint"), code="abuse"),
    "StopRecorded": e.StopRecorded(
        type="gov.traffic.licence.renewed.v1", event=b"stop", event_ms=NOON,
        correlation="licence_no=350100001",
    ),
    "ReceiptUnmatched": e.ReceiptUnmatched(
        lane="sms-cmcc", ref="7f00a1", status="delivered", at_ms=NOON
    ),
    "PreferenceChanged": e.PreferenceChanged(
        recipient="r-1", kind="SwitchOff", by="citizen", sealed=b"sealed"
    ),
    "RecipientErased": e.RecipientErased(
        recipient="r-1", by="shell:li", reason="asked for by letter 12"
    ),
    "ArchiveRemoved": e.ArchiveRemoved(month=202310, by="shell:li", reason="kept for three years"),
    "ReplyReceived, passed_on": replied(),
    "ReplyReceived, stopped": replied("stop", "stopped", categories=("fire-safety",)),
    "ReplyReceived, kept": replied("stop", "kept", categories=("traffic-violation",)),
    "ReplyReceived, started": replied("start", "started", categories=("fire-safety", "survey")),
    "ReplyReceived, nothing": replied("start", "nothing", notice="", answers=b"", event=b""),
    "ReplyReceived, helped": replied("help", "helped", notice="", answers=b"", event=b""),
    "WordingPublished": e.WordingPublished(
        notice="licence-renewal-due", hash="5e1f", by="staff:li", files={"zh.sms.j2": "…"}
    ),
    "PolicyPublished": e.PolicyPublished(policy=2, by="staff:wang", text="version = 2"),
    "LaneSteered, pause": steered("pause"),
    "LaneSteered, resume": steered("resume"),
    "LaneSteered, weight": replace(steered("weight"), weight=3),
    "LaneSteered, allow": replace(steered("allow"), notice="licence-renewal-due"),
    "Shifted, errors": shifted(0, "errors"),
    "Shifted, account": shifted(0, "account"),
    "Shifted, probes": replace(shifted(0, "probes"), to=()),
    "Shifted, trial": shifted(5, "trial"),
    "Shifted, back": shifted(25, "back"),
    "Shifted, whole": shifted(100, "whole"),
    "WordingStopped": e.WordingStopped(
        lane="sms-cmcc", notice="licence-renewal-due", wording="licence-renewal-due@1", code="33"
    ),
    "Quarantined": e.Quarantined(
        where="events", field="data.plate", expected="a plate", sealed=b"sealed",
        source="urn:gov:traffic", event_id="1",
    ),
    "QuarantineClosed, replayed": e.QuarantineClosed(how="replayed", by="staff:li"),
    "QuarantineClosed, dropped": e.QuarantineClosed(
        how="dropped", by="staff:li", reason="a test of theirs"
    ),
    "CaseNoted": e.CaseNoted(
        type="gov.permit.precursor.examined.v1", event=b"event", event_ms=NOON,
        correlation="permit_no=E2026001",
    ),
}  # fmt: skip
