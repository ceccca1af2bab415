"""Tables of the documentation, and how values and types are written in them."""

import inspect
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table in Markdown. Bars inside cells are escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(value: object) -> str:
    return str(value).replace("|", r"\|").replace("\n", " ").strip()


def code(text: object) -> str:
    return f"`{text}`" if str(text) else ""


def prose(docstring: str | None) -> str:
    """A docstring on one line, its roles and double backticks as Markdown has them."""
    text = re.sub(r":\w+:`~?(?:[\w.]+\.)?(\w+)`", r"`\1`", inspect.cleandoc(docstring or ""))
    return re.sub(r"\s+", " ", text.replace("``", "`")).strip()


def _type(kind: Any) -> str:
    """A type as a reader of JSON knows it."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return kind.__name__
    if kind in _PLAIN:
        return _PLAIN[kind]
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Literal:
        return " or ".join(code(value) for value in parts)
    if origin is tuple:
        return f"list of {_type(parts[0])}"
    if origin is dict:
        return f"object of {_type(parts[1])}"
    return _type(next(part for part in parts if part is not type(None)))


_PLAIN: dict[Any, str] = {
    str: "text",
    int: "integer",
    bool: "true or false",
    bytes: "bytes in base64",
    msgspec.Raw: "object",
    Any: "anything",
}


def fields(struct: type[msgspec.Struct]) -> Iterator[tuple[str, str, str]]:
    """(name, type, default) of each field; "required" where there is no default."""
    hints = get_type_hints(struct)
    for field in msgspec.structs.fields(struct):
        if field.required:
            default = "required"
        elif field.default in (msgspec.NODEFAULT, "", (), None) or isinstance(field.default, bytes):
            default = "none"
        else:
            default = code(json.dumps(field.default))
        yield field.name, _type(hints[field.name]), default
