"""Texts with placeholders."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.http_template import Template, Unreadable, unknown_of


def test_values_stand_where_they_are_asked_for() -> None:
    template = Template("a={a}&b={secret:b}")
    assert template.names == {"a", "secret:b"}
    assert template.fill({"a": "1", "secret:b": "2"}) == "a=1&b=2"


def test_a_value_that_is_not_there_is_nothing() -> None:
    assert Template("[{header:X-Time}]").fill({}) == "[]"


def test_names_are_the_same_in_capitals() -> None:
    assert Template("{header:X-Time}").fill({"header:x-time": "7"}) == "7"


def test_braces_are_written_twice() -> None:
    assert Template('{{"a":{a|json}}}').fill({"a": 'say "x"'}) == '{"a":"say \\"x\\""}'


def test_a_filter_writes_a_value_as_addresses_need_it() -> None:
    assert Template("{a|url}").fill({"a": "+86 1/ü"}) == "%2B86%201%2F%C3%BC"


@pytest.mark.parametrize(
    ("text", "reason"),
    [("{a", "lone {"), ("a}", "lone }"), ("{a|upper}", "a filter is one of"), ("{A}", "lone {")],
)
def test_what_is_no_template_says_why(text: str, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        Template(text)


@given(st.text())
def test_a_value_is_never_read_as_a_template(value: str) -> None:
    assert Template("{a}").fill({"a": value, "b": "x"}) == value
    assert json.loads(Template("{a|json}").fill({"a": value})) == value


def test_what_has_no_value_is_named() -> None:
    assert unknown_of(["{a}", "{b}"], frozenset("ac")) == "{b} has no value here; there are a, c"
    assert unknown_of(["{header:x}"], frozenset("a"), ("header:",)) == ""
    assert "lone {" in unknown_of(["{"], frozenset("a"))
