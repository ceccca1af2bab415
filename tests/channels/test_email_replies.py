"""Refusals of mail servers, and what they mean."""

import pytest

from channels.base import Outcome, Permanent, Throttled, Transient
from channels.email_replies import Phase, judge


@pytest.mark.parametrize(
    ("phase", "code", "text", "outcome"),
    [
        ("rcpt", 550, "5.1.1 no such user", Permanent("550 5.1.1", "recipient")),
        ("rcpt", 550, "No such user here", Permanent("550", "recipient")),
        ("rcpt", 556, "5.1.10 null MX", Permanent("556 5.1.10", "recipient")),
        ("rcpt", 501, "5.1.3 bad address", Permanent("501 5.1.3", "recipient")),
        ("rcpt", 552, "5.2.2 mailbox full", Transient("552 5.2.2")),
        ("rcpt", 552, "mailbox full", Transient("552")),
        ("rcpt", 550, "5.2.1 mailbox disabled", Permanent("550 5.2.1", "recipient")),
        ("rcpt", 554, "5.7.1 relay access denied", Permanent("554 5.7.1", "sender")),
        ("rcpt", 550, "5.4.1 no answer from host", Transient("550 5.4.1")),
        ("rcpt", 450, "4.2.1 try later", Transient("450 4.2.1")),
        ("rcpt", 450, "4.7.1 greylisted", Throttled("450 4.7.1")),
        ("mail", 421, "closing", Throttled("421")),
        ("connect", 421, "4.7.0 too many connections", Throttled("421 4.7.0")),
        ("connect", 554, "go away", Permanent("554", "account")),
        ("connect", 535, "5.7.8 authentication failed", Permanent("535 5.7.8", "account")),
        ("mail", 530, "5.7.0 must issue STARTTLS", Permanent("530 5.7.0", "account")),
        ("mail", 553, "5.1.8 sender domain not found", Permanent("553 5.1.8", "sender")),
        ("mail", 550, "not you", Permanent("550", "sender")),
        ("mail", 503, "bad sequence", Permanent("503", "account")),
        ("data", 554, "5.6.0 looks like spam", Permanent("554 5.6.0", "content")),
        ("data", 550, "5.7.26 unauthenticated", Permanent("550 5.7.26", "sender")),
        ("data", 552, "5.3.4 too big", Permanent("552 5.3.4", "content")),
        ("data", 554, "transaction failed", Permanent("554", "content")),
        ("data", 451, "local error", Transient("451")),
    ],
)
def test_a_reply_means_what_its_phase_and_code_say(
    phase: Phase, code: int, text: str, outcome: Outcome
) -> None:
    assert judge(phase, code, text) == outcome


def test_no_address_of_the_servers_text_is_kept() -> None:
    assert "zhang" not in repr(judge("rcpt", 550, "5.1.1 <zhang@example.com> unknown"))
