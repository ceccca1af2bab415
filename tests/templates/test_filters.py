"""How typed values read."""

import pytest

from templates.filters import FILTERS, TAKES, mask, money


@pytest.mark.parametrize(
    ("name", "value", "zh", "en"),
    [
        ("date", "2026-11-04", "2026年11月4日", "4 November 2026"),
        ("date", "2026-11-24T09:30:00+08:00", "2026年11月24日", "24 November 2026"),
        ("date", "2026-11-24T17:30:00Z", "2026年11月25日", "25 November 2026"),
        (
            "datetime",
            "2026-11-24T09:30:00+08:00",
            "2026年11月24日 09:30",
            "24 November 2026, 09:30",
        ),
        ("datetime", "2026-11-24T01:30:00Z", "2026年11月24日 09:30", "24 November 2026, 09:30"),
        ("datetime", "2026-12-31T20:00:00-05:00", "2027年1月1日 09:00", "1 January 2027, 09:00"),
        ("money", 20000, "200.00", "200.00"),
        ("money", 5, "0.05", "0.05"),
        ("items", ["身份证", "照片"], "身份证、照片", "身份证, 照片"),
    ],
)
def test_by_language(name: str, value: object, zh: str, en: str) -> None:
    assert FILTERS["zh"][name](value) == zh
    assert FILTERS["en"][name](value) == en


@pytest.mark.parametrize(
    ("value", "masked"),
    [
        ("闽A12345", "闽A***45"),
        ("闽AD12345", "闽A****45"),
        ("13800138000", "138****8000"),
        ("+8613800138000", "+86*******8000"),
        ("1234", "****"),
        ("12345", "12*45"),
        ("", ""),
    ],
)
def test_a_masked_value_shows_enough_to_recognise_it(value: str, masked: str) -> None:
    assert mask(value) == masked


@pytest.mark.parametrize(
    ("language", "spelled"),
    [("zh", "闽 A 一 零"), ("en", "闽 A one zero")],
)
def test_digits_are_spelled_in_words(language: str, spelled: str) -> None:
    assert FILTERS[language]["spell"]("闽A10") == spelled


@pytest.mark.parametrize("value", [True, 1.5, "1", None])
def test_money_is_whole_fen(value: object) -> None:
    assert money(1) == "0.01"  # equal to True, and remembered
    with pytest.raises(TypeError):
        money(value)


@pytest.mark.parametrize("value", ["", "soon", "2026-13-01", 5])
def test_dates_are_dates(value: object) -> None:
    for name in ("date", "datetime"):
        with pytest.raises(ValueError, match=r"Invalid|month"):
            FILTERS["zh"][name](value)


def test_languages_have_the_same_filters() -> None:
    assert FILTERS["zh"].keys() == FILTERS["en"].keys()
    assert TAKES.keys() <= FILTERS["zh"].keys()
