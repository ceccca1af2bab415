"""The mail channel as settings give it."""

from pathlib import Path

import pytest

from channels.mailbox_imap import ImapMailbox
from channels.mailbox_lmtp import LmtpMailbox
from channels.mailbox_maildir import MaildirMailbox
from hub.clock import Real
from hub.mail import UNSUBSCRIBE_MS, open_mail, returns_of, unsubscribing_of, wrong_of
from hub.settings import Secret, Settings, SettingsError, load
from preferences.links import Signer, Unsubscribe, check_unsubscribe

MAIL = {
    "HUB_SMTP_HOST": "127.0.0.1",
    "HUB_MAIL_RETURN": "mail@hub.example",
    "HUB_MAIL_INBOX": "lmtp://127.0.0.1:2424",
}
ATTEMPT = "ab" * 16 + ":2"


def settings(folder: Path, **more: str) -> Settings:
    return load({"HUB_DATA_DIR": str(folder), **MAIL, **more})


@pytest.mark.parametrize(
    ("inbox", "kind"),
    [
        ("lmtp://127.0.0.1:2424", LmtpMailbox),
        ("maildir:///var/mail/hub", MaildirMailbox),
        ("imaps://hub@mail.example", ImapMailbox),
        ("imap://hub@mail.example", ImapMailbox),
    ],
)
async def test_each_kind_of_mailbox(tmp_path: Path, inbox: str, kind: type) -> None:
    told = settings(tmp_path, HUB_MAIL_INBOX=inbox, HUB_MAIL_INBOX_PASSWORD="x")
    channel = open_mail(told, Real())
    assert isinstance(channel._mailbox, kind)
    await channel.close()


async def test_a_mailbox_that_is_away_is_a_note(tmp_path: Path) -> None:
    away = tmp_path / "nowhere"
    channel = open_mail(settings(tmp_path, HUB_MAIL_INBOX=f"maildir://{away}"), Real())
    assert wrong_of({"smtp": channel}) == []
    await channel.collect()
    assert wrong_of({"smtp": channel}) == [
        f"the mailbox {away} cannot be reached: FileNotFoundError"
    ]
    await channel.close()


async def test_another_process_may_read_what_comes_back(tmp_path: Path) -> None:
    told = settings(tmp_path, HUB_MAIL_INBOX="")
    channel = open_mail(told, Real())
    assert channel._mailbox is None
    assert channel._returns is not None
    await channel.close()


async def test_without_an_address_to_return_to_nothing_is_read(tmp_path: Path) -> None:
    told = load({"HUB_DATA_DIR": str(tmp_path), "HUB_SMTP_HOST": "127.0.0.1"})
    channel = open_mail(told, Real())
    assert channel._mailbox is None
    assert returns_of(told) is None
    await channel.close()


def test_addresses_are_good_for_one_key_only(tmp_path: Path) -> None:
    one, other = (returns_of(settings(tmp_path / name)) for name in "ab")
    again = returns_of(settings(tmp_path / "a"))
    assert one is not None
    assert other is not None
    assert again is not None
    address = one.address_of("bounce", ATTEMPT)
    assert again.attempt_of("bounce", address) == ATTEMPT
    assert other.attempt_of("bounce", address) == ""


def test_links_to_unsubscribe_by(tmp_path: Path) -> None:
    told = settings(tmp_path, HUB_PUBLIC_URL="https://hub.example/")
    link = unsubscribing_of(told)
    assert link is not None
    url = link("P1", "approval", "email", 1_000)
    assert url.startswith("https://hub.example/u/")
    token, signer = url.rpartition("/")[2], Signer({0: told.key("link_key")}, 0)
    what = Unsubscribe("P1", "approval", "email")
    assert check_unsubscribe(signer, token, UNSUBSCRIBE_MS) == what
    assert check_unsubscribe(signer, token, UNSUBSCRIBE_MS + 1_000) is None


def test_a_reader_follows_no_link_in_the_clear(tmp_path: Path) -> None:
    assert unsubscribing_of(settings(tmp_path)) is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mail_return": "a" * 16 + "@hub.example"}, "mail_return must be an address as"),
        ({"mail_return": ""}, "mail_return must be an address as"),
        ({"mail_inbox": "pop3://x"}, "mail_inbox must be an address that begins with lmtp"),
        ({"mail_inbox": "imaps://hub@x"}, "mail_inbox_password must be set"),
        ({"smtp_host": ""}, "smtp_host must be set where mail_return is"),
        ({"mail_inbox_ca": Path("/nowhere.pem")}, "mail_inbox_ca: there is no file"),
        ({"smtp_ca": Path("/nowhere.pem")}, "smtp_ca: there is no file"),
        ({"smtp_user": "hub", "smtp_tls": "none", "smtp_host": "mx.example"},
         "smtp_tls must not be none where smtp_user is"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(changes: dict[str, object], message: str) -> None:
    whole = {
        "smtp_host": "127.0.0.1", "mail_return": "mail@hub.example",
        "mail_inbox": "lmtp://127.0.0.1:2424",
    }  # fmt: skip
    with pytest.raises(SettingsError, match=message):
        Settings(**{**whole, **changes})  # type: ignore[arg-type]


def test_a_password_may_go_in_the_clear_on_this_machine() -> None:
    told = Settings(
        smtp_host="127.0.0.1", smtp_user="hub", smtp_tls="none", smtp_password=Secret("x")
    )
    assert told.smtp_user == "hub"
