"""Words that stop, start or ask for help, however a telephone writes them."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preferences.keywords import KEYWORDS, keyword


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("TD", "stop"),
        ("td", "stop"),
        ("ＴＤ", "stop"),
        (" Ｔ。", "stop"),
        ("N", "stop"),
        ("r\n", "stop"),
        ("退订", "stop"),
        ("【退订】", "stop"),
        ("拒收！", "stop"),
        ("StopAll", "stop"),
        ("REVOKE", "stop"),
        ("TD 退订", "stop"),
        ("stop, STOP!", "stop"),
        ("stop help", ""),
        ("optout", "stop"),
        ("START", "start"),
        ("Unstop", "start"),
        ("help?", "help"),
        ("帮助", "help"),
        ("", ""),
        ("。！", ""),
        ("不要退订", ""),
        ("请问TD是什么意思", ""),
        ("stop it", ""),
        ("TD" + " " * 60, ""),
        ("🤷", ""),
    ],
)
def test_a_keyword_counts_only_where_nothing_else_is_said(text: str, meaning: str) -> None:
    assert keyword(text) == meaning


@given(st.text(max_size=60))
def test_any_text_has_some_meaning(text: str) -> None:
    assert keyword(text) in ("stop", "start", "help", "")


def test_every_word_is_found_as_it_stands_and_says_whose_it_is() -> None:
    for word, (asked, source) in KEYWORDS.items():
        assert unicodedata.normalize("NFKC", word).casefold() == word
        assert keyword(f" {word.upper()}. ") == asked != ""
        assert source


def test_the_words_that_stop() -> None:
    words = "TD T N R 退订 拒收 STOP STOPALL UNSUBSCRIBE CANCEL END QUIT REVOKE OPTOUT"
    assert {keyword(word) for word in words.split()} == {"stop"}
