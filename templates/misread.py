"""What a decoder refuses, said to whoever wrote the document: field, expected, got. Pure.

msgspec's sentences (``Invalid enum value 'fax' - at `$.notice.channels[0]```) are written for
whoever declared the types: they keep the allowed values to themselves, leave out which entry of a
table they are about, and speak of `str`.
"""

import re
from types import NoneType
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin

import msgspec

KINDS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
}
"""The decoder's words for kinds of values, as people say them who write no Python."""

_KIND = re.compile(rf"\b(?:{'|'.join(KINDS)})\b")
_STEP = re.compile(r"\[[^\]]*\]|[^.\[]+")
_AT, _AT_KEY = " - at `$", " - at `key` in `$"
_NO_SUCH_VALUE = "Invalid enum value "
_SOME_ENTRY = "[...]"


class Misread(NamedTuple):
    """``field`` as a path (``notice.channels[0]``), "" for the whole document."""

    field: str
    expected: str
    got: str = ""

    def __str__(self) -> str:
        got = f", got {self.got}" if self.got else ""
        return f"expected {self.expected}{got}"


def misread(message: str, where: str = "", shape: Any = None) -> Misread:
    """A decoder's sentence ("Object missing required field `time`", "… - at `$.id`") by field.

    ``where`` is the path to what was decoded. ``shape`` is its type: with it the values a field may
    have are named.
    """
    text, _, path = _divided(message.replace(_AT_KEY, _AT))
    path = path.strip("`.")
    names = [name for name in (where, path) if name]
    if text.startswith("Object") and "`" in text:
        names.append(text.split("`")[-2])
        field = ".".join(names)
        if "missing" in text:
            return Misread(field, "to be present")
        return Misread(field, "no such field; only declared ones are read", "an unknown field")
    field = ".".join(names)
    if text.startswith(_NO_SUCH_VALUE):
        values = _values(shape, path, of_keys=_AT_KEY in message)
        allowed = " or ".join(values) or "one of the declared values"
        return Misread(field, allowed, text.removeprefix(_NO_SUCH_VALUE))
    expected, _, got = text.replace("`", "").removeprefix("Expected ").partition(", got ")
    return Misread(field, _plainly(expected), _plainly(got))


def name_entry(message: str, document: Any, shape: type) -> str:
    """The decoder's sentence with the entry of each table it is about (``.plate`` for ``[...]``),
    which it leaves out: in ``document``, the first that cannot be read as ``shape`` says."""
    text, at, path = _divided(message)
    found, value, kind = "", document, shape
    for step in _STEP.findall(path.rstrip("`")) if at else ():
        kind = _inside(kind, step)
        if step == _SOME_ENTRY:
            step = next((key for key, entry in value.items() if not _fits(entry, kind)), step)
            value = value.get(step)
        elif step.startswith("["):
            value = value[int(step[1:-1])]
        else:
            value = value[step]
        found += step if step.startswith("[") else f".{step}"
    return f"{text}{at}{found}`" if at else message


def _divided(message: str) -> tuple[str, str, str]:
    """What is wrong, and the path after it, which comes last: a value may look like one."""
    text, at, path = message.rpartition(_AT)
    return (text, at, path) if at else (message, "", "")


def _fits(value: Any, shape: Any) -> bool:
    try:
        msgspec.convert(value, shape)
    except msgspec.ValidationError:
        return False
    return True


def _values(shape: Any, path: str, of_keys: bool) -> tuple[str, ...]:
    """The values that may stand at a path as the decoder writes it (``classes.code.order[0]``)."""
    shape = _plain(shape)
    for step in _STEP.findall(path):
        shape = _inside(shape, step)
    if of_keys:
        shape = get_args(shape)[0]
    return get_args(shape) if get_origin(shape) is Literal else ()


def _inside(shape: Any, step: str) -> Any:
    """The type of what stands one step further in; None where that is not known."""
    if isinstance(shape, type) and issubclass(shape, msgspec.Struct):
        fields = {field.encode_name: field.type for field in msgspec.structs.fields(shape)}
        return _plain(fields.get(step))
    return _plain(next((kind for kind in reversed(get_args(shape)) if kind is not ...), None))


def _plain(shape: Any) -> Any:
    """A type without what bounds it, and without the None that lets it be left out."""
    if get_origin(shape) is Annotated:
        return get_args(shape)[0]
    kinds = get_args(shape)
    if NoneType in kinds:
        return next(kind for kind in kinds if kind is not NoneType)
    return shape


def _plainly(kinds: str) -> str:
    return _KIND.sub(lambda kind: KINDS[kind[0]], kinds).replace(" | ", " or ")
