"""Every event: the one closed upstream envelope, and what the journal records.

Events are of two kinds. A **fact** (the outcome of a call, a receipt, a stop, a choice made by a
person) happened and is never refused: on a conflict it takes the next free version. A **decision**
holds only at the version it was made at: on a conflict it is made again or dropped.

Structs are frozen and closed; the journal's ``type`` column is the struct's name and schema
version (``Routed.1``); :mod:`streams.core.codec` holds the upcasters.
"""

from typing import ClassVar, Literal

import msgspec

from streams.core.routing_facts import Facts
from templates.notice import ChannelName, NoticeClass


class Event(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An upstream event: CloudEvents 1.0, closed. ``subject`` is the recipient's opaque reference.

    ``region`` is the hub's one extension attribute (a province or city code for reports);
    ``traceparent`` is the W3C one. Anything else is refused by name.
    """

    specversion: Literal["1.0"]
    id: str
    source: str
    type: str
    time: str
    subject: str = ""
    datacontenttype: Literal["application/json"] = "application/json"
    region: str = ""
    traceparent: str = ""
    data: msgspec.Raw = msgspec.Raw(b"{}")


class Base(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    gc=False,  # values: none leads back to itself, and a batch makes thousands
):
    """What every journalled event shares: a schema version, and being a fact or a decision."""

    SCHEMA: ClassVar[int] = 1
    FACT: ClassVar[bool] = False


class Head(Base, frozen=True, kw_only=True):
    """What one leg is about; written once, with its first event."""

    notice: str
    cls: NoticeClass
    category: str
    recipient: str
    event: bytes
    event_ms: int
    expiry_ms: int
    correlation: str = ""
    occasion: str = ""
    leg: str = ""
    region: str = ""
    family: str = ""
    due_ms: int = 0


class Route(Base, frozen=True, kw_only=True):
    """Through which channel, carrier and lane, in which words.

    ``sealed`` holds address and rendered content under the recipient's key. ``window_end_ms`` is
    when the recipient's next quiet hours begin (0: never).
    """

    channel: ChannelName
    lane: str
    carrier: str
    wording: str
    language: str
    segments: int
    sealed: bytes
    window_end_ms: int = 0


class Moved(Base, frozen=True, kw_only=True):
    """From where a leg moves on, so that projections add and subtract without a state of their
    own: ``was`` is the category it leaves (:data:`streams.core.lifecycle.CATEGORY`)."""

    was: str
    channel: str
    lane: str
    carrier: str
    notice: str
    cls: str
    region: str = ""


class Step(Base, frozen=True, kw_only=True):
    """An event after the first of a stream. ``moved`` is there when it changes the category."""

    moved: Moved | None = None


class Routed(Base, frozen=True, kw_only=True):
    """Decision: send now, this way. Opens a stream (with ``head``)."""

    SCHEMA: ClassVar[int] = 2
    head: Head
    route: Route
    facts: Facts
    policy: int
    reason: str


class Held(Step, frozen=True, kw_only=True):
    """Decision: not now. Opens a stream (with ``head``) or holds one again. ``failed`` says why the
    channel in use is done with, where it is the next one that has to wait."""

    SCHEMA: ClassVar[int] = 2
    until_ms: int
    reason: str
    facts: Facts
    policy: int
    head: Head | None = None
    failed: str = ""


class Suppressed(Step, frozen=True, kw_only=True):
    """Decision: never, and why. Opens a stream (with ``head``) or ends a held one."""

    SCHEMA: ClassVar[int] = 2
    reason: str
    facts: Facts
    policy: int
    head: Head | None = None


class Released(Step, frozen=True, kw_only=True):
    """Decision: what was held, or must be routed again, goes out now, this way."""

    SCHEMA: ClassVar[int] = 2
    route: Route
    facts: Facts
    policy: int
    reason: str


class Escalated(Step, frozen=True, kw_only=True):
    """Decision: this channel did not reach; the next one is tried."""

    SCHEMA: ClassVar[int] = 2
    route: Route
    facts: Facts
    policy: int
    reason: str
    after: int


class AttemptIntended(Step, frozen=True, kw_only=True):
    """Decision: this message is about to be handed to this lane, before ``call_before_ms``.

    An attempt is named by its stream and the version of this row.
    """

    lane: str
    call_before_ms: int


class Cancelled(Step, frozen=True, kw_only=True):
    """Decision: a stop found this notification open. Over an open, unknown or accepted attempt it
    is not an end: it stops retries and escalation, and the timeline says "too late"."""

    reason: str
    by: str = ""


class Expired(Step, frozen=True, kw_only=True):
    """Decision: it no longer matters."""

    reason: str = "expired"


class Failed(Step, frozen=True, kw_only=True):
    """Decision: every way was tried; definitely not delivered."""

    reason: str


class Unknown(Step, frozen=True, kw_only=True):
    """Decision: nobody knows whether the attempt was taken."""

    attempt: int
    evidence: str


class Unconfirmed(Step, frozen=True, kw_only=True):
    """Decision: the horizon passed over an unknown attempt that must not be repeated."""

    attempt: int
    reason: str


class NoReceipt(Step, frozen=True, kw_only=True):
    """Decision: accepted, but the carrier never reported. A verdict below every receipt."""

    attempt: int


class Accepted(Step, frozen=True, kw_only=True):
    """Fact: the provider took attempt ``attempt`` under its own reference. ``segments`` (0: it
    counts none) and ``cost`` (in 1/10000 of the currency unit) are by the lane's contract then."""

    SCHEMA: ClassVar[int] = 2
    FACT: ClassVar[bool] = True
    attempt: int
    ref: str
    segments: int = 0
    cost: int = 0


class NotSent(Step, frozen=True, kw_only=True):
    """Fact: nothing left the process."""

    FACT: ClassVar[bool] = True
    attempt: int
    reason: str


class Throttled(Step, frozen=True, kw_only=True):
    """Fact: refused for rate only; keeps its turn."""

    FACT: ClassVar[bool] = True
    attempt: int
    code: str


class Refused(Step, frozen=True, kw_only=True):
    """Fact: refused, for now (``scope`` empty) or for good (``scope`` says for whom)."""

    FACT: ClassVar[bool] = True
    attempt: int
    code: str
    scope: str = ""


class Delivered(Step, frozen=True, kw_only=True):
    """Fact: the carrier reports that it reached the handset or mailbox."""

    FACT: ClassVar[bool] = True
    attempt: int
    code: str
    at_ms: int


class Undelivered(Step, frozen=True, kw_only=True):
    """Fact: the carrier reports that it did not reach. ``then`` says whether the same address may
    be tried ``again``, where nobody answered, or ``never``."""

    FACT: ClassVar[bool] = True
    attempt: int
    status: str
    code: str
    at_ms: int
    then: str = ""


class Read(Step, frozen=True, kw_only=True):
    """Fact: the recipient opened it or, where ``code`` says by what, acknowledged it."""

    FACT: ClassVar[bool] = True
    attempt: int
    at_ms: int
    code: str = ""


class Reported(Step, frozen=True, kw_only=True):
    """Fact: a mail server says that the attempt was passed on to one that reports no more
    (``relayed``) or is still being tried (``delayed``), or that its recipient made a ``complaint``
    about it. It was taken; whether it reached is not said."""

    FACT: ClassVar[bool] = True
    attempt: int
    status: Literal["relayed", "delayed", "complaint"]
    code: str
    at_ms: int


class StopRecorded(Base, frozen=True, kw_only=True):
    """Fact: an event settled a case (paid, filed, withdrawn). Kept also when nothing was open."""

    FACT: ClassVar[bool] = True
    type: str
    event: bytes
    event_ms: int
    correlation: str


class ReceiptUnmatched(Base, frozen=True, kw_only=True):
    """Fact: a receipt joined nothing within its day."""

    FACT: ClassVar[bool] = True
    lane: str
    ref: str
    status: str
    at_ms: int


class PreferenceChanged(Base, frozen=True, kw_only=True):
    """Fact: a recipient, or an operator for one, chose something. ``change`` is sealed."""

    FACT: ClassVar[bool] = True
    recipient: str
    kind: str
    by: str
    sealed: bytes


class RecipientErased(Base, frozen=True, kw_only=True):
    """Fact: a recipient's key was destroyed; what was sealed under it is not read again by anybody.
    Lies among their own choices, as the last of them."""

    FACT: ClassVar[bool] = True
    recipient: str
    by: str
    reason: str


class ArchiveRemoved(Base, frozen=True, kw_only=True):
    """Fact: somebody ordered that the events accepted in a month (as 202611) go from the archive.
    They go after this is written, some thousands at a time."""

    FACT: ClassVar[bool] = True
    month: int
    by: str
    reason: str


class ReplyReceived(Base, frozen=True, kw_only=True):
    """Fact: a recipient wrote back. Lies among their own choices, so that what it changed stands
    behind it and neither can be without the other.

    ``sealed`` holds their words, and the event that asks for the answer. ``answers`` is the
    notification they wrote about (empty: none was found), ``event`` the key of the event it came
    from. ``asked`` is what the words ask for when they are an opt-out word or its like, and
    ``done`` what was done: ``categories`` were stopped or started; ``kept`` is one sent by law.
    """

    FACT: ClassVar[bool] = True
    reply: bytes
    recipient: str
    lane: str
    channel: ChannelName
    written_ms: int
    sealed: bytes
    asked: Literal["", "stop", "start", "help"] = ""
    done: Literal["passed_on", "stopped", "kept", "started", "nothing", "helped"] = "passed_on"
    categories: tuple[str, ...] = ()
    answers: bytes = b""
    event: bytes = b""
    notice: str = ""
    correlation: str = ""
    answered: bool = False


class WordingPublished(Base, frozen=True, kw_only=True):
    """Fact: new wording of a notice is in force. ``files`` are the folder's texts by name."""

    FACT: ClassVar[bool] = True
    notice: str
    hash: str
    by: str
    files: dict[str, str]


class PolicyPublished(Base, frozen=True, kw_only=True):
    """Fact: a new routing policy is in force."""

    FACT: ClassVar[bool] = True
    policy: int
    by: str
    text: str


class LaneSteered(Base, frozen=True, kw_only=True):
    """Fact: somebody paused a lane, resumed it, gave it another weight, or let a notice's wording
    go that way again."""

    FACT: ClassVar[bool] = True
    lane: str
    action: Literal["pause", "resume", "weight", "allow"]
    by: str
    reason: str
    weight: int = 0
    notice: str = ""


class Shifted(Base, frozen=True, kw_only=True):
    """Decision: a lane carries ``share`` percent of its weight from now on, since its breaker
    opened or its probes went well. ``calls`` and ``errors`` are what the breaker counted;
    ``per_s`` and ``urgent_per_s`` how many of those that wait for it move to ``to`` each second.
    """

    lane: str
    share: int
    reason: Literal["errors", "account", "probes", "trial", "back", "whole"]
    calls: int = 0
    errors: int = 0
    per_s: int = 0
    urgent_per_s: int = 0
    to: tuple[str, ...] = ()


class WordingStopped(Base, frozen=True, kw_only=True):
    """Fact: a carrier refused the content of a notice; this wording of it does not go by this lane
    again until it is published anew, or somebody allows it."""

    FACT: ClassVar[bool] = True
    lane: str
    notice: str
    wording: str
    code: str


class TransferDecided(Base, frozen=True, kw_only=True):
    """Fact: whether a lane may take numbers of the mainland abroad, and why."""

    FACT: ClassVar[bool] = True
    lane: str
    allowed: bool
    by: str
    reason: str


class Quarantined(Base, frozen=True, kw_only=True):
    """Fact: something could not be understood; its original bytes are kept, sealed."""

    FACT: ClassVar[bool] = True
    where: str
    field: str
    expected: str
    sealed: bytes
    source: str = ""
    event_id: str = ""


class QuarantineClosed(Base, frozen=True, kw_only=True):
    """Fact: a quarantined record was mended and replayed, or dropped, by somebody."""

    FACT: ClassVar[bool] = True
    how: Literal["replayed", "dropped"]
    by: str
    reason: str = ""


class CaseNoted(Base, frozen=True, kw_only=True):
    """Fact: an event of a case that asked for no message, for the case's timeline."""

    FACT: ClassVar[bool] = True
    type: str
    event: bytes
    event_ms: int
    correlation: str


JournalEvent = (
    Routed
    | Held
    | Suppressed
    | Released
    | Escalated
    | AttemptIntended
    | Cancelled
    | Expired
    | Failed
    | Unknown
    | Unconfirmed
    | NoReceipt
    | Accepted
    | NotSent
    | Throttled
    | Refused
    | Delivered
    | Undelivered
    | Read
    | Reported
    | StopRecorded
    | ReceiptUnmatched
    | PreferenceChanged
    | RecipientErased
    | ArchiveRemoved
    | ReplyReceived
    | WordingPublished
    | PolicyPublished
    | LaneSteered
    | Shifted
    | WordingStopped
    | TransferDecided
    | Quarantined
    | QuarantineClosed
    | CaseNoted
)
