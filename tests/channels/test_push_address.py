"""Addresses of pushes, and which of them are ever called."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.push_account import HOSTS
from channels.push_address import (
    ADDRESS_MAX,
    base64url,
    is_allowed,
    read_subscription,
    service_of,
    subscription_address,
)

POINT = base64url(b"\x04" + bytes(64))
SECRET = base64url(bytes(16))
GOOD = f"https://push.example/1#{POINT}.{SECRET}"


def test_a_subscription_is_read_as_it_was_written() -> None:
    address = subscription_address("https://push.example/1", POINT + "=", SECRET + "==")
    assert address == GOOD
    found = read_subscription(address)
    assert found is not None
    assert (found.endpoint, found.point[0], found.secret) == (
        "https://push.example/1",
        4,
        bytes(16),
    )
    assert found.origin == "https://push.example"


@pytest.mark.parametrize(
    "address",
    [
        "",
        "token",
        "apns:00ff",
        "https://push.example/1",
        f"ftp://push.example/1#{POINT}.{SECRET}",
        f"https://push.example/a b#{POINT}.{SECRET}",
        f"https://push.example/1#{POINT}.",
        f"https://push.example/1#{POINT[:-2]}.{SECRET}",
        f"https://push.example/1#{base64url(b'5' * 65)}.{SECRET}",
        f"https://push.example/1#{POINT}.{SECRET}!",
        f"https://push.example/{'1' * ADDRESS_MAX}#{POINT}.{SECRET}",
    ],
)
def test_what_is_none(address: str) -> None:
    assert read_subscription(address) is None


@given(st.text())
def test_whatever_is_brought_raises_nothing(text: str) -> None:
    read_subscription(text)
    read_subscription(f"https://push.example/1#{text}")
    is_allowed(text, HOSTS)
    is_allowed(f"https://{text}", HOSTS)
    service_of(text)


@pytest.mark.parametrize(
    ("address", "service"),
    [(GOOD, "web"), ("http://127.0.0.1:1/#x.y", "web"), ("apns:00ff", "apns"), ("abc:def", "")],
)
def test_who_can_use_it(address: str, service: str) -> None:
    assert service_of(address) == service


@pytest.mark.parametrize(
    ("endpoint", "allowed"),
    [
        ("https://fcm.googleapis.com/fcm/send/abc", True),
        ("https://fcm.googleapis.com:443/fcm/send/abc", True),
        ("https://updates.push.services.mozilla.com/wpush/v2/x", True),
        ("https://web.push.apple.com/x", True),
        ("https://wns2-par02p.notify.windows.com/w/?token=x", True),
        ("http://fcm.googleapis.com/x", False),
        ("https://fcm.googleapis.com:8443/x", False),
        ("https://a@fcm.googleapis.com/x", False),
        ("https://fcm.googleapis.com@evil.example/x", False),
        ("https://fcm.googleapis.com.evil.example/x", False),
        ("https://evilpush.apple.com/x", False),
        ("https://push.apple.com.evil.example/x", False),
        ("https://127.0.0.1/x", False),
        ("https://[::1]/x", False),
        ("https://fcm.googleapis.com:port/x", False),
        ("https://fcm.googleapis.com\\.evil.example/x", False),
        ("", False),
    ],
)
def test_only_push_services_are_called(endpoint: str, allowed: bool) -> None:
    assert is_allowed(endpoint, HOSTS) is allowed


def test_a_whole_origin_is_taken_by_the_letter() -> None:
    hosts = ("http://127.0.0.1:8090",)
    assert is_allowed("http://127.0.0.1:8090/notify/1", hosts)
    assert not is_allowed("http://127.0.0.1:8091/notify/1", hosts)
    assert not is_allowed("https://127.0.0.1:8090/notify/1", hosts)
