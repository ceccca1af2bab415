"""What is said in a call, as Twilio is told it."""

from xml.etree import ElementTree

import pytest

from channels.voice_twiml import (
    CONFIRMED,
    MENU,
    MUST_STAY,
    NO_MORE,
    NOTHING_MORE,
    VOICES,
    announce,
    conclude,
    language_of,
)

ACTION = "https://hub.example/callbacks/twilio/voice/a/0/2/keys/1?x=1&y=2"


def test_the_text_and_the_menu_wait_for_one_key() -> None:
    root = ElementTree.fromstring(announce("您有一条违法记录。", ACTION))
    gather = root.find("Gather")
    assert gather is not None
    asked = {name: gather.get(name) for name in ("numDigits", "action", "method", "timeout")}
    assert asked == {"numDigits": "1", "action": ACTION, "method": "POST", "timeout": "6"}
    said = [(say.text, say.get("language"), say.get("voice")) for say in root.iter("Say")]
    assert said == [
        ("您有一条违法记录。", "zh-CN", "Polly.Zhiyu"),
        (MENU["zh"], "zh-CN", "Polly.Zhiyu"),
        (NOTHING_MORE["zh"], "zh-CN", "Polly.Zhiyu"),
    ]


@pytest.mark.parametrize("text", ["a < b & c", "</Say><Hangup/>", '"quoted"', "]]>"])
def test_what_is_said_is_never_an_instruction(text: str) -> None:
    root = ElementTree.fromstring(announce(text, ACTION))
    assert next(say.text for say in root.iter("Say")) == text
    assert root.find(".//Hangup") is None


def test_the_longest_text_fits_what_twilio_takes() -> None:
    assert len(announce("警" * 500, ACTION)) < 4_000


@pytest.mark.parametrize(("text", "language"), [("您好 ABC", "zh"), ("Hello", "en"), ("", "en")])
def test_the_language_is_told_by_the_script(text: str, language: str) -> None:
    assert language_of(text) == language


@pytest.mark.parametrize("words", [CONFIRMED, NO_MORE, MUST_STAY, NOTHING_MORE])
def test_every_end_is_said_in_both_languages_and_hangs_up(words: dict[str, str]) -> None:
    assert words.keys() == VOICES.keys() == MENU.keys()
    for language in ("zh", "en"):
        root = ElementTree.fromstring(conclude(words, language))  # type: ignore[arg-type]
        assert [child.tag for child in root] == ["Say", "Hangup"]
        assert root[0].text == words[language]
