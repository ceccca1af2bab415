"""What carriers brought, and when they hear that it is kept."""

from typing import Any

import pytest

from channels import carrier_inbox
from channels.base import Receipt, Reply, ReportStatus
from channels.carrier_inbox import PART_WAIT_MS, Inbox
from channels.carrier_session import Brought


class Link:
    """Writes down what was answered."""

    def __init__(self) -> None:
        self.written: list[list[bytes]] = []
        self.heard_ms = 5

    def write(self, frames: list[bytes]) -> None:
        self.written.append(frames)


def open_inbox() -> Inbox:
    inbox = Inbox()
    inbox.expects_parts = True
    return inbox


def receipt(ref: str, status: ReportStatus = "delivered") -> Receipt:
    return Receipt("sms", ref, status, "DELIVRD", 7)


def bring(inbox: Inbox, link: Link, what: Any) -> bool:
    name = what.ref if isinstance(what, Receipt) else "other"
    return inbox.keep(link, Brought(what, name.encode()))  # type: ignore[arg-type]


def test_a_carrier_hears_of_it_when_it_is_durable() -> None:
    inbox, link, other = open_inbox(), Link(), Link()
    reply = Reply("sms", "+8613800138000", "12123", "TD", 7)
    bring(inbox, link, receipt("1"))
    bring(inbox, other, reply)
    bring(inbox, link, None)
    handed = inbox.take(0)
    assert (handed.receipts, handed.replies) == ((receipt("1"),), (reply,))
    assert not inbox.take(0).token
    assert link.written == other.written == []
    inbox.acknowledge(handed.token)
    inbox.acknowledge(handed.token)
    assert (link.written, other.written) == ([[b"1", b"other"]], [[b"other"]])


def test_it_is_crowded_long_before_it_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carrier_inbox, "CROWDED", 2)
    inbox, link = open_inbox(), Link()
    bring(inbox, link, receipt("1"))
    assert not inbox.crowded
    assert bring(inbox, link, receipt("2"))
    assert inbox.crowded
    handed = inbox.take(0)
    assert inbox.crowded, "it is not durable yet"
    inbox.acknowledge(handed.token)
    assert not inbox.crowded


def test_what_proves_nothing_is_answered_too() -> None:
    inbox, link = open_inbox(), Link()
    bring(inbox, link, None)
    handed = inbox.take(0)
    assert (handed.receipts, handed.replies) == ((), ())
    inbox.acknowledge(handed.token)
    assert link.written == [[b"other"]]


def test_it_is_bounded_until_something_is_durable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carrier_inbox, "KEPT_MAX", 2)
    inbox, link = open_inbox(), Link()
    assert bring(inbox, link, receipt("1"))
    assert bring(inbox, link, receipt("2"))
    handed = inbox.take(0)
    assert not bring(inbox, link, receipt("3"))
    inbox.acknowledge(handed.token)
    assert bring(inbox, link, receipt("3"))


def test_parts_become_one_receipt_when_all_are_reported() -> None:
    inbox, link = open_inbox(), Link()
    inbox.remember("sms", "1 2 3")
    for part in ("2", "1", "2"):
        bring(inbox, link, receipt(part))
    assert not inbox.take(0).token
    bring(inbox, link, receipt("3"))
    handed = inbox.take(0)
    assert handed.receipts == (receipt("1 2 3"),)
    inbox.acknowledge(handed.token)
    assert link.written == [[b"2", b"1", b"2", b"3"]]


def test_one_part_that_failed_is_enough() -> None:
    inbox, link = open_inbox(), Link()
    inbox.remember("sms", "1 2")
    bring(inbox, link, receipt("1"))
    bring(inbox, link, receipt("2", "expired"))
    assert inbox.take(0).receipts == (receipt("1 2", "expired"),)
    bring(inbox, link, receipt("1"))
    assert inbox.take(0).receipts == (receipt("1"),)


def test_parts_do_not_wait_for_ever() -> None:
    inbox, link = open_inbox(), Link()
    inbox.remember("sms", "1 2")
    bring(inbox, link, receipt("1"))
    assert inbox.next_ms() == 5 + PART_WAIT_MS
    assert not inbox.take(4 + PART_WAIT_MS).token
    assert inbox.take(5 + PART_WAIT_MS).receipts == (receipt("1"),)
    assert inbox.next_ms() == 0
    bring(inbox, link, receipt("2"))
    assert inbox.take(0).receipts == (receipt("2"),)


def test_a_part_that_was_reported_too_early_does_not_make_the_others_wait() -> None:
    inbox, link = open_inbox(), Link()
    bring(inbox, link, receipt("1"))
    inbox.remember("sms", "1 2")
    bring(inbox, link, receipt("2"))
    assert inbox.take(0).receipts == (receipt("1"), receipt("2"))


def test_the_oldest_are_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carrier_inbox, "WHOLES_KEPT", 2)
    inbox, link = open_inbox(), Link()
    for ref in ("1 2", "3 4", "5 6"):
        inbox.remember("sms", ref)
    bring(inbox, link, receipt("1"))
    assert inbox.take(0).receipts == (receipt("1"),)
    bring(inbox, link, receipt("3"))
    assert not inbox.take(0).token
    assert inbox.keep(link, Brought(receipt("7"), b""))  # type: ignore[arg-type]
    assert inbox.take(0).receipts == (receipt("7"),)
