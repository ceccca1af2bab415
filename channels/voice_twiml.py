"""What is said in a call, and what may be pressed, as instructions for Twilio (TwiML).

One key each: 1 acknowledges, 9 hears it again, 0 wants no more calls. The instructions are written
by Twilio's own library, which escapes what is said.
"""

from typing import Literal
from xml.etree import ElementTree

from twilio.twiml.voice_response import Gather, VoiceResponse

Key = Literal["1", "9", "0"]
Language = Literal["zh", "en"]

KEY_S = 6
"""How long a key is waited for when all is said."""

VOICES: dict[Language, tuple[str, str]] = {
    "zh": ("zh-CN", "Polly.Zhiyu"),
    "en": ("en-US", "Polly.Joanna"),
}
"""Language and voice, in Twilio's words."""

MENU: dict[Language, str] = {
    "zh": "确认收到，请按1。重听，请按9。不再接收语音来电，请按0。",
    "en": "To confirm, press 1. To hear it again, press 9. For no more calls, press 0.",
}
CONFIRMED: dict[Language, str] = {
    "zh": "已确认，谢谢。再见。",
    "en": "Thank you. Goodbye.",
}
NO_MORE: dict[Language, str] = {
    "zh": "今后不再给您打语音电话。再见。",
    "en": "You will get no more calls. Goodbye.",
}
MUST_STAY: dict[Language, str] = {
    "zh": "语音是能够联系到您的唯一方式，不能关闭。请联系窗口办理。再见。",
    "en": "A call is the only way to reach you, so it stays on. Please ask at the office. Goodbye.",
}
NOTHING_MORE: dict[Language, str] = {"zh": "再见。", "en": "Goodbye."}


def language_of(text: str) -> Language:
    """The language a text is spoken in: those of the catalog differ by their script."""
    return "zh" if any("\u4e00" <= character <= "\u9fff" for character in text) else "en"


def announce(text: str, action: str) -> str:
    """Say the text and the menu; ``action`` is asked what to do when a key is pressed."""
    language = language_of(text)
    response = VoiceResponse()
    gather = Gather(num_digits=1, action=action, method="POST", timeout=KEY_S)
    _say(gather, text, language)
    _say(gather, MENU[language], language)
    response.append(gather)
    _say(response, NOTHING_MORE[language], language)
    return _written(response)


def conclude(words: dict[Language, str], language: Language) -> str:
    """Say this, and hang up."""
    response = VoiceResponse()
    _say(response, words[language], language)
    response.hangup()
    return _written(response)


def _say(into: VoiceResponse | Gather, text: str, language: Language) -> None:
    tongue, voice = VOICES[language]
    into.say(text, language=tongue, voice=voice)


def _written(response: VoiceResponse) -> str:
    """The library would write eight characters for each Chinese one, of four thousand in all."""
    return ElementTree.tostring(response.xml(), encoding="unicode")
