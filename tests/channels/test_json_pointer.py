"""JSON Pointer, by the examples of RFC 6901 (section 5) and beyond."""

from typing import Any

import pytest

from channels.json_pointer import NOTHING, at, is_pointer, text_at

DOCUMENT: dict[str, Any] = {
    "foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "e^f": 3, "g|h": 4, "i\\j": 5, 'k"l': 6,
    " ": 7, "m~n": 8,
}  # fmt: skip


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("", DOCUMENT), ("/foo", ["bar", "baz"]), ("/foo/0", "bar"), ("/", 0), ("/a~1b", 1),
        ("/c%d", 2), ("/e^f", 3), ("/g|h", 4), ("/i\\j", 5), ('/k"l', 6), ("/ ", 7), ("/m~0n", 8),
    ],
)  # fmt: skip
def test_the_examples_of_the_standard(pointer: str, value: object) -> None:
    assert is_pointer(pointer)
    assert at(DOCUMENT, pointer) == value


@pytest.mark.parametrize("pointer", ["/foo/2", "/foo/-", "/foo/x", "/none", "/foo/0/x", "/a~1b/c"])
def test_where_nothing_stands(pointer: str) -> None:
    assert at(DOCUMENT, pointer) is NOTHING
    assert text_at(DOCUMENT, pointer) == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [("x", "x"), (7, "7"), (True, "true"), (False, "false"), (None, ""), ({}, ""), ([1], "")],
)
def test_scalars_are_texts(value: object, text: str) -> None:
    assert text_at({"v": value}, "/v") == text


def test_no_pointer_points_at_nothing() -> None:
    assert text_at("whole", "") == ""
    assert not is_pointer("foo")
