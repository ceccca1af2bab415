"""Every word on a page, in both languages, from the one table ``web/pages/words.toml``. Pure.

A word is ``[zh, en]`` under a dotted name; ``{n}`` stands for a value. What the catalog and the
carriers name themselves is no word of ours: :meth:`Speech.named` falls back to the name itself.
"""

import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

Language = Literal["zh", "en"]
LANGUAGES: tuple[Language, ...] = ("zh", "en")

FILE = Path(__file__).parent / "pages" / "words.toml"

HTML_LANGUAGE: dict[Language, str] = {"zh": "zh-CN", "en": "en"}

UNITS = (("day", 86_400_000), ("hour", 3_600_000), ("minute", 60_000))
"""In ms, the longest first."""

EXPECTED, GOT, VALUE = "expected.", "got.", "value."
"""Before the names of what the door may have expected, of what it got, and of what is said of
both."""

Words = Mapping[str, tuple[str, str]]
Patterns = list[tuple[str, re.Pattern[str]]]

_PLACE = re.compile(r"\\\{(\w+)\\\}")


def read_words(file: Path = FILE) -> Words:
    """The table, flat; raises ``ValueError`` naming a word that is not in both languages."""
    words: dict[str, tuple[str, str]] = {}
    _flatten(tomllib.loads(file.read_text(encoding="utf-8")), "", words)
    return words


def _flatten(table: Mapping[str, Any], before: str, words: dict[str, tuple[str, str]]) -> None:
    for name, value in table.items():
        if isinstance(value, dict):
            _flatten(value, f"{before}{name}.", words)
        elif isinstance(value, list) and len(value) == len(LANGUAGES) and all(value):
            words[before + name] = (value[0], value[1])
        else:
            raise ValueError(f"{before}{name} is not said in both languages")


class Speech:
    """The table in one language: what pages call ``t``."""

    def __init__(self, words: Words, language: Language) -> None:
        self._words = words
        self._at = LANGUAGES.index(language)
        self._expected = _patterns(words, EXPECTED, VALUE)
        self._got = _patterns(words, GOT, VALUE)
        self.language = language

    def __call__(self, name: str, /, **values: object) -> str:
        """The word of this name; ``KeyError`` when there is none, so that no page hides it."""
        text = self._words[name][self._at]
        return text.format(**values) if values else text

    def named(self, kind: str, name: str) -> str:
        """What ``name`` (a channel, a carrier, a status) is called, else the name itself. What
        follows a colon is somebody else's own word, as a carrier's code."""
        called, _, detail = name.partition(":")
        word = self._words.get(f"{kind}.{called}")
        if word is None:
            return name
        return self("site.detail", word=word[self._at], detail=detail) if detail else word[self._at]

    def expected(self, text: str) -> str:
        """What was expected where something was refused, of which the English is known; of several
        things that would do, each."""
        if said := self._phrase(self._expected, text):
            return said
        choices = text.split(" or ")
        return self("site.or").join(map(self.expected, choices)) if len(choices) > 1 else text

    def got(self, text: str) -> str:
        """What was there instead. A value that came from outside is left as it is."""
        return self._phrase(self._got, text) or text

    def _phrase(self, patterns: Patterns, text: str) -> str:
        for name, pattern in patterns:
            if match := pattern.fullmatch(text):
                return self(name, **match.groupdict())
        return ""

    def duration(self, ms: int) -> str:
        """A length of time in the largest unit that is whole."""
        unit, unit_ms = next((of for of in UNITS if ms >= of[1] and ms % of[1] == 0), UNITS[-1])
        n = ms // unit_ms
        return self(f"site.{unit}" if n == 1 else f"site.{unit}s", n=n)


def _patterns(words: Words, *kinds: str) -> Patterns:
    """What each English phrase looks like with its values, the wordiest first: "at most 5 bytes" is
    also "at most" and a value."""
    phrases = [(name, en) for name, (_, en) in words.items() if name.startswith(kinds)]
    phrases.sort(key=lambda one: -len(re.sub(r"\{\w+\}", "", one[1])))
    return [(name, re.compile(_PLACE.sub(_any_value, re.escape(en)))) for name, en in phrases]


def _any_value(place: re.Match[str]) -> str:
    """``{n}`` is a number, every other value anything."""
    anything = r"\d+" if place[1] == "n" else ".+"
    return f"(?P<{place[1]}>{anything})"


def speeches(words: Words) -> Callable[[Language], Speech]:
    """One speech a language, made once."""
    made = {language: Speech(words, language) for language in LANGUAGES}
    return made.__getitem__
