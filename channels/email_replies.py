"""What a mail server's refusal means. Pure; the knowledge is the tables.

A reply has three digits (RFC 5321) and mostly an enhanced code ``class.subject.detail`` (RFC 3463)
at the beginning of its text. The enhanced one is the more exact and is asked first (see
``email_codes.toml``); without it the command that was refused says the most.
"""

from typing import Literal

from channels.base import Outcome, Permanent, Throttled, Transient
from channels.email_codes import ENHANCED, Verdict, by_detail, by_subject

Phase = Literal["connect", "mail", "rcpt", "data"]

BY_CODE: dict[tuple[Phase, int], Verdict] = {
    ("rcpt", 552): "transient",  # mailbox full, before there were enhanced codes
    ("data", 550): "content",
    ("data", 552): "content",
    ("data", 554): "content",
}
BY_PHASE: dict[Phase, Verdict] = {
    "connect": "account",
    "mail": "sender",
    "rcpt": "recipient",
    "data": "content",
}
CONFIGURATION = frozenset((500, 501, 502, 503, 504, 530, 534, 535, 538, 555))
"""Replies about how we speak or who we are, whatever the command."""


def judge(phase: Phase, code: int, text: str) -> Outcome:
    """The outcome of a refusal: a ``code`` from 400 on.

    The outcome's code is digits only, as ``550 5.1.1``: servers repeat addresses in their texts.
    """
    assert code >= 400
    enhanced = ENHANCED.match(text)
    word = f"{code} {enhanced.group()}" if enhanced else str(code)
    if code < 500:
        # 421 closes the connection and 4.7 is policy: both mean too much at once
        policy = enhanced is not None and enhanced.group(2).startswith("7.")
        return Throttled(word) if code == 421 or policy else Transient(word)
    verdict = _verdict(phase, code, enhanced.group(2) if enhanced else "")
    return Transient(word) if verdict == "transient" else Permanent(word, verdict)


def _verdict(phase: Phase, code: int, detail: str) -> Verdict:
    if found := by_detail(detail):
        return found
    if code in CONFIGURATION:
        return "account"
    return by_subject(detail) or BY_CODE.get((phase, code)) or BY_PHASE[phase]
