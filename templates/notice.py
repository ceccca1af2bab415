"""What a notice is: the values that one catalog folder declares. Pure; no I/O.

A *notice* is a kind of notification ("violation recorded"). Its folder in ``templates/catalog/``
declares which upstream events cause it, who is told, until when it matters and by which channels;
:mod:`templates.catalog_files` reads the folders into these values.
"""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

NoticeClass = Literal["emergency", "code", "notice", "status", "reminder", "bulletin"]
ChannelName = Literal["sms", "voice", "email", "push", "wechat", "inbox"]
VariableType = Literal[
    "text", "digits", "plate", "date", "datetime", "money", "url", "phone", "integer", "list"
]

CHANNELS: tuple[ChannelName, ...] = ("sms", "voice", "email", "push", "wechat", "inbox")
LANGUAGES = ("zh", "en")


class Variable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One field of an upstream event's ``data``, with its type and length limit in characters.

    A ``list`` holds texts; ``max`` limits their characters together. Of an ``integer`` it limits
    the digits; the types ``plate``, ``date``, ``datetime`` and ``money`` have their own length.
    """

    type: VariableType
    max: int = 64
    required: bool = True
    personal: bool = False
    doc: str = ""


class EventType(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An upstream event type: the closed set of fields its ``data`` may carry.

    ``correlation`` names the data field that identifies the case; ``recipient`` may ride inline in
    every event's data and is not declared here.
    """

    type: str
    data: dict[str, Variable]
    correlation: str = ""
    doc: str = ""


class Occasion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One reminder relative to a date: ``T-7`` is seven days before it, ``T+1`` the day after."""

    label: str
    days: int
    at_minute: int = 9 * 60


class Escalation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """After ``after_ms`` without proof of delivery the next channel of ``to`` is tried."""

    after_ms: int
    to: tuple[ChannelName, ...]


class Notice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One kind of notification, as its catalog folder declares it.

    ``triggers`` cause it, each only when every pair of ``when`` equals the event's data;
    ``stops`` settle the case and cancel what is still open of this notice.
    ``to`` is ``subject``, ``contacts:ROLE`` (contact persons of an enterprise) or ``field:NAME``
    (a data field that names a recipient).
    ``expiry_ms`` counts from the event's time; for a reminder from the moment it falls due.
    ``sender_field`` names a data field whose sender signs instead, where it names one: an answer
    is signed by whoever sent what it answers. ``contact_field`` names one with the number that is
    used first, where the recipient has it and it can be used: an answer goes to where its question
    came from. It cannot be a mail address, which would be a foreign link in the data.
    ``supersedes``: a newer event of the same case and ``family`` replaces an older one.
    """

    id: str
    cls: NoticeClass
    category: str
    title: dict[str, str]
    sender: str
    triggers: tuple[str, ...]
    channels: tuple[ChannelName, ...]
    expiry_ms: int
    when: dict[str, str] = {}
    stops: tuple[str, ...] = ()
    to: str = "subject"
    family: str = ""
    supersedes: bool = False
    quiet: bool = True
    consent: bool = False
    due_field: str = ""
    occasions: tuple[Occasion, ...] = ()
    escalation: Escalation | None = None
    max_segments: int = 3
    service: str = ""
    sender_field: str = ""
    contact_field: str = ""


class Sender(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who signs: the signature that opens a text message, the caller name, the mail sender."""

    id: str
    signature: str
    name: dict[str, str]
    email: str
    short_number: str


def signer(notice: Notice, senders: Mapping[str, Sender], data: Mapping[str, Any]) -> Sender:
    """Who signs a message with this data."""
    named = senders.get(str(data.get(notice.sender_field, ""))) if notice.sender_field else None
    return named or senders[notice.sender]


class Rendered(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one channel carries. ``segments`` is 0 where the channel has none."""

    text: str
    subject: str = ""
    html: str = ""
    segments: int = 0
