"""Where the mailbox is, as the setting says it."""

import pytest

from channels.mailbox_place import Place, read_place


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("lmtp://127.0.0.1:2424", Place("lmtp", "127.0.0.1", 2424)),
        ("lmtp://[::1]:2424/", Place("lmtp", "::1", 2424)),
        ("maildir:///var/mail/hub", Place("maildir", path="/var/mail/hub")),
        ("maildir:///var/my%20mail", Place("maildir", path="/var/my mail")),
        ("imaps://hub@mail.example", Place("imaps", "mail.example", 993, "hub", "INBOX")),
        ("imaps://hub%40x.cn@mail.example:1993/Bounces/2026",
         Place("imaps", "mail.example", 1993, "hub@x.cn", "Bounces/2026")),
        ("imap://hub@mail.example/", Place("imap", "mail.example", 143, "hub", "INBOX")),
    ],
)  # fmt: skip
def test_a_place_is_read_from_its_address(text: str, place: Place) -> None:
    assert read_place(text) == place


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "begins with lmtp://"),
        ("pop3://hub@mail.example", "begins with lmtp://"),
        ("127.0.0.1:2424", "begins with lmtp://"),
        ("lmtp://127.0.0.1", "lmtp://host:port"),
        ("lmtp://:2424", "lmtp://host:port"),
        ("lmtp://127.0.0.1:2424/x", "lmtp://host:port"),
        ("maildir://var/mail", "maildir:///folder"),
        ("maildir:var/mail", "maildir:///folder"),
        ("imaps://mail.example", "imaps://user@host/folder"),
        ("imap://hub:secret@mail.example", "without the password"),
    ],
)
def test_what_is_none_is_told_how_one_looks(text: str, expected: str) -> None:
    with pytest.raises(ValueError, match=expected) as told:
        read_place(text)
    assert "secret" not in str(told.value)
