"""The mail channel and what it needs, as settings give it."""

from collections.abc import Mapping
from functools import partial
from hashlib import blake2b
from pathlib import Path

from channels import mailbox_imap, mailbox_lmtp, mailbox_maildir
from channels.base import Channel
from channels.email_returns import KEY_BYTES, Returns
from channels.email_smtp import EmailChannel, OpenMailbox, Smtp
from channels.mailbox import Mailbox, Ring
from channels.mailbox_imap import Imap, ImapMailbox
from channels.mailbox_lmtp import LmtpMailbox
from channels.mailbox_maildir import MaildirMailbox
from channels.mailbox_place import Place, read_place
from hub.settings import Settings
from preferences.links import Signer, Unsubscribe, unsubscribe_token
from streams.clock import Clock
from streams.core.policy import DAY_MS
from streams.pipeline.river import Unsubscribing

UNSUBSCRIBE_MS = 400 * DAY_MS
"""How long the link in a mail is good: people look for it in last year's."""


def open_mail(settings: Settings, clock: Clock) -> EmailChannel:
    """The channel to the mail server of these settings, with its mailbox if there is one."""
    password = settings.smtp_password.reveal() if settings.smtp_password else ""
    server = Smtp(
        settings.smtp_host, settings.smtp_port, settings.smtp_from, settings.smtp_tls,
        ca_file=str(settings.smtp_ca or ""), username=settings.smtp_user, password=password,
        tells_success=settings.smtp_success,
    )  # fmt: skip
    returns = returns_of(settings)
    mailbox: OpenMailbox | None = None
    if returns is not None and settings.mail_inbox:
        mailbox = partial(_mailbox, settings, clock, read_place(settings.mail_inbox))
    return EmailChannel(clock, server, returns=returns, mailbox=mailbox)


def wrong_of(channels: Mapping[str, Channel]) -> list[str]:
    """What is wrong with their mailboxes."""
    mail = [channel for channel in channels.values() if isinstance(channel, EmailChannel)]
    return [channel.wrong for channel in mail if channel.wrong]


def inbox_fault(settings: Settings) -> str:
    """What keeps ``mail_inbox`` from being read, found out by asking; "" for nothing."""
    place = read_place(settings.mail_inbox)
    match place.kind:
        case "lmtp":
            return mailbox_lmtp.fault_of(place.host, place.port)
        case "maildir":
            return mailbox_maildir.fault_of(Path(place.path))
        case "imaps" | "imap":
            return mailbox_imap.fault_of(_imap(settings, place))


def returns_of(settings: Settings) -> Returns | None:
    """The addresses that mail comes back to; None where none is set."""
    if not settings.mail_return:
        return None
    key = blake2b(key=settings.key("link_key"), person=b"mail returns", digest_size=KEY_BYTES)
    return Returns(settings.mail_return, key.digest())


def unsubscribing_of(settings: Settings) -> Unsubscribing | None:
    """Makes the links of List-Unsubscribe; None where the pages are not reached by https, since
    mail readers follow nothing else."""
    base = settings.public_url.rstrip("/")
    if not base.startswith("https://"):
        return None
    signer = Signer({0: settings.key("link_key")}, current=0)

    def link(ref: str, category: str, channel: str, now_ms: int) -> str:
        what = Unsubscribe(ref, category, channel)
        return f"{base}/u/{unsubscribe_token(signer, what, now_ms + UNSUBSCRIBE_MS)}"

    return link


def _mailbox(settings: Settings, clock: Clock, place: Place, ring: Ring) -> Mailbox:
    match place.kind:
        case "lmtp":
            return LmtpMailbox(place.host, place.port, ring)
        case "maildir":
            return MaildirMailbox(clock, Path(place.path))
        case "imaps" | "imap":
            return ImapMailbox(clock, _imap(settings, place))


def _imap(settings: Settings, place: Place) -> Imap:
    secret = settings.mail_inbox_password
    return Imap(
        place.host, place.user, secret.reveal() if secret else "", place.port, place.path,
        "tls" if place.kind == "imaps" else "starttls", str(settings.mail_inbox_ca or ""),
    )  # fmt: skip
