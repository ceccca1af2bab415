"""Texts with placeholders, of which a lanes file makes requests and signatures. Pure.

``{to}`` stands for a value by its name, ``{secret:app}`` for one of several of a kind, and ``{{``
and ``}}`` for braces. A filter says how the value is written: ``{text|json}`` as a JSON string with
its quotes, ``{to|url}`` percent-encoded.
"""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple
from urllib.parse import quote

import msgspec

FILTERS = ("json", "url")

_PIECE = re.compile(r"\{\{|\}\}|\{([a-z][a-z0-9_]*(?::[A-Za-z0-9_-]+)?)(?:\|([a-z]+))?\}|[{}]")


class Unreadable(ValueError):  # noqa: N818 - named for what is known
    """A text that is no template; it says what stands there."""


class _Hole(NamedTuple):
    name: str
    filter: str


class Template:
    """A text that was read, and ``names`` of the values it asks for."""

    __slots__ = ("_pieces", "names")

    def __init__(self, text: str) -> None:
        """Raises :class:`Unreadable`."""
        self._pieces = tuple(_read(text))
        self.names = frozenset(piece.name for piece in self._pieces if isinstance(piece, _Hole))

    def fill(self, values: Mapping[str, str]) -> str:
        """The text with its values; one that is not there is nothing."""
        return "".join(
            piece if isinstance(piece, str) else _written(values.get(piece.name, ""), piece.filter)
            for piece in self._pieces
        )


def unknown_of(texts: Iterable[str], known: frozenset[str], kinds: tuple[str, ...] = ()) -> str:
    """What is wrong with these texts, where only ``known`` names have a value, and all of some
    ``kinds`` (as ``header:``); "" for nothing."""
    for text in texts:
        try:
            names = Template(text).names
        except Unreadable as error:
            return str(error)
        for name in sorted(n for n in names - known if not n.startswith(kinds)):
            return f"{{{name}}} has no value here; there are {', '.join(sorted(known))}"
    return ""


def _read(text: str) -> list[str | _Hole]:
    pieces: list[str | _Hole] = []
    at = 0
    for found in _PIECE.finditer(text):
        pieces.append(text[at : found.start()])
        at = found.end()
        if found[1]:
            if found[2] is not None and found[2] not in FILTERS:
                raise Unreadable(f"{found[0]}: a filter is one of {', '.join(FILTERS)}")
            pieces.append(_Hole(found[1].lower(), found[2] or ""))
        elif found[0] in ("{{", "}}"):
            pieces.append(found[0][0])
        else:
            raise Unreadable(f"a lone {found[0]}; a brace is written twice")
    return [*pieces, text[at:]]


def _written(value: str, how: str) -> str:
    match how:
        case "json":
            return msgspec.json.encode(value).decode()
        case "url":
            return quote(value, safe="")
        case _:
            return value
