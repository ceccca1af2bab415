"""What somebody wrote in answer to a mail, without what they answered. Pure."""

import re
from collections.abc import Iterator
from email.message import Message
from html.parser import HTMLParser

WORDS_MAX = 2_000
"""Characters that are kept of a reply: an opt-out is a word, and a question a paragraph."""

_QUOTED = re.compile(
    r"^\s*(?:>"  # the lines answered
    r"|-{2,}\s*(?:original message|forwarded message|原始邮件|原邮件|转发的邮件|回复的原邮件)"
    r"|_{10,}\s*$"  # Outlook's line above what it quotes
    r"|on\s.{5,120}wrote:\s*$"
    r"|(?:在|于)?.{0,60}(?:写道|寫道)[:：]\s*$"
    r"|(?:from|发件人|寄件人)\s*[:：]\s*\S)",
    re.IGNORECASE,
)
_SIGNATURE = re.compile(r"^-- ?$")


def words_of(message: Message) -> str:
    """The text above what is quoted, at most :data:`WORDS_MAX` characters; "" where there is
    none."""
    lines = []
    for line in text_of(message).splitlines():
        if _QUOTED.match(line) or _SIGNATURE.match(line):
            break
        lines.append(line.strip())
    return "\n".join(lines).strip()[:WORDS_MAX]


def text_of(message: Message) -> str:
    """The first text that is no attachment and in no mail that is attached; of HTML what it
    shows."""
    parts = [
        part
        for part in _own_parts(message)
        if part.get_content_maintype() == "text" and part.get_content_disposition() != "attachment"
    ]
    for subtype in ("plain", "html"):
        for part in parts:
            if part.get_content_subtype() == subtype and (text := _decoded(part).strip()):
                return text if subtype == "plain" else _shown(text)
    return ""


def _own_parts(message: Message) -> Iterator[Message]:
    payload = message.get_payload()
    if message.get_content_maintype() == "multipart" and isinstance(payload, list):
        for part in payload:
            assert isinstance(part, Message)
            yield from _own_parts(part)
    else:
        yield message


def _decoded(part: Message) -> str:
    raw = part.get_payload(decode=True)
    assert isinstance(raw, bytes)
    charset = (part.get_content_charset() or "utf-8").lower()
    if charset in ("gb2312", "gbk"):
        charset = "gb18030"  # which holds both, and what is sent under their names
    try:
        return raw.decode(charset, "replace")
    except LookupError:  # no such charset
        return raw.decode("utf-8", "replace")


class _Shown(HTMLParser):
    """What a reader sees of HTML, a line for each block; what is quoted is left out."""

    BLOCKS = frozenset(("p", "div", "br", "li", "tr", "h1", "h2", "h3"))
    UNSEEN = frozenset(("style", "script", "title", "blockquote"))

    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []
        self._unseen = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._unseen += tag in self.UNSEEN
        if tag in self.BLOCKS:
            self.text.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self._unseen = max(self._unseen - (tag in self.UNSEEN), 0)

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.text.append(data)


def _shown(html: str) -> str:
    parser = _Shown()
    parser.feed(html)
    parser.close()
    return "".join(parser.text)
