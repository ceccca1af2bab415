"""A decoder's sentences in the words of whoever wrote the document."""

from typing import Annotated, Any, Literal

import msgspec
import pytest

from templates.misread import Misread, misread, name_entry

Colour = Literal["red", "green"]


class Inner(msgspec.Struct, forbid_unknown_fields=True, rename={"cls": "class"}):
    n: int = 0
    cls: Colour = "red"


class Outer(msgspec.Struct, forbid_unknown_fields=True):
    inner: Inner
    few: Annotated[int, msgspec.Meta(ge=1)] = 1
    either: int | str = 0
    maybe: Inner | None = None
    colours: tuple[Colour, ...] = ()
    tables: dict[str, Inner] = {}
    nested: dict[str, dict[str, tuple[Colour, ...]]] = {}
    by_colour: dict[Colour, int] = {}


def read(document: Any) -> Misread:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert(document, Outer)
    return misread(name_entry(str(caught.value), document, Outer), shape=Outer)


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({}, Misread("inner", "to be present")),
        ([], Misread("", "an object", "a list")),
        ({"inner": {"n": "x"}}, Misread("inner.n", "a whole number", "text")),
        ({"inner": {}, "few": 0}, Misread("few", "a whole number >= 1")),
        ({"inner": {}, "either": []}, Misread("either", "a whole number or text", "a list")),
        ({"inner": {}, "maybe": 1}, Misread("maybe", "an object or null", "a whole number")),
    ],
)
def test_the_field_and_what_was_expected_are_named(document: Any, told: Misread) -> None:
    assert read(document) == told


def test_a_field_nobody_declared_is_named() -> None:
    assert read({"inner": {"n": 1, "m": 2}}).field == "inner.m"


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"inner": {"class": "blue"}}, "inner.class"),
        ({"maybe": {"class": "blue"}}, "maybe.class"),
        ({"colours": ["red", "blue"]}, "colours[1]"),
        ({"tables": {"a": {}, "b": {"class": "blue"}, "c": {"n": "x"}}}, "tables.b.class"),
        ({"nested": {"a": {"b": []}, "c": {"d": ["red", "blue"]}}}, "nested.c.d[1]"),
        ({"by_colour": {"blue": 1}}, "by_colour"),
    ],
)
def test_the_values_a_field_may_have_are_named(changed: dict[str, Any], field: str) -> None:
    """Wherever it stands; the entry of a table, too, which the decoder leaves out."""
    assert read({"inner": {}, **changed}) == Misread(field, "red or green", "'blue'")


def test_a_value_that_looks_like_a_path_is_none() -> None:
    tricky = "blue - at `$.colours[0]`"
    told = read({"inner": {"class": tricky}})
    assert told == Misread("inner.class", "red or green", f"'{tricky}'")


def test_without_the_document_an_entry_stays_unnamed() -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert({"inner": {}, "tables": {"a": {"class": "blue"}}}, Outer)
    told = misread(str(caught.value), "data", Outer)
    assert told == Misread("data.tables[...].class", "red or green", "'blue'")
    assert misread(str(caught.value)).expected == "one of the declared values"


def test_it_is_a_sentence() -> None:
    assert str(Misread("n", "text", "a list")) == "expected text, got a list"
    assert str(Misread("n", "to be present")) == "expected to be present"
