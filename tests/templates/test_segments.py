"""Counting and cutting text messages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from templates.segments import LIMITS, count, split

GSM_TEXT = st.text(alphabet="abc XYZ09@£éÅ€[]{}^|~\\\n", max_size=700)
ANY_TEXT = st.text(max_size=400)
WITH_PAIRS = st.text(alphabet="烽火，😀𠮷a", max_size=300)


@pytest.mark.parametrize(
    ("text", "encoding", "units", "segments"),
    [
        ("", "gsm7", 0, 0),
        ("a" * 160, "gsm7", 160, 1),
        ("a" * 161, "gsm7", 161, 2),
        ("a" * 304, "gsm7", 304, 2),
        ("a" * 305, "gsm7", 305, 3),
        ("€" * 80, "gsm7", 160, 1),
        ("a" + "€" * 80, "gsm7", 161, 2),
        ("国" * 70, "ucs2", 70, 1),
        ("国" * 71, "ucs2", 71, 2),
        ("国" * 132, "ucs2", 132, 2),
        ("国" * 133, "ucs2", 133, 3),
        ("😀" * 35, "ucs2", 70, 1),
        ("😀" * 36, "ucs2", 72, 2),
        ("`", "ucs2", 1, 1),
        ("ç", "ucs2", 1, 1),
        ("ΔΦ§à", "gsm7", 4, 1),
    ],
)
def test_units_and_segments_are_those_a_carrier_counts(
    text: str, encoding: str, units: int, segments: int
) -> None:
    assert count(text) == (encoding, units, segments)


def test_a_pair_at_the_cut_makes_the_part_one_shorter() -> None:
    first, second = split("国" * 65 + "😀" + "国" * 10)
    assert len(first) == 65
    assert second.startswith("😀")


def test_an_escape_at_the_cut_makes_the_part_one_shorter() -> None:
    first, second = split("a" * 151 + "€" + "a" * 10)
    assert len(first) == 151
    assert second.startswith("€")


def test_pairs_may_cost_a_segment_more_than_their_units() -> None:
    text = "国" * 65 + "😀" + "国" * 62 + "😀" + "国"  # 132 units would fill two parts
    assert count(text).units == 132
    assert [len(part.encode("utf-16-le")) // 2 for part in split(text)] == [65, 66, 1]
    assert count(text).segments == 3


@given(st.one_of(GSM_TEXT, ANY_TEXT, WITH_PAIRS))
def test_parts_are_the_text_and_each_fits(text: str) -> None:
    encoding, _, segments = count(text)
    parts = split(text)
    assert "".join(parts) == text
    assert len(parts) == segments
    single, part_limit = LIMITS[encoding]
    limit = single if len(parts) == 1 else part_limit
    for part in parts:
        part_units = count(part).units if encoding == "gsm7" else len(_utf16(part)) // 2
        assert 0 < part_units <= limit


@given(WITH_PAIRS)
def test_each_part_is_whole_characters(text: str) -> None:
    assert [_utf16(part).decode("utf-16-le") for part in split(text)] == split(text)


@given(GSM_TEXT, st.sampled_from("国😀`"))
def test_one_foreign_character_makes_it_all_ucs2(text: str, foreign: str) -> None:
    assert count(text).encoding == "gsm7"
    assert count(text + foreign).encoding == "ucs2"


def _utf16(text: str) -> bytes:
    return text.encode("utf-16-le")
