"""Which links a text may carry: official hosts over https, and nothing else. Pure.

Fraud by SMS lives on links that look official, so every text is searched the way a phone makes
things tappable: after NFKC and without invisible characters, with a scheme or without one.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

OFFICIAL = frozenset({"122.gov.cn", "nia.gov.cn", "mps.gov.cn"})
"""The allow-list when no other is given; a host allows its subdomains."""

SHORTENERS = frozenset(
    {"bit.ly", "dwz.cn", "is.gd", "suo.im", "t.cn", "t.co", "tinyurl.com", "u.nu", "url.cn"}
)
"""Refused even when an allow-list names them: nobody can see where they lead."""

_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\U000e0000-\U000e0fff]"
)
# Browsers take the ideographic full stop for a dot; before one of these it ends no sentence.
_IDEOGRAPHIC_DOT = re.compile(
    "(?<=[0-9a-z])\u3002(?=(?:cc|club|cn|com|icu|info|link|live|ltd|net|online|org|shop|site|top"
    "|vip|work|xin|xyz)(?![a-z0-9]))"
)

# Each of these reads a text once: values come from outside, and none may make the search slow.
_PATH = r"(?:[/?#][\w\-./?#=&%~+]*)?"
_SCHEME_TAIL = re.compile(r"[a-z0-9+.-]{1,16}$")
_AFTER_SCHEME = re.compile(rf":[/\\]+([^\s/\\?#<>\"'()，。；、！？）】》」]*)(?a:{_PATH})")
_SCRIPT = re.compile(r"\b(?:javascript|vbscript):")
_ADDRESS = re.compile(r"(?<![0-9.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?!\.?[0-9])")
_TOKEN = re.compile(rf"([\w.@:+%-]+)((?a:{_PATH}))")
_JOINTS = re.compile("[@:+%]")

# Chinese top-level domains that phones know; another Chinese word after a dot is prose.
_TOP_LEVEL = re.compile(
    "(?:[a-z]{2,}|xn--[a-z0-9-]+|中国|公司|网络|网址|商标|在线|中文网|政务|公益|手机|集团|商城|移动|信息"
    "|网店|商店|游戏|娱乐)(?![a-z0-9-])"
)
_PROSE = re.compile("^[\u3400-\u9fff]+(?=[a-z0-9])")  # 请登录122.gov.cn: words, then a host


class LinkFault(NamedTuple):
    """One link that may not be sent, as found, and why in English and Chinese."""

    link: str
    en: str
    zh: str


def find_faults(text: str, hosts: frozenset[str] = OFFICIAL) -> list[LinkFault]:
    """Every link in ``text`` that is not https on one of ``hosts``; [] when all are official.

    ``hosts`` are lower-case ASCII names. An e-mail address is a link to its host. A host without a
    scheme is judged by its name only.
    """
    plain = _plain(text)
    faults = [_fault(link, _NOT_HTTPS) for link in _SCRIPT.findall(plain)]
    faults += [_fault(found, _ADDRESS_LITERAL) for found in _ADDRESS.findall(plain)]
    faults += _with_scheme(plain, hosts)
    faults += _bare(_AFTER_SCHEME.sub(" ", plain), hosts)
    return faults


def is_official(url: str, hosts: frozenset[str] = OFFICIAL) -> bool:
    """Whether the whole of ``url`` is one https link to one of ``hosts``, in plain ASCII."""
    return (
        url.isascii()
        and url.startswith("https://")
        and _URL_REST.fullmatch(url, 8) is not None
        and not find_faults(url, hosts)
    )


_URL_REST = re.compile(r"[a-zA-Z0-9.-]+(?:[/?#][\w\-./?#=&%~+,;:@!$*()]*)?", re.ASCII)

_NOT_HTTPS = ("links must begin with https://", "链接必须以 https:// 开头")
_USER_OR_PORT = ("a link carries no user name and no port", "链接不得含用户名或端口")
_ADDRESS_LITERAL = ("a link names a host, not an IP address", "链接不得使用 IP 地址")
_NOT_ASCII = ("the host of a link is plain ASCII", "链接域名只能用普通英文字母和数字")
_SHORTENED = ("shortened links hide where they lead", "不得使用短链接")
_UNOFFICIAL = ("the host is not on the list of official hosts", "域名不在官方域名名单内")


def _fault(link: str, why: tuple[str, str]) -> LinkFault:
    return LinkFault(link, *why)


def _plain(text: str) -> str:
    folded = unicodedata.normalize("NFKC", _INVISIBLE.sub("", text)).lower()
    return _IDEOGRAPHIC_DOT.sub(".", _INVISIBLE.sub("", folded))


def _with_scheme(text: str, hosts: frozenset[str]) -> Iterator[LinkFault]:
    for match in _AFTER_SCHEME.finditer(text):
        before = _SCHEME_TAIL.search(text, max(0, match.start() - 16), match.start())
        scheme = before[0] if before else ""
        link, authority = scheme + match[0], match[1]
        if scheme != "https":
            yield _fault(link, _NOT_HTTPS)
        elif "@" in authority or ":" in authority:
            yield _fault(link, _USER_OR_PORT)
        elif why := _host_fault(authority, hosts):
            yield _fault(link, why)


def _bare(text: str, hosts: frozenset[str]) -> Iterator[LinkFault]:
    at = 0
    while match := _TOKEN.search(text, at):
        found = False
        parts = _JOINTS.split(match[1])
        for part, after in zip(parts, [*parts[1:], ""], strict=True):
            host = _host_in(part)
            found = found or host != ""
            if host and after.isdigit():
                yield _fault(f"{host}:{after}", _USER_OR_PORT)
            elif host and (why := _host_fault(host, hosts)):
                yield _fault(host, why)
        at = match.end() if found else match.end(1)  # what follows a host is its path


def _host_in(part: str) -> str:
    """The host that a phone would see in ``part``: labels up to the last top-level domain."""
    labels = part.split(".")
    for last in range(len(labels) - 1, 0, -1):
        top = _TOP_LEVEL.match(labels[last])
        if top and labels[last - 1]:
            return _PROSE.sub("", ".".join([*labels[:last], top[0]]))
    return ""


def _host_fault(host: str, hosts: frozenset[str]) -> tuple[str, str] | None:
    host = host.rstrip(".")
    if not host.isascii() or "xn--" in host:
        return _NOT_ASCII
    if host.replace(".", "").isdigit():
        return _ADDRESS_LITERAL
    if _within(host, SHORTENERS):
        return _SHORTENED
    return None if _within(host, hosts) else _UNOFFICIAL


def _within(host: str, hosts: frozenset[str]) -> bool:
    return host in hosts or any(host.endswith(f".{allowed}") for allowed in hosts)
