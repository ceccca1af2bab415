"""What a reply asks for when it is nothing but a word. Pure; the knowledge is the table.

People write words the way their telephone offers them: full-width, in capitals, with a full stop
behind. A word inside a sentence is no request: "不要退订" says the opposite.
"""

import unicodedata
from typing import Literal

Asked = Literal["", "stop", "start", "help"]

CHINA = "what carriers in China print; MIIT, 通信短信息服务管理规定 (2015) asks for an easy way"
TWILIO = "Twilio's default keywords for long codes"
TWILIO_2025 = "Twilio's default keywords since 2025-05-14"
OURS = "this hub's own, as its messages offer them"

KEYWORDS: dict[str, tuple[Asked, str]] = {
    **dict.fromkeys(("td", "t", "n", "r", "退订", "拒收"), ("stop", CHINA)),
    **dict.fromkeys(("stop", "stopall", "unsubscribe", "cancel", "end", "quit"), ("stop", TWILIO)),
    **dict.fromkeys(("revoke", "optout"), ("stop", TWILIO_2025)),
    **dict.fromkeys(("取消订阅", "退訂"), ("stop", OURS)),
    **dict.fromkeys(("start", "yes", "unstop"), ("start", TWILIO)),
    **dict.fromkeys(("恢复订阅", "恢复"), ("start", OURS)),
    **dict.fromkeys(("help", "info"), ("help", TWILIO)),
    **dict.fromkeys(("帮助",), ("help", OURS)),
}
"""Each word folded, what it asks for, and who says so."""

LONGEST = 40
"""Characters of a reply that may be such a word and what people put around it; more is a text to be
read by somebody."""


def keyword(text: str) -> Asked:
    """What a reply asks for: "stop", "start", "help", or "" where it is no such word.

    Full-width letters, letter case, and spaces and punctuation around the word do not matter; a
    word may be said twice, or in two languages.
    """
    if len(text) > LONGEST:
        return ""
    folded = unicodedata.normalize("NFKC", text).casefold()
    asked = {_meaning(word) for word in map(_bare, folded.split()) if word}
    return asked.pop() if len(asked) == 1 else ""


def _meaning(word: str) -> Asked:
    known = KEYWORDS.get(word)
    return known[0] if known else ""


def _bare(word: str) -> str:
    """Without the punctuation around it."""
    kept = [c.isalnum() for c in word]
    if True not in kept:
        return ""
    return word[kept.index(True) : len(kept) - kept[::-1].index(True)]
