"""How typed values read: the filters a body may use, by language. Pure.

Each takes one value as an event carries it and gives text; a value of another type raises
``ValueError`` or ``TypeError``, which rendering turns into a refusal that names the field.
"""

from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from functools import lru_cache

from templates.notice import VariableType

Filter = Callable[[object], str]

BEIJING = timezone(timedelta(hours=8))  # the authority's time everywhere; no summer time since 1991

DAYS_REMEMBERED = 4096  # about eleven years: the texts of one day share a few dates
AMOUNTS_REMEMBERED = 1024  # fines are a handful of amounts

TAKES: dict[str, tuple[VariableType, ...]] = {
    "date": ("date", "datetime"),
    "datetime": ("datetime",),
    "money": ("money",),
    "items": ("list",),
}
"""Filters of one kind of value. No citizen should read such a value without its filter."""

_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def as_text(value: object) -> str:
    """A value without a filter."""
    return value if type(value) is str else str(value)


@lru_cache(AMOUNTS_REMEMBERED, typed=True)
def money(value: object) -> str:
    """Fen as yuan: 20000 is ``200.00``."""
    if type(value) is not int:
        raise TypeError("money is a whole number of fen")
    return f"{value // 100}.{value % 100:02d}"


def mask(value: object) -> str:
    """Enough of a plate or number to recognise one's own: ``闽A***45``, ``138****8000``."""
    text = as_text(value)
    head, tail = (3, 4) if len(text) >= 11 else (2, 2)
    if len(text) <= head + tail:
        return "*" * len(text)
    return text[:head] + "*" * (len(text) - head - tail) + text[-tail:]


def _spelling(digits: tuple[str, ...]) -> Filter:
    def spell(value: object) -> str:
        """Character by character, digits as words: a voice would read 12345 as one number."""
        return " ".join(digits[int(c)] if c in "0123456789" else c for c in as_text(value))

    return spell


@lru_cache(DAYS_REMEMBERED)
def _date_zh(day: str) -> str:
    value = date.fromisoformat(day)
    return f"{value.year}年{value.month}月{value.day}日"


@lru_cache(DAYS_REMEMBERED)
def _date_en(day: str) -> str:
    value = date.fromisoformat(day)
    return f"{value.day} {_MONTHS[value.month - 1]} {value.year}"


def date_zh(value: object) -> str:
    """The day of a date or moment: ``2026年11月4日``."""
    return _date_zh(_beijing(as_text(value))[:10])


def date_en(value: object) -> str:
    """The day of a date or moment: ``4 November 2026``."""
    return _date_en(_beijing(as_text(value))[:10])


def datetime_zh(value: object) -> str:
    """A moment in Beijing time: ``2026年11月4日 09:30``."""
    local = _beijing(as_text(value))
    return f"{_date_zh(local[:10])} {local[11:16]}"


def datetime_en(value: object) -> str:
    """A moment in Beijing time: ``4 November 2026, 09:30``."""
    local = _beijing(as_text(value))
    return f"{_date_en(local[:10])}, {local[11:16]}"


def _beijing(value: str) -> str:
    """ISO text whose first 16 characters are Beijing's day and minute; a date stays as it is."""
    if len(value) == 10 or value.endswith("+08:00"):
        return value
    return datetime.fromisoformat(value).astimezone(BEIJING).isoformat()


def _items(separator: str) -> Filter:
    def items(value: object) -> str:
        """The texts of a list in one line."""
        if not isinstance(value, list | tuple):
            raise TypeError("items are a list")
        return separator.join(map(as_text, value))

    return items


_SHARED: dict[str, Filter] = {"money": money, "mask": mask}

_DIGITS = {
    "zh": tuple("零一二三四五六七八九"),
    "en": ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
}

FILTERS: dict[str, dict[str, Filter]] = {
    "zh": {
        **_SHARED,
        "date": date_zh,
        "datetime": datetime_zh,
        "items": _items("、"),
        "spell": _spelling(_DIGITS["zh"]),
    },
    "en": {
        **_SHARED,
        "date": date_en,
        "datetime": datetime_en,
        "items": _items(", "),
        "spell": _spelling(_DIGITS["en"]),
    },
}
"""Filters by language and name."""

NAMES = frozenset(FILTERS["zh"])
