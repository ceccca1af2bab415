"""The link allow-list."""

from time import perf_counter

import pytest

from templates.links import OFFICIAL, find_faults, is_official

HARMLESS = [
    "请登录122.gov.cn办理",
    "请登录 https://fj.122.gov.cn/m/login.html?a=1&b=2 查看。",
    "请登录 https://122.gov.cn。谢谢",
    "共3.5元，1.携带身份证 2.准时到场",
    "罚款200.00元。",
    "see 122.gov.cn.",
    "notice@122.gov.cn",
    "(https://122.gov.cn)",
    "https://122.gov.cn.",
    "时间09:30，No.5，12.24.5日",
    "详见:122.gov.cn",
    "请访问mps.gov.cn。APP可查",
    "第一.第二",
    "版本1.2.3",
    "G15沈海高速",
    "122.gov.cn/a/index.html",
]

REFUSED = {
    "http://122.gov.cn": "https",
    "ftp://122.gov.cn": "https",
    "weixin://dl/business": "https",
    "javascript:alert(1)": "https",
    "evil.com": "official",
    "请看evil.com": "official",
    "evil.com/122.gov.cn": "official",
    "3/evil.com": "official",
    "//evil.com": "https",
    "http:evil.com": "official",
    "HTTPS://EVIL.COM": "official",
    "https:\\\\evil.com": "official",
    "https://localhost": "official",
    "a@evil.com": "official",
    "122.gov.cn.evil.com": "official",
    "x122.gov.cn": "official",
    "122-gov.cn": "official",
    "https://122.gov.cn/,evil.com": "official",
    "https://122.gov.cn@evil.com": "user name",
    "https://122.gov.cn:8080/": "port",
    "122.gov.cn:80": "port",
    "https://[::1]/": "port",
    "https://1.2.3.4/": "IP",
    "访问1.2.3.4": "IP",
    "https://3232235777/": "IP",
    "https://0x7f.1": "official",
    "https://xn--fiqs8s.cn": "ASCII",
    "https://例子.cn": "ASCII",
    "例子.中国": "ASCII",
    "https://122.gоv.cn": "ASCII",  # a Cyrillic о
    "аpple.com": "ASCII",  # a Cyrillic а
    "t.cn/abc": "shortened",
    "https://dwz.cn/abc": "shortened",
    "evil。com": "official",
    "ｅｖｉｌ．ｃｏｍ": "official",
    "e\u200bvil.c\u200bom": "official",
    "evil\u2060.com": "official",
    "⒈com": "official",
    "122．gov．cn．evil．cc": "official",
}


@pytest.mark.parametrize("text", HARMLESS)
def test_prose_and_official_links_are_harmless(text: str) -> None:
    assert find_faults(text) == []


@pytest.mark.parametrize(("text", "why"), REFUSED.items())
def test_what_a_phone_would_make_tappable_is_refused(text: str, why: str) -> None:
    faults = find_faults(f"通知：{text} 。")
    assert faults
    assert why in faults[0].en
    assert faults[0].zh


def test_the_list_is_an_argument() -> None:
    assert find_faults("https://122.gov.cn", frozenset({"example.cn"}))
    assert find_faults("https://a.example.cn", frozenset({"example.cn"})) == []


def test_a_shortener_stays_refused_when_it_is_listed() -> None:
    assert find_faults("https://t.cn/x", frozenset({"t.cn"}))


def test_every_foreign_link_is_found() -> None:
    assert [fault.link for fault in find_faults("a.com, 122.gov.cn, b.net/x")] == ["a.com", "b.net"]


@pytest.mark.parametrize("url", ["https://122.gov.cn", "https://fj.122.gov.cn/gg/118?x=1#top"])
def test_official_urls(url: str) -> None:
    assert is_official(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "122.gov.cn",
        "http://122.gov.cn",
        "https://122.gov.cn evil.com",
        "https://122.gov.cn/\n",
        "https://122.gov.cn/国",
        "https://122.gov.cn,evil.com",
        "https://evil.com/?122.gov.cn",
        " https://122.gov.cn",
        "https://",
    ],
)
def test_nothing_else_is_an_official_url(url: str) -> None:
    assert not is_official(url)


@pytest.mark.parametrize(
    "unit", ["a", "a.", "a-", "1.1.", "a@", "国.", "http:", "a+", "https://", "。a", ".", "/", ":"]
)
def test_no_text_makes_the_search_slow(unit: str) -> None:
    """A quadratic search takes a second here; a linear one a few milliseconds."""
    text = (unit * 20_000)[:20_000]
    begin = perf_counter()
    find_faults(text, OFFICIAL)
    assert perf_counter() - begin < 0.5
