"""What a mail server's refusal means. Pure; the knowledge is the tables.

A reply has three digits (RFC 5321) and mostly an enhanced code ``class.subject.detail`` (RFC 3463)
at the beginning of its text. The enhanced one is the more exact and is asked first; without it the
command that was refused says the most.
"""

import re
from typing import Literal

from channels.base import Outcome, Permanent, Scope, Throttled, Transient

Phase = Literal["connect", "mail", "rcpt", "data"]
Verdict = Scope | Literal["transient"]

BY_DETAIL: dict[str, Verdict] = {
    "1.1": "recipient",  # no such mailbox
    "1.2": "recipient",  # no such domain
    "1.3": "recipient",  # malformed address
    "1.6": "recipient",  # has moved
    "1.10": "recipient",  # the domain takes no mail
    "1": "sender",  # our own address is at fault
    "2.2": "transient",  # mailbox full
    "2.3": "content",  # too long for the mailbox
    "2": "recipient",  # mailbox disabled
    "3.4": "content",  # too big
    "3": "lane",  # the mail system behind this server
    "4": "transient",  # routing and network
    "5": "account",  # protocol: our configuration
    "6": "content",  # what is in it
    "7": "sender",  # policy and authentication
}
"""What a refusal for ever (5.y.z) is about, by ``y.z`` and else by ``y``."""

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

_ENHANCED = re.compile(r"([245])\.(\d{1,3}\.\d{1,3})\b")


def judge(phase: Phase, code: int, text: str) -> Outcome:
    """The outcome of a refusal: a ``code`` from 400 on.

    The outcome's code is digits only, as ``550 5.1.1``: servers repeat addresses in their texts.
    """
    assert code >= 400
    enhanced = _ENHANCED.match(text)
    word = f"{code} {enhanced.group()}" if enhanced else str(code)
    if code < 500:
        # 421 closes the connection and 4.7 is policy: both mean too much at once
        policy = enhanced is not None and enhanced.group(2).startswith("7.")
        return Throttled(word) if code == 421 or policy else Transient(word)
    verdict = _verdict(phase, code, enhanced.group(2) if enhanced else "")
    return Transient(word) if verdict == "transient" else Permanent(word, verdict)


def _verdict(phase: Phase, code: int, detail: str) -> Verdict:
    if detail in BY_DETAIL:
        return BY_DETAIL[detail]
    if code in CONFIGURATION:
        return "account"
    subject = detail.partition(".")[0]
    return BY_DETAIL.get(subject) or BY_CODE.get((phase, code)) or BY_PHASE[phase]
