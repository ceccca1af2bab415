"""Values against their declared types."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from templates.notice import EventType, Variable
from templates.values import FORBIDDEN, FieldFault, check_data, is_plain

RECORDED = EventType(
    "gov.test.recorded.v1",
    {
        "plate": Variable("plate"),
        "at": Variable("datetime"),
        "place": Variable("text", max=40),
        "fine": Variable("money"),
        "record_no": Variable("digits", max=20),
        "note": Variable("text", max=10, required=False),
    },
)
GOOD = {
    "plate": "闽A12345",
    "at": "2026-11-24T09:30:00+08:00",
    "place": "五四路与湖东路交叉口",
    "fine": 20000,
    "record_no": "3501020019876543",
}


def one(kind: Any, value: object, limit: int = 40) -> bool:
    event = EventType("gov.test.one.v1", {"x": Variable(kind, max=limit)})
    return check_data(event, {"x": value}) == []


def test_data_as_it_is_declared_has_no_fault() -> None:
    assert check_data(RECORDED, GOOD) == []
    assert check_data(RECORDED, {**GOOD, "note": "已核对"}) == []


def test_the_inline_recipient_is_not_a_field() -> None:
    assert check_data(RECORDED, {**GOOD, "recipient": {"ref": "r-1"}}) == []


def test_faults_name_the_field_and_what_was_expected() -> None:
    data = {**GOOD, "fine": "20000", "extra": 1}
    del data["place"]
    assert check_data(RECORDED, data) == [
        FieldFault(
            "place",
            "text of 1 to 40 characters, not blank, without line breaks, 【】 or foreign links",
            "nothing",
        ),
        FieldFault(
            "fine", "an amount in fen, a whole number of at least 0", "text of 5 characters"
        ),
        FieldFault("extra", "no such field", "a value"),
    ]


def test_faults_do_not_repeat_the_value() -> None:
    (fault,) = check_data(RECORDED, {**GOOD, "place": "秘密地点\n"})
    assert "秘密" not in str(fault)
    assert fault.got == "text of 5 characters, U+000A at 4"


@pytest.mark.parametrize(
    "value",
    [
        "王丽",
        "a",
        "五四路（东）· 3-1号",
        "Road No.5",
        "单价3.5元",
        "请看122.gov.cn吧",
        "𠮷野家",
        "，",
    ],
)
def test_words_and_official_links_are_a_text(value: str) -> None:
    assert one("text", value)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "长" * 41,
        "两\n行",
        "回车\r",
        "制表\t",
        "零\x00",
        "【银行】",
        "】",
        "〖银行〗",
        "︻银行︼",
        "︗银行",
        " ",
        "\u3000",
        "看evil.com",
        "\u202e反",
        "零\u200b宽",
        "\ud800",
        ".com",
        "evil.",
        "@evil",
        None,
        5,
        ["a"],
        b"a",
    ],
)
def test_what_could_break_or_forge_a_message_is_no_text(value: object) -> None:
    assert not one("text", value)


@pytest.mark.parametrize(
    "plate",
    ["闽A12345", "京AD12345", "粤B1234D", "粤B12345D", "沪A1234学", "新AF00001", "贵A0000警"],
)
def test_plates_of_the_mainland_are_taken(plate: str) -> None:
    assert one("plate", plate)


@pytest.mark.parametrize(
    "plate",
    ["", "A12345", "闽A1234", "闽A123456", "闽AI2345", "闽a12345", "台A12345", "闽AO1234", 7],
)
def test_nothing_else_is_a_plate(plate: object) -> None:
    assert not one("plate", plate)


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("digits", ["1", "0" * 40], ["", "1a", "１２", "-1", "0" * 41, 1]),
        (
            "date",
            ["2026-11-24", "2028-02-29"],
            [
                "20261124",
                "2026-W48-2",
                "2026-02-29",
                "2026-1-1",
                "0001-01-01",
                "2026-11-24 ",
                20261124,
            ],
        ),
        (
            "datetime",
            ["2026-11-24T09:30:00Z", "2026-11-24T09:30:00.123456+08:00"],
            [
                "2026-11-24",
                "2026-11-24 09:30:00Z",
                "2026-11-24T09:30Z",
                "2026-11-24T09:30:00",
                "2026-11-24T25:00:00Z",
                "2026-11-24T09:30:60Z",
                "9999-11-24T09:30:00Z",
                0,
            ],
        ),
        ("money", [0, 20000], [-1, 1.5, "1", True, 10**13, None]),
        ("integer", [0, -3, 999_999_999], [True, 1.0, "1", 10**9]),
        (
            "url",
            ["https://122.gov.cn/a"],
            ["http://122.gov.cn", "https://evil.com", "https://122.gov.cn/" + "a" * 40, ""],
        ),
        ("phone", ["12123", "+8613800138000", "0591-87654321"], ["", "1", "call me", "12123x"]),
        (
            "list",
            [["a"], ["房屋租赁合同", "照片"]],
            [[], ["a"] * 21, ["长" * 21] * 2, "a", [1], ["a\n"]],
        ),
    ],
)
def test_each_type_takes_what_it_says_and_nothing_else(
    kind: str, good: list[object], bad: list[object]
) -> None:
    assert [value for value in good if not one(kind, value)] == []
    assert [value for value in bad if one(kind, value)] == []


def test_an_integer_keeps_its_digits() -> None:
    assert one("integer", 12, limit=2)
    assert not one("integer", 123, limit=2)


def test_a_fault_of_an_integer_says_how_many_digits_it_may_have() -> None:
    for limit, digits in ((2, 2), (64, 9)):
        event = EventType("gov.test.one.v1", {"x": Variable("integer", max=limit)})
        (fault,) = check_data(event, {"x": True})
        assert fault.expected == f"a whole number of at most {digits} digits"


def test_urls_keep_to_the_given_hosts() -> None:
    event = EventType("gov.test.one.v1", {"x": Variable("url")})
    hosts = frozenset({"example.cn"})
    assert check_data(event, {"x": "https://example.cn/a"}, hosts) == []
    assert check_data(event, {"x": "https://122.gov.cn/a"}, hosts)


@given(st.text(max_size=60))
def test_what_passes_as_text_is_one_harmless_line(value: str) -> None:
    if one("text", value, limit=60):
        assert not FORBIDDEN.search(value)
        assert len(value.splitlines()) == 1


@given(st.text(alphabet="0Az国 -:（）、/.@。【\n\u200b", max_size=30))
def test_plain_text_needs_no_closer_look(value: str) -> None:
    if is_plain(value):
        assert not FORBIDDEN.search(value)
        assert not set(value) & set("./@。")


@given(
    st.dictionaries(
        st.text(max_size=8),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
            max_leaves=6,
        ),
    ),
    st.sampled_from(sorted(GOOD)),
)
def test_whatever_comes_is_answered(data: dict[str, object], name: str) -> None:
    value = next(iter(data.values()), None)
    for fault in check_data(RECORDED, {**data, name: value}):
        assert fault.expected
