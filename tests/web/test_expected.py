"""What the door expected, and what it got, is said in Chinese as well: every phrase of every
refusal, none forgotten.

The phrases are read from the code that refuses, so that a new one without its words fails here.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

import preferences.intake
import streams.commands
import streams.core.codec
import streams.door
import streams.pipeline.replies
import streams.pipeline.route
import streams.pipeline.unreadable
import templates.misread
import templates.values
from preferences.intake import ContactChanged, with_contacts
from preferences.recipient import Profile
from templates.notice import Variable, VariableType
from templates.values import expected
from web.words import EXPECTED, GOT, VALUE, Speech, read_words

WORDS = read_words()
ZH, EN = Speech(WORDS, "zh"), Speech(WORDS, "en")

REFUSING = (
    preferences.intake, streams.commands, streams.core.codec, streams.door,
    streams.pipeline.replies, streams.pipeline.route, streams.pipeline.unreadable,
    templates.misread, templates.values,
)  # fmt: skip
"""Where a record is refused that then lies in quarantine, or an item there."""

QUARANTINE = ("replay_quarantined", "_reply_again", "drop_quarantined", "_quarantined")
"""Of what may be commanded, that which is about quarantine; the rest is told elsewhere."""

PASSED_ON = {
    "faults[0].expected", "profile[0].expected", "changed[0].expected",  # from one of the others
    "expected(variable)",  # VALUES
    "expected",  # CONTACTS, and what was misread
    "_plainly(expected)",  # KINDS
    "allowed",  # values of the field itself: they are names
}  # fmt: skip
"""What is no phrase of its own where it is given; a new one of these has to be listed below."""

VALUES = {expected(Variable(kind, max=9)) for kind in get_args(VariableType)}
KINDS = {*templates.misread.KINDS.values(), "null"}
NOTHING = ContactChanged("r", ("",), ("",), ("",), ("",))
CONTACTS = {
    fault.expected for fault in with_contacts(Profile("r", "person", "-"), NOTHING, lambda _: None)
}


def refusing_code() -> Iterator[ast.AST]:
    for module in REFUSING:
        tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if module is not streams.commands:
                yield node
            elif getattr(node, "name", "") in QUARANTINE:
                yield from ast.walk(node)


EXPECTED_AT = {"Refusal": 1, "Misread": 1, "Fault": 1, "FieldFault": 1, "Received": 3}
GOT_AT = {"Refusal": 2, "Misread": 2, "FieldFault": 2, "Received": 4}
"""Which of what a refusal is made of; of a command's answer, a later one."""


def given(places: dict[str, int]) -> Iterator[ast.expr]:
    for node in refusing_code():
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            place = places.get(node.func.id, len(node.args))
            yield from node.args[place : place + 1]


def phrase(node: ast.expr) -> str | None:
    """As it is written, 7 for each value in it; None for what was said elsewhere."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(str(p.value) if isinstance(p, ast.Constant) else "7" for p in parts)
        case _:
            return None


def phrases(places: dict[str, int]) -> set[str]:
    return {text for node in given(places) if (text := phrase(node))}


def passed_on(places: dict[str, int]) -> set[str]:
    return {ast.unparse(node) for node in given(places) if phrase(node) is None}


PHRASES = sorted(phrases(EXPECTED_AT) | VALUES | KINDS | CONTACTS)


def test_every_phrase_is_found() -> None:
    assert len(PHRASES) > 50
    assert passed_on(EXPECTED_AT) == PASSED_ON


@pytest.mark.parametrize("text", PHRASES)
def test_every_phrase_is_said_in_both_languages(text: str) -> None:
    known = ZH.expected(text)
    assert known != text
    assert any("\u4e00" <= character <= "\u9fff" for character in known)
    assert EN.expected(text) == text


def test_no_phrase_lies_about() -> None:
    said = {ZH.expected(text) for text in PHRASES}
    names = [name for name in WORDS if name.startswith((EXPECTED, VALUE))]
    stale = [name for name in names if not any(alike(WORDS[name][0], text) for text in said)]
    assert stale == []


def alike(pattern: str, text: str) -> bool:
    """The same but for its values."""
    literal = [part.rpartition("}")[2] for part in pattern.split("{")]
    return text.startswith(literal[0]) and all(part in text for part in literal)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("at most 262144 bytes", "不超过 262144 字节"),
        ("at most 5", "最多 5 个"),
        ("at most 200 characters, on one line", "不超过 200 个字符，不换行"),
        ("text or null", "文字 或 空值 null"),
        ("person or enterprise or officer", "person 或 enterprise 或 officer"),
        ("the subject 'a or b'", "事件的 subject 'a or b'"),
        ("what nobody wrote down", "what nobody wrote down"),
    ],
)
def test_values_are_carried_over(text: str, said: str) -> None:
    assert ZH.expected(text) == said


def test_a_value_does_not_swallow_what_another_phrase_goes_on_with() -> None:
    words = {
        "most": ("最多 {n} 个", "at most {n}"),
        "bytes": ("不超过 {n} 字节", "at most {n} bytes"),
    }
    speech = Speech({EXPECTED + name: said for name, said in words.items()}, "zh")
    assert speech.expected("at most 5 bytes") == "不超过 5 字节"


# What was there instead ---------------------------------------------------------------------------

FROM_OUTSIDE = {
    "event.time", "event.subject", "event.type", "read.ref", "repr(event.time[:40])",
    "str(error)",  # a decoder's own words
    "text.removeprefix(_NO_SUCH_VALUE)",
}  # fmt: skip
"""These stay as they are."""

SAID_ELSEWHERE = {
    "faults[0].got", "got",  # from one of the others
    "_plainly(got)",  # KINDS
    "_describe(data[name])",  # DESCRIBED
}  # fmt: skip

SPECIMENS = ("x", "x\n", ["x"], True, -1, 1, 1.5, None, {})
DESCRIBED = {templates.values._describe(value) for value in SPECIMENS}

FOUND = sorted(
    {text for text in phrases(GOT_AT) if not text.isdigit()}  # a number needs no words
    | DESCRIBED
    | KINDS
)


def test_everything_found_is_known() -> None:
    assert len(FOUND) > 20
    assert passed_on(GOT_AT) == FROM_OUTSIDE | SAID_ELSEWHERE


def test_every_description_has_a_specimen() -> None:
    """As many as the function has answers, and one more for a character that may not be there."""
    [describe] = [
        node
        for node in refusing_code()
        if isinstance(node, ast.FunctionDef) and node.name == "_describe"
    ]
    nodes = list(ast.walk(describe))
    answers = sum(isinstance(node, ast.Return) for node in nodes)
    either = sum(
        isinstance(node.value, ast.IfExp) for node in nodes if isinstance(node, ast.Return)
    )
    assert len(DESCRIBED) == answers + either + 1


@pytest.mark.parametrize("text", FOUND)
def test_everything_found_is_said_in_both_languages(text: str) -> None:
    known = ZH.got(text)
    assert known != text
    assert any("\u4e00" <= character <= "\u9fff" for character in known)
    assert EN.got(text) == text


def test_nothing_found_lies_about() -> None:
    said = {ZH.got(text) for text in FOUND}
    names = [name for name in WORDS if name.startswith(GOT)]
    assert [name for name in names if not any(alike(WORDS[name][0], text) for text in said)] == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("300000 bytes", "300000 字节"),
        ("text of 12 characters, U+000A at 5", "12 个字符的文字，位置 5 处为 U+000A"),
        ("a whole number of 16 digits", "16 位整数"),
        ("true or false", "true 或 false"),
    ],
)
def test_numbers_are_carried_over(text: str, said: str) -> None:
    assert ZH.got(text) == said


@pytest.mark.parametrize("value", ["'dog'", "P2", "257", "a or b", "at most 5", "many bytes", ""])
def test_what_came_from_outside_stays_as_it_is(value: str) -> None:
    assert ZH.got(value) == value
