"""A bounce that is no report: a text that some server wrote to people. Pure.

Nothing in it is proved by its form, and holidays come back the same way, to the same address and
with no sender either. So it counts only where it says that all is over: by a reply code (RFC 5321)
where servers write one, in the words of the mail programs, or by Exim's own header. What it says is
believed of this one mail, never of the address, since a text may quote anything.
"""

import re
from email.message import Message

from channels.email_words import text_of

NO_REPORT = "no report"
"""How the code of such a failure begins, before the server's own."""

FAILED_HEADER = "x-failed-recipients"
"""Exim's, and that of others since: no automatic answer has it."""

LOOKED_AT = 20_000
"""Characters of its text; why it failed stands at the beginning."""

_ENHANCED = r"(5\.\d{1,3}\.\d{1,3})(?![\d.]*\d)"

_REPLY_CODE = re.compile(
    r"(?:^|[:;(\"']|<<<|\bsaid|\berror)[ \t]*"  # where servers begin to quote one another
    r"(5(?:5[0-6]|21|41|71))"  # that a mail is refused for good
    rf"(?::?[ -]#?{_ENHANCED}|[ -](?=[A-Za-z<\"'#\[(]))"
    rf"|\(#{_ENHANCED}\)",  # qmail's
    re.MULTILINE,
)

_FOR_GOOD = re.compile(r"\bpermanent(?:ly)? (?:fatal )?(?:errors?|fail)", re.IGNORECASE)
"""Of sendmail, qmail and Exim, where they had no server's word to go by."""

_RETURNED = re.compile(
    r"^[-_=*# \t]*(?:(?:below|this) (?:this line )?is (?:a|the) copy"
    r"|(?:your |the )?(?:original|returned|unsent|undelivered) (?:e-?mail |mail )?message"
    r"|(?:a |the )?copy of (?:the|your) (?:original )?message"
    r"|(?:the )?(?:message )?headers? (?:follow|of the)"
    r"|start of returned message|原邮件|原始邮件)",
    re.IGNORECASE | re.MULTILINE,
)
"""The line behind which a server returns the mail: its words are ours."""


_QUOTED = re.compile(r"^>(?!>>).*$", re.MULTILINE)
"""Lines that an answer quotes; with three signs a server shows what it said to another."""


def bounce_code(message: Message) -> str:
    """``no report 550 5.1.1``, or as much of it as is said; "" for what is no bounce, or says of a
    delay only."""
    text = _QUOTED.sub("", text_of(message)[:LOOKED_AT])
    if returned := _RETURNED.search(text):
        text = text[: returned.start()]
    if found := _REPLY_CODE.search(text):
        return " ".join((NO_REPORT, *filter(None, found.groups())))
    return NO_REPORT if FAILED_HEADER in message or _FOR_GOOD.search(text) else ""


def is_answer(message: Message) -> bool:
    """Whether it is marked as what somebody's machine answers to whoever writes (RFC 3834, and what
    there was before)."""
    if FAILED_HEADER in message:
        return False
    submitted = str(message.get("auto-submitted", "")).strip().lower()
    precedence = str(message.get("precedence", "")).strip().lower()
    return (
        submitted.startswith("auto-replied")
        or precedence in ("bulk", "junk", "list", "auto_reply")
        or any(name in message for name in ("x-autoreply", "x-autorespond", "list-id"))
    )
