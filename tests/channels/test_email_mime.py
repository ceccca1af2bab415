"""Mails, read back with the standard library."""

import email
import email.policy
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.base import Message, Permanent
from channels.email_mime import LINK_MAX, SUBJECT_MAX, Letter, compose, encoded, is_address

AT_MS = 1_790_000_000_000
FROM = "交管12123 <no-reply@122.gov.cn>"


def message(**fields: str) -> Message:
    defaults = {"to": "zhang@example.com", "text": "您好", "subject": "通知"}
    return Message("ab" * 16 + ":7", call_before_ms=AT_MS, **{**defaults, **fields})  # type: ignore[arg-type]


def read(letter: Letter | Permanent) -> EmailMessage:
    assert isinstance(letter, Letter)
    return email.message_from_bytes(letter.data, policy=email.policy.default)


def test_a_mail_says_from_whom_when_and_that_a_machine_sent_it() -> None:
    mail = read(compose(message(), FROM, AT_MS))
    assert mail["From"] == FROM
    assert mail["To"] == "zhang@example.com"
    assert mail["Subject"] == "通知"
    assert mail["Date"] == "Mon, 21 Sep 2026 14:13:20 +0000"
    assert mail["Message-ID"] == f"<{'ab' * 16}@122.gov.cn>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["List-Unsubscribe"] is None


def test_the_message_id_is_the_streams_whatever_the_attempt() -> None:
    first = compose(Message("ab" * 16 + ":1", "a@b.cn", "x", AT_MS), FROM, AT_MS)
    again = compose(Message("ab" * 16 + ":5", "a@b.cn", "x", AT_MS), FROM, AT_MS + 1)
    assert read(first)["Message-ID"] == read(again)["Message-ID"]


def test_a_message_may_name_its_own_sender() -> None:
    letter = compose(message(sender="fire@119.gov.cn"), FROM, AT_MS)
    assert isinstance(letter, Letter)
    assert letter.sender == "fire@119.gov.cn"
    assert read(letter)["From"] == "fire@119.gov.cn"


def test_an_unsubscribe_link_is_one_click() -> None:
    mail = read(compose(message(unsubscribe="https://122.gov.cn/u/x1"), FROM, AT_MS))
    assert mail["List-Unsubscribe"] == "<https://122.gov.cn/u/x1>"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_text_comes_before_html() -> None:
    mail = read(compose(message(text="文本\n第二行", html="<p>文本</p>"), FROM, AT_MS))
    assert mail.get_content_type() == "multipart/alternative"
    text, html = mail.iter_parts()
    assert (text.get_content_type(), text.get_content()) == ("text/plain", "文本\n第二行")
    assert (html.get_content_type(), html.get_content()) == ("text/html", "<p>文本</p>")
    assert mail.defects == []


@given(text=st.text(), html=st.text(), subject=st.text(max_size=SUBJECT_MAX))
def test_whatever_is_written_arrives_or_is_refused(text: str, html: str, subject: str) -> None:
    letter = compose(message(text=text, html=html, subject=subject), FROM, AT_MS)
    if isinstance(letter, Permanent):
        assert letter.scope == "content"
        return
    mail = email.message_from_bytes(letter.data)
    parts = [part for part in mail.walk() if not part.is_multipart()]
    contents = [bytes(part.get_payload(decode=True)) for part in parts]  # type: ignore[arg-type]
    written = [text, html] if html else [text]
    assert contents == [part.encode("utf-8", "replace") for part in written]
    assert all(len(line) <= 76 and line.isascii() for line in letter.data.split(b"\r\n"))
    assert b"\r\n." not in letter.data
    assert letter.data.endswith(b"\r\n")
    assert b"\n" not in letter.data.replace(b"\r\n", b"")


@given(st.text(st.characters(exclude_categories=("C", "Zl", "Zp", "Zs")), max_size=SUBJECT_MAX))
def test_subjects_read_as_they_were_written(subject: str) -> None:
    assert read(compose(message(subject=subject), FROM, AT_MS))["Subject"] == subject


def test_encoded_words_do_not_split_a_character() -> None:
    for word in encoded("字" * 100).split("\r\n "):
        assert len(word) <= 75
        assert str(email.header.make_header(email.header.decode_header(word))).strip("字") == ""


@pytest.mark.parametrize(
    ("fields", "scope"),
    [
        ({"subject": "a\r\nBcc: x@y.cn"}, "content"),
        ({"subject": "a\nb"}, "content"),
        ({"subject": "x" * (SUBJECT_MAX + 1)}, "content"),
        ({"to": "a@b.cn\r\nBcc: x@y.cn"}, "recipient"),
        ({"to": "a@b.cn> SIZE=1"}, "recipient"),
        ({"to": "张@example.com"}, "recipient"),
        ({"to": "nobody"}, "recipient"),
        ({"to": ""}, "recipient"),
        ({"sender": "x\r\nBcc: y <a@b.cn>"}, "sender"),
        ({"sender": "nobody"}, "sender"),
        ({"sender": "a@b.cn>"}, "sender"),
        ({"unsubscribe": "http://122.gov.cn/u"}, "content"),
        ({"unsubscribe": "https://122.gov.cn/u>\r\nBcc: x@y.cn"}, "content"),
        ({"unsubscribe": "https://122.gov.cn/" + "u" * LINK_MAX}, "content"),
    ],
)
def test_what_would_break_a_header_is_refused(fields: dict[str, str], scope: str) -> None:
    refused = compose(message(**fields), FROM, AT_MS)
    assert isinstance(refused, Permanent)
    assert refused.scope == scope


@pytest.mark.parametrize(
    ("sender", "header"),
    [
        ("a@b.cn", "a@b.cn"),
        ("Traffic <a@b.cn>", "Traffic <a@b.cn>"),
        ('"Traffic, Police" <a@b.cn>', '"Traffic, Police" <a@b.cn>'),
        ("交管<a@b.cn>", "交管 <a@b.cn>"),
    ],
)
def test_a_sender_is_written_as_headers_have_it(sender: str, header: str) -> None:
    assert read(compose(message(sender=sender), FROM, AT_MS))["From"] == header


def test_addresses() -> None:
    assert is_address("a.b+c@sub.example.com")
    assert not is_address("a b@example.com")
    assert not is_address("a@b@example.com")
    assert not is_address("a@" + "x" * 300)
