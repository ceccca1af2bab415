"""The bodies of a notice: how their files are named, how long they may be, what all may use. Pure.

``zh.sms.j2`` is the Chinese text message; each channel has its parts.
"""

from templates.notice import LANGUAGES, ChannelName, Variable

BodyKey = tuple[str, str]
"""Language and part: ``("zh", "sms")``."""

CHANNEL_PARTS: dict[ChannelName, tuple[str, ...]] = {
    "sms": ("sms",),
    "voice": ("voice",),
    "email": ("email.subject", "email.txt", "email.html"),
    "push": ("push",),
    "wechat": ("wechat",),
    "inbox": ("inbox",),
}
"""What each channel needs; an inbox without its own body shows the mail's or the text message's."""

INBOX_FALLBACK = ("inbox", "email.txt", "sms")

MAX_SEGMENTS = 10
"""Carriers take more, but a text this long is no longer read; a notice's own budget is lower."""

MAX_CHARACTERS = {
    "sms": MAX_SEGMENTS * 152,
    "voice": 500,  # two minutes of speech, after which people hang up
    "email.subject": 120,  # what mail programs show of one
    "email.txt": 8000,
    "email.html": 20_000,
    "push": 250,  # what fits a lock screen, with its title
    "wechat": 600,  # a template has some five places of twenty characters
    "inbox": 8000,
}
"""Limits of a filled body, in characters."""

BODY_FILES: dict[str, BodyKey] = {
    f"{language}.{part}.j2": (language, part)
    for language in LANGUAGES
    for parts in CHANNEL_PARTS.values()
    for part in parts
}
"""The file names of bodies, and which body each holds."""

BUILTIN: dict[str, Variable] = {
    "name": Variable("text", max=40, personal=True, doc="the recipient's name"),
    "days_left": Variable("integer", max=3, doc="whole days until the date a reminder is about"),
    "again": Variable("integer", max=1, doc="whether another channel has carried this already"),
    "serial": Variable("text", max=12, doc="short id of an emergency, the same in every copy"),
}
"""Variables that every body may use beside its event's data; the hub always supplies them.

``again`` is a truth value, for conditions only.
"""


def file_of(key: BodyKey) -> str:
    """The file name of a body."""
    language, part = key
    return f"{language}.{part}.j2"
