"""What a mail that came back says: a bounce, a delay, a complaint, or somebody's words. Pure.

The address it came to decides whose it is and what may be in it (:mod:`channels.email_returns`).
Everything else in it was written by anybody: an ENVID that names another attempt than the address
makes the whole a forgery, and one without a right address changes nothing.

Reports are those of RFC 3464, complaints those of RFC 5965; servers that are older than either
write a text (:mod:`channels.email_bounces`). *Relayed is not delivered*: a server
that passes a mail on to one that reports no more has proved only that it was taken.
"""

import re
from collections.abc import Iterator
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message
from email.parser import BytesParser, HeaderParser
from email.utils import parseaddr
from typing import NamedTuple

from channels.base import Prospect, Receipt, Reply, ReportStatus
from channels.email_bounces import bounce_code, is_answer
from channels.email_codes import ENHANCED, reaches_nobody
from channels.email_mime import is_address
from channels.email_returns import Returns
from channels.email_words import words_of
from channels.mailbox import MAIL_BYTES_MAX, Mail

STATUS_TYPES = ("message/delivery-status", "message/global-delivery-status")
FEEDBACK_TYPE = "message/feedback-report"
RETURNED_TYPES = (
    "message/rfc822",
    "text/rfc822-headers",
    "message/global",
    "message/global-headers",
)

COMPLAINTS = frozenset(("abuse", "fraud", "opt-out", "opt-out-list"))
"""Kinds of feedback that say somebody does not want this mail. ``not-spam`` says the opposite, and
``auth-failure`` (RFC 6591) speaks of signatures."""

ACTIONS: tuple[tuple[str, ReportStatus], ...] = (
    ("delivered", "delivered"),
    ("relay", "relayed"),
    ("expand", "relayed"),  # to a list, each of whose members is another's business
    ("delay", "delayed"),
    ("fail", "undelivered"),
    ("err", "undelivered"),
    ("undeliver", "undelivered"),
    ("bounce", "undelivered"),
)
"""How an action begins, as servers spell it: ``failed``, ``failure``, ``error``, ``Failed (bad
address)``. Where one report speaks of several mailboxes behind an address, what stands first here
is what became of the mail."""

_ORDER = tuple(dict.fromkeys(status for _, status in ACTIONS))
_BY_CLASS: dict[str, ReportStatus] = {"2": "relayed", "4": "delayed", "5": "undelivered"}

KEPT_TOO_LONG = "4.7"
POLICY = "7."

_REPLY_CODE = re.compile(r"(?<![\d.])([245]\d\d)(?![\d.]*\d)")
_LETTER = re.compile(r"[a-z]+")


class Refused(NamedTuple):
    """None of ours, and why: nothing in the reason is from the mail."""

    reason: str


class Ignored(NamedTuple):
    """Ours, and it says nothing: an automatic answer, or feedback that is no complaint."""


Read = Receipt | Reply | Ignored | Refused


def read(mail: Mail, returns: Returns, lane: str, now_ms: int) -> Read:
    """What ``mail`` says. ``lane`` is the name that reports and replies go by."""
    if len(mail.data) > MAIL_BYTES_MAX:
        return Refused("it is too long")
    try:
        message = BytesParser().parsebytes(mail.data)
        if mail.sender:  # whoever delivers a mail last writes it there (RFC 5321, section 4.4)
            del message["return-path"]
            message["return-path"] = mail.sender
        return _read(mail.to, message, returns, lane, now_ms)
    except Exception as error:  # whatever somebody wrote must not stop the mailbox
        return Refused(f"it cannot be read ({type(error).__name__})")


def _read(to: str, message: Message, returns: Returns, lane: str, now_ms: int) -> Read:
    feedback = _part(message, (FEEDBACK_TYPE,))
    if feedback is not None:
        return _complaint(to, message, feedback, returns, lane, now_ms)
    if attempt := returns.attempt_of("bounce", to):
        return _report(message, attempt, lane, now_ms)
    if attempt := returns.attempt_of("reply", to):
        return _reply(message, returns.address, attempt, lane, now_ms)
    return Refused("it came to no address that a mail of ours had")


# Reports ------------------------------------------------------------------------------------------


def _report(message: Message, attempt: str, lane: str, now_ms: int) -> Read:
    part = _part(message, STATUS_TYPES)
    if part is None:
        return _without_report(message, attempt, lane, now_ms)
    blocks = list(_blocks(part))
    named = {value for b in blocks if (value := _field(b, "original-envelope-id"))}
    if named - {attempt}:
        return Refused("it names another attempt than its address")
    said = [(status, _said_code(b) or status) for b in blocks if (status := _status(b))]
    if not said:
        return Refused("its report says nothing of the mail")
    status, code = min(said, key=lambda one: _ORDER.index(one[0]))
    detail = code.partition(".")[2]
    if status == "undelivered" and detail == KEPT_TOO_LONG:
        status = "expired"
    elif status == "undelivered" and detail.startswith(POLICY):
        status = "rejected"
    then: Prospect = (
        "never" if status in ("undelivered", "rejected") and reaches_nobody(code) else ""
    )
    return Receipt(lane, "", status, code, now_ms, attempt, then=then)


def _without_report(message: Message, attempt: str, lane: str, now_ms: int) -> Read:
    """A bounce in words, or an automatic answer: those come to the envelope's sender, too."""
    code = bounce_code(message) if _has_no_sender(message) else ""
    if code and not is_answer(message):
        return Receipt(lane, "", "undelivered", code, now_ms, attempt)
    if code:
        return Refused("it reads as a bounce, and is marked as an automatic answer")
    return Ignored() if _is_marked(message) else Refused("there is no report in it")


def _blocks(part: Message) -> Iterator[Message]:
    """The groups of fields of a report: one about the mail, then one for each recipient."""
    payload = part.get_payload()
    if not isinstance(payload, list):
        return
    for block in payload:
        if not isinstance(block, Message):
            continue
        yield block
        rest = block.get_payload()
        if isinstance(rest, str) and rest.strip():  # groups that the parser took for a body
            for text in re.split(r"\n\s*\n", rest):
                yield HeaderParser().parsestr(text.strip())


def _status(block: Message) -> ReportStatus | None:
    """What one group says has become of the mail; None for one that says nothing of it. Without an
    action its code is asked; 4.y.z alone is only a delay: whoever has given up says so."""
    found = _LETTER.match(_field(block, "action").lower())
    for beginning, status in ACTIONS:
        if found and found.group().startswith(beginning):
            return status
    return _BY_CLASS.get(_said_code(block)[:1])


def _said_code(block: Message) -> str:
    """``5.1.1`` or, where there is no such code, ``550``: digits, never the text around them, in
    which servers repeat addresses."""
    texts = (_field(block, "status"), _field(block, "diagnostic-code"))
    enhanced = [found.group() for text in texts if (found := ENHANCED.search(text))]
    telling = [code for code in enhanced if not code.endswith(".0.0")]
    if telling or enhanced:
        return (telling or enhanced)[0]
    plain = [found.group() for text in texts if (found := _REPLY_CODE.search(text))]
    return plain[0] if plain else ""


# Complaints ---------------------------------------------------------------------------------------


def _complaint(
    to: str, message: Message, feedback: Message, returns: Returns, lane: str, now_ms: int
) -> Read:
    """Providers send these where they were told to; the token is in what they return."""
    places = [to]
    fields = next(_blocks(feedback), feedback)
    places += [_field(fields, "original-mail-from")]
    returned = _part(message, RETURNED_TYPES)
    if returned is not None:
        head = _headers(returned)
        places += [_field(head, name) for name in ("return-path", "reply-to", "list-unsubscribe")]
    text = "\n".join(places)
    attempt = returns.attempt_of("bounce", text) or returns.attempt_of("reply", text)
    if not attempt:
        return Refused("it is feedback about no mail of ours")
    kind = _field(fields, "feedback-type").lower()
    if kind not in COMPLAINTS:
        return Ignored()
    return Receipt(lane, "", "complaint", kind, now_ms, attempt)


def _headers(returned: Message) -> Message:
    """The headers of a mail that is returned, whole or in part."""
    payload = returned.get_payload()
    if isinstance(payload, list):
        assert isinstance(payload[0], Message)
        return payload[0]
    raw = returned.get_payload(decode=True)
    assert isinstance(raw, bytes)
    return HeaderParser().parsestr(raw.decode("utf-8", "replace"))


# Replies ------------------------------------------------------------------------------------------


def _reply(message: Message, address: str, attempt: str, lane: str, now_ms: int) -> Read:
    if _is_automatic(message):
        return Ignored()
    source = parseaddr(_field(message, "from"))[1]
    if not is_address(source):
        return Refused("it names nobody that it is from")
    text = words_of(message) or _decoded(_field(message, "subject"))
    return Reply(lane, source, address, text, now_ms, attempt) if text else Ignored()


def _is_automatic(message: Message) -> bool:
    """Whether a machine wrote it (RFC 3834, and what there was before)."""
    return _is_marked(message) or _has_no_sender(message)


def _has_no_sender(message: Message) -> bool:
    return _field(message, "return-path") == "<>"


def _is_marked(message: Message) -> bool:
    submitted = _field(message, "auto-submitted").partition(";")[0].strip().lower()
    return (
        message.get_content_type() == "multipart/report"
        or submitted not in ("", "no")
        or is_answer(message)
    )


def _decoded(text: str) -> str:
    try:
        return str(make_header(decode_header(text))).strip()
    except (ValueError, LookupError, MessageError):
        return text


# Fields -------------------------------------------------------------------------------------------


def _part(message: Message, types: tuple[str, ...]) -> Message | None:
    return next((part for part in message.walk() if part.get_content_type() in types), None)


def _field(message: Message, name: str) -> str:
    """A field's value on one line; "" where there is none."""
    return " ".join(str(message.get(name, "")).split())
