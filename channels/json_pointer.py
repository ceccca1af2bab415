"""Where a value stands in a document: JSON Pointer (RFC 6901). Pure."""

from typing import Any


class Nothing:
    """There is no value."""


NOTHING = Nothing()


def is_pointer(text: str) -> bool:
    return not text or text.startswith("/")


def at(document: Any, pointer: str) -> Any:
    """The value there; :data:`NOTHING` where there is none."""
    for step in pointer.split("/")[1:]:
        step = step.replace("~1", "/").replace("~0", "~")
        if isinstance(document, dict) and step in document:
            document = document[step]
        elif isinstance(document, list) and step.isdecimal() and int(step) < len(document):
            document = document[int(step)]
        else:
            return NOTHING
    return document


def text_at(document: Any, pointer: str) -> str:
    """The value there as a text: numbers as JSON writes them; "" for anything that is no scalar,
    and where no pointer is given."""
    value = at(document, pointer) if pointer else NOTHING
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else ""
