"""What the fields of an event may hold, by declared type. Pure.

A value becomes a part of an official text, so it may only be what it says it is: no line break, no
second signature, no foreign link. Faults describe a value without repeating it.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import NamedTuple

from templates import links
from templates.notice import EventType, Variable, VariableType

MAX_FEN = 10**12  # ten billion yuan: beyond it somebody mixed up units
MAX_DIGITS = 9  # of an integer, whatever its own limit
MAX_PHONE = 20  # characters, as _PHONE allows
MAX_ITEMS = 20  # a list longer than this is a document, to be linked to
FIRST_YEAR, LAST_YEAR = "1900", "2199"  # reminders count days from dates: keep them computable

INLINE = "recipient"
"""The one field any event's data may carry undeclared: its recipient, registered in passing, whom
somebody else checks."""

PLATE = re.compile(
    "[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼][A-HJ-Z]"
    "(?:[A-HJ-NP-Z0-9]{4}[A-HJ-NP-Z0-9挂学警港澳使领]"
    "|[A-HJK][A-HJ-NP-Z0-9][0-9]{4}|[0-9]{5}[A-HJK])"  # new energy, small and large (GA 36)
)
_PHONE = re.compile(r"\+?[0-9][0-9-]{2,17}[0-9]", re.ASCII)
_DATETIME = re.compile(
    r"([0-9]{4})-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?"
    r"(?:Z|[+-][0-9]{2}:[0-9]{2})",
    re.ASCII,
)

SIGNATURE_MARKS = "【】〖〗\ufe17\ufe18\ufe3b\ufe3c"
"""What stands around a signature, and what phones or eyes take for it."""

FORBIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029"  # control characters and line breaks
    "\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff"  # invisible, or turning the text around
    "\ud800-\udfff"  # half a character
    f"{SIGNATURE_MARKS}]"  # a second signature
)
_JOINING = frozenset("./@．／＠")  # at an end they could make a link with the words around
_TIGHT_DOT = re.compile(r"[.．](?=\S)")
# What no link is made of and every check accepts; anything else is looked at closely.
_PLAIN = re.compile("[0-9A-Za-z\u3400-\u9fff \\-+:_·，、（）()]*")


class FieldFault(NamedTuple):
    """One field of ``data`` that is not as declared. ``got`` never repeats the value."""

    field: str
    expected: str
    got: str


def check_data(
    event_type: EventType,
    data: Mapping[str, object],
    hosts: frozenset[str] = links.OFFICIAL,
) -> list[FieldFault]:
    """What is wrong with ``data`` of an event of this type; [] when all is as declared.

    ``hosts`` is the link allow-list. The inline ``recipient`` is not looked at.
    """
    faults: list[FieldFault] = []
    known = 1 if INLINE in data else 0
    for name, variable in event_type.data.items():
        if name in data:
            known += 1
            if not _CHECKS[variable.type](data[name], variable.max, hosts):
                faults.append(FieldFault(name, expected(variable), _describe(data[name])))
        elif variable.required:
            faults.append(FieldFault(name, expected(variable), "nothing"))
    if known != len(data):
        unknown = data.keys() - event_type.data.keys() - {INLINE}
        faults += [FieldFault(name, "no such field", "a value") for name in sorted(unknown)]
    return faults


def is_name(text: str, hosts: frozenset[str] = links.OFFICIAL) -> bool:
    """Whether messages can open with the name ``text``. It is held to what a text variable is, but
    for its dots, which are no link's (:func:`spaced`): names have them, as ``Co., Ltd.``"""
    if is_plain(text):
        return True
    return not FORBIDDEN.search(text) and not links.find_faults(spaced(text), hosts)


def spaced(name: str) -> str:
    """``J.Smith`` as ``J. Smith``: nobody may go untold because a name looks like a host."""
    return _TIGHT_DOT.sub(". ", name)


def is_plain(text: str) -> bool:
    """Whether ``text`` surely holds neither a link nor a forbidden character. Fast."""
    return _PLAIN.fullmatch(text) is not None


def expected(variable: Variable) -> str:
    """One line on what a variable's value must be."""
    digits = min(variable.max, MAX_DIGITS)
    return _EXPECTED[variable.type].format(max=variable.max, digits=digits)


_Check = Callable[[object, int, frozenset[str]], bool]


def _text(value: object, limit: int, hosts: frozenset[str]) -> bool:
    if type(value) is not str or not 0 < len(value) <= limit or value.isspace():
        return False
    return is_plain(value) or _is_harmless(value, hosts)


def _is_harmless(value: str, hosts: frozenset[str]) -> bool:
    if FORBIDDEN.search(value) or value[0] in _JOINING or value[-1] in _JOINING:
        return False
    return not links.find_faults(value, hosts)


def _digits(value: object, limit: int, hosts: frozenset[str]) -> bool:
    return isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= limit


def _plate(value: object, limit: int, hosts: frozenset[str]) -> bool:
    return isinstance(value, str) and PLATE.fullmatch(value) is not None


def _date(value: object, limit: int, hosts: frozenset[str]) -> bool:
    if not isinstance(value, str) or len(value) != 10 or value[4] != "-" or value[7] != "-":
        return False
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return FIRST_YEAR <= value[:4] <= LAST_YEAR


def _datetime(value: object, limit: int, hosts: frozenset[str]) -> bool:
    if not isinstance(value, str) or not _DATETIME.fullmatch(value):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return FIRST_YEAR <= value[:4] <= LAST_YEAR


def _money(value: object, limit: int, hosts: frozenset[str]) -> bool:
    return type(value) is int and 0 <= value <= MAX_FEN


def _integer(value: object, limit: int, hosts: frozenset[str]) -> bool:
    return type(value) is int and abs(value) < 10 ** min(limit, MAX_DIGITS)


def _url(value: object, limit: int, hosts: frozenset[str]) -> bool:
    return isinstance(value, str) and len(value) <= limit and links.is_official(value, hosts)


def _phone(value: object, limit: int, hosts: frozenset[str]) -> bool:
    return isinstance(value, str) and len(value) <= limit and _PHONE.fullmatch(value) is not None


def _list(value: object, limit: int, hosts: frozenset[str]) -> bool:
    return (
        isinstance(value, list | tuple)
        and 0 < len(value) <= MAX_ITEMS
        and all(_text(item, limit, hosts) for item in value)
        and sum(map(len, value)) <= limit
    )


_CHECKS: dict[VariableType, _Check] = {
    "text": _text,
    "digits": _digits,
    "plate": _plate,
    "date": _date,
    "datetime": _datetime,
    "money": _money,
    "url": _url,
    "phone": _phone,
    "integer": _integer,
    "list": _list,
}

_EXPECTED: dict[VariableType, str] = {
    "text": "text of 1 to {max} characters, not blank, without line breaks, 【】 or foreign links",
    "digits": "1 to {max} digits",
    "plate": "a mainland number plate of 7 or 8 characters",
    "date": "a date YYYY-MM-DD",
    "datetime": "a moment by RFC 3339, like 2026-11-24T09:30:00+08:00",
    "money": "an amount in fen, a whole number of at least 0",
    "url": "an https link to an official host, at most {max} characters",
    "phone": "a telephone number, at most {max} characters",
    "integer": "a whole number of at most {digits} digits",
    "list": f"1 to {MAX_ITEMS} texts of {{max}} characters together",
}


def _describe(value: object) -> str:
    if isinstance(value, str):
        bad = FORBIDDEN.search(value)
        found = f", U+{ord(bad[0]):04X} at {bad.start()}" if bad else ""
        return f"text of {len(value)} characters{found}"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int):
        return (
            "a whole number below 0" if value < 0 else f"a whole number of {len(str(value))} digits"
        )
    if isinstance(value, float):
        return "a number with a fraction"
    return "null" if value is None else "an object"
