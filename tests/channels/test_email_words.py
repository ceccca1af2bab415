"""What somebody wrote, apart from what they answered."""

import email

import pytest

from channels.email_words import WORDS_MAX, words_of


def words(text: str, kind: str = "plain", charset: str = "utf-8") -> str:
    head = f"Content-Type: text/{kind}; charset={charset}\nContent-Transfer-Encoding: 8bit\n\n"
    return words_of(email.message_from_bytes(head.encode() + text.encode("utf-8")))


@pytest.mark.parametrize(
    "quoted",
    [
        "> 您好",
        "On Mon, 23 Nov 2026 at 10:00, Traffic <n@122.gov.cn> wrote:\n> x",
        "在 2026年11月23日，公安交管 <n@122.gov.cn> 写道：\n您好",
        "-----Original Message-----\nFrom: x",
        "------------------ 原始邮件 ------------------\n您好",
        "发件人: 公安交管\n发送时间: 今天",
        "________________________________\nFrom: x",
        "-- \nWang Li, Fuzhou",
    ],
)
def test_what_is_quoted_is_left_out(quoted: str) -> None:
    assert words(f"TD\n\n{quoted}\nTD all of it") == "TD"


def test_several_lines_stay() -> None:
    assert words("您好，\n  这不是我的车。\n\n王丽\n") == "您好，\n这不是我的车。\n\n王丽"


def test_html_reads_as_it_is_shown() -> None:
    html = "<style>p{}</style><p>退&#35746;</p><div>谢谢</div><blockquote>您好</blockquote>"
    assert words(html, "html") == "退订\n谢谢"


def test_charsets_of_the_mainland() -> None:
    head = b"Content-Type: text/plain; charset=gb2312\nContent-Transfer-Encoding: 8bit\n\n"
    message = email.message_from_bytes(head + "退订镕".encode("gb18030"))
    assert words_of(message) == "退订镕"


def test_a_charset_that_is_none() -> None:
    assert words("退订", charset="nonsense") == "退订"


def test_an_attachment_is_not_what_they_wrote() -> None:
    text = (
        "Content-Type: multipart/mixed; boundary=b\n\n"
        "--b\nContent-Type: text/plain\nContent-Disposition: attachment; filename=a.txt\n\nno\n"
        "--b\nContent-Type: text/plain\n\nyes\n--b--\n"
    )
    assert words_of(email.message_from_string(text)) == "yes"


def test_there_is_a_limit() -> None:
    assert len(words("x" * WORDS_MAX * 2)) == WORDS_MAX
