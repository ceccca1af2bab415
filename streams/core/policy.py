"""The routing policy: a versioned document of numbers, read by ``decide`` and nobody else. Pure.

Durations are ms, times of day are minutes of the recipient's local day.
"""

from typing import Annotated, get_args

import msgspec

from templates.misread import name_entry
from templates.notice import ChannelName, NoticeClass

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

MinuteOfDay = Annotated[int, msgspec.Meta(ge=-1, le=24 * 60 - 1)]
Count = Annotated[int, msgspec.Meta(ge=0)]
Positive = Annotated[int, msgspec.Meta(ge=1)]


class ClassPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How one class of notice is treated.

    ``quiet_from``/``quiet_to``: no message of the class between them (both -1: at any hour).
    ``cap``: messages a recipient and local day (0: no cap). ``tries``: definite failures a
    channel is given. ``resend_unknown``: channels on which an unknown attempt may be repeated,
    ``horizon_ms`` after it. ``all_channels``: one leg a channel, all at once.
    ``order`` overrides the notice's own channel order when not empty.
    """

    quiet_from: MinuteOfDay = -1
    quiet_to: MinuteOfDay = -1
    cap: Count = 0
    tries: Positive = 3
    resend_unknown: tuple[ChannelName, ...] = ()
    horizon_ms: Count = 10 * MINUTE_MS
    all_channels: bool = False
    opt_out: bool = True
    order: tuple[ChannelName, ...] = ()


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole document. ``spread_ms``: a release after quiet hours is spread over at least this.

    ``answer_ms``: how long an open intent may stay unanswered past its deadline.
    ``receipt_ms``: how long a carrier may take to report before the hub closes without it.
    ``ring_again_ms``: how long after each call that nobody answered the next one is made; after
    the last of them another channel is taken.
    """

    version: Positive
    classes: dict[NoticeClass, ClassPolicy]
    spread_ms: Count = 15 * MINUTE_MS
    call_before_ms: Positive = 10_000
    answer_ms: Positive = 30_000
    receipt_ms: Positive = 48 * HOUR_MS
    backoff_ms: Positive = 2_000
    backoff_max_ms: Positive = 15 * MINUTE_MS
    ring_again_ms: tuple[Positive, ...] = (10 * MINUTE_MS, HOUR_MS)


NIGHT_FROM, NIGHT_TO = 21 * 60, 8 * 60
"""Statutory notices may wait for the morning; bulletins keep wider hours."""

DEFAULT = Policy(
    version=1,
    classes={
        "emergency": ClassPolicy(
            resend_unknown=("sms", "voice", "email", "push", "inbox"),
            horizon_ms=60_000,
            all_channels=True,
            opt_out=False,
        ),
        "code": ClassPolicy(tries=1),
        "notice": ClassPolicy(
            NIGHT_FROM, NIGHT_TO, resend_unknown=("email", "push", "inbox"), opt_out=False
        ),
        "status": ClassPolicy(
            NIGHT_FROM, NIGHT_TO, cap=8, resend_unknown=("email", "push", "inbox")
        ),
        "reminder": ClassPolicy(
            NIGHT_FROM, NIGHT_TO, cap=3, tries=2, resend_unknown=("email", "push", "inbox")
        ),
        "bulletin": ClassPolicy(NIGHT_FROM, 9 * 60, cap=1, tries=1),
    },
)
"""In force until another is published. Emergency's horizon is longer than the session time-out, a
call's deadline and its time-out together, so that a paused sender cannot be overtaken."""


def load(text: bytes) -> Policy:
    """A policy from TOML; raises ``msgspec.DecodeError`` naming the field."""
    plain = msgspec.toml.decode(text)
    try:
        return msgspec.convert(plain, Policy)
    except msgspec.ValidationError as error:
        raise msgspec.ValidationError(name_entry(str(error), plain, Policy)) from None


def missing_classes(policy: Policy) -> list[str]:
    """Classes a document says nothing of; it cannot be in force then."""
    return [cls for cls in get_args(NoticeClass) if cls not in policy.classes]


def dump(policy: Policy) -> bytes:
    """The policy as TOML, for people to read and change."""
    plain = msgspec.to_builtins(policy)
    lines = [f"{name} = {_value(value)}" for name, value in plain.items() if name != "classes"]
    for cls, rule in plain["classes"].items():
        lines += ["", f"[classes.{cls}]", *(f"{name} = {_value(v)}" for name, v in rule.items())]
    return "\n".join([*lines, ""]).encode()


def _value(value: object) -> str:
    """A number, a truth or a list of names: written in TOML as in JSON."""
    return msgspec.json.encode(value).decode().replace('","', '", "')
