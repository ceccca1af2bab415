"""How a channel answers: the outcome tree, the receipt, and the contract every channel keeps.

What an answer proves decides everything that follows it::

    Outcome
     ├── Accepted      the provider took responsibility and gave a reference
     ├── NotSent       nothing left the process: safe to send again
     ├── Throttled     refused only for rate: keeps its turn, is not counted as a try
     ├── Transient     refused now, may work later
     ├── Permanent     will never work, for a recipient, a content, a sender or an account
     └── Unknown       bytes may have left: never sent again blindly

A channel never retries by itself; retrying is a decision, and decisions are journalled.
"""

from collections.abc import Sequence
from typing import Literal, Protocol

import msgspec

Scope = Literal["recipient", "content", "sender", "account", "lane"]
ReportStatus = Literal[
    "delivered", "undelivered", "expired", "rejected", "read", "relayed", "delayed", "complaint"
]
"""The last three end nothing: a mail was passed on to a server that reports no more, or is still
being tried; or its recipient complained to their provider."""

Prospect = Literal["", "again", "never"]


NOT_ABROAD = "transfer_not_allowed"
"""Code of a refusal of our own: the lane may not take the number abroad. It says nothing of it."""


class Clock(Protocol):
    """The hub's one clock, as far as a channel needs it. Whole Unix milliseconds."""

    def now_ms(self) -> int: ...

    async def sleep_ms(self, ms: int) -> None: ...


class Message(msgspec.Struct, frozen=True, gc=False):
    """One message for one lane. ``attempt`` is ``stream-hex:version``, unique for ever.

    ``to`` is an E.164 number, a mail address, a device token or, for the inbox, the recipient's
    reference. ``unsubscribe`` is an https link, for mail of the categories that may be refused.
    ``expiry_ms`` is when it is of no more use (0: the provider's own limit). ``cls`` is the class
    of its notice, for who tells a device how urgent it is.
    """

    attempt: str
    to: str
    text: str
    call_before_ms: int
    subject: str = ""
    html: str = ""
    sender: str = ""
    segments: int = 1
    unsubscribe: str = ""
    expiry_ms: int = 0
    cls: str = ""


class Accepted(msgspec.Struct, frozen=True, tag="accepted", gc=False):
    """``ref`` is the provider's own id of the message; where it went in several parts, the ids of
    all of them, with a blank between."""

    ref: str


class NotSent(msgspec.Struct, frozen=True, tag="not_sent", gc=False):
    """DNS, refused connection, TLS, local deadline: nothing was written. ``ours`` where we did not
    get round to it: that says nothing of the provider."""

    reason: str
    ours: bool = False


TOO_LATE = NotSent("past its deadline", ours=True)
NO_TURN = NotSent("its turn had not come before the batch closed", ours=True)
CLOSED = NotSent("closed", ours=True)
"""Why we did not get round to it, in every channel alike: people read these words."""


class Throttled(msgspec.Struct, frozen=True, tag="throttled", gc=False):
    """Refused for rate; definitely not taken."""

    code: str
    retry_after_ms: int = 0


class Transient(msgspec.Struct, frozen=True, tag="transient", gc=False):
    """Refused now; ``code`` is the provider's own word, kept verbatim."""

    code: str


class Permanent(msgspec.Struct, frozen=True, tag="permanent", gc=False):
    """Will never work for ``scope``; ``code`` verbatim."""

    code: str
    scope: Scope


class Unknown(msgspec.Struct, frozen=True, tag="unknown", gc=False):
    """The request may have been taken; ``evidence`` says what was seen."""

    evidence: str


Outcome = Accepted | NotSent | Throttled | Transient | Permanent | Unknown


class Receipt(msgspec.Struct, frozen=True, gc=False):
    """What a carrier reports later. Joined by ``attempt`` where it is echoed, else (lane, ref).

    ``ref`` is that of the message or, where nobody remembers that it went in parts, of one part.
    """

    lane: str
    ref: str
    status: ReportStatus
    code: str
    at_ms: int
    attempt: str = ""
    carrier: str = ""
    then: Prospect = ""
    """Where it did not reach: whether the same address may be tried ``again``, or ``never``."""


class LateAnswer(msgspec.Struct, frozen=True, gc=False):
    """The answer of a call whose batch had closed before it came."""

    lane: str
    attempt: str
    outcome: Outcome


class Reply(msgspec.Struct, frozen=True, gc=False):
    """What somebody wrote back: ``source`` is their number (E.164), ``to`` the one they wrote to.

    ``attempt`` is the message they answered, where the number they wrote to tells. ``ref`` is the
    provider's own id of what they wrote: what comes again has the same. A provider that gives none
    leaves it to the words and the time.
    """

    lane: str
    source: str
    to: str
    text: str
    at_ms: int
    attempt: str = ""
    ref: str = ""


class Collected(msgspec.Struct, frozen=True, gc=False):
    """What a provider reported up to ``now_ms``.

    ``token`` acknowledges it once it is durable; ``next_ms`` is when more is known to be due
    (0: nothing known, wait for :meth:`Channel.arrived`). ``replies`` are what people wrote back;
    like receipts, they come again until they are acknowledged.
    """

    receipts: tuple[Receipt, ...]
    late: tuple[LateAnswer, ...]
    token: int
    next_ms: int
    replies: tuple[Reply, ...] = ()


CLOSE_AT_PERCENT = 95
"""Answers at which a batch closes, once all of it has been begun: one lost answer must not stop a
lane."""


class Channel(Protocol):
    """The contract. Every implementation passes ``tests/contracts/channel_contract.py``.

    ``send`` answers in the order of ``messages``; ``None`` stands for an answer that had not come
    when the batch closed (95 % answered or ``close_ms`` after the call): it comes later through
    ``collect`` as a :class:`LateAnswer`, or never. It makes no call past a message's
    ``call_before_ms`` (that one is ``NotSent``) and raises nothing for a provider's faults.

    ``collect`` hands a report out once; what was not acknowledged comes again when the channel has
    connected anew. ``arrived`` returns when a collect may have more to tell than the last one did.
    """

    name: str

    async def send(
        self, lane: str, messages: Sequence[Message], close_ms: int
    ) -> list[Outcome | None]: ...

    async def collect(self) -> Collected: ...

    async def acknowledge(self, token: int) -> None: ...

    async def arrived(self) -> None: ...

    async def close(self) -> None: ...
