"""What the answers of push services mean."""

import pytest

from channels.base import Outcome, Permanent, Throttled, Transient, Unknown
from channels.push_codes import CODES, WAIT_MAX_MS, Service, judge, wait_ms

NOW_MS = 1_795_950_000_000  # Sun, 29 Nov 2026 11:00:00 GMT


@pytest.mark.parametrize(
    ("service", "status", "reason", "outcome"),
    [
        ("web", 404, "", Permanent("404", "recipient")),
        ("web", 410, "", Permanent("410", "recipient")),
        ("web", 413, "", Permanent("413", "content")),
        ("web", 401, "", Permanent("401", "sender")),
        ("web", 403, "", Permanent("403", "sender")),
        ("web", 429, "", Throttled("429")),
        ("web", 503, "", Transient("503")),
        ("web", 400, "", Transient("400")),
        ("web", 500, "", Unknown("HTTP 500")),
        ("web", 307, "", Unknown("HTTP 307")),
        ("apns", 410, "Unregistered", Permanent("Unregistered", "recipient")),
        ("apns", 410, "ExpiredToken", Permanent("ExpiredToken", "recipient")),
        ("apns", 400, "BadDeviceToken", Permanent("BadDeviceToken", "recipient")),
        ("apns", 400, "DeviceTokenNotForTopic", Permanent("DeviceTokenNotForTopic", "recipient")),
        ("apns", 403, "InvalidProviderToken", Permanent("InvalidProviderToken", "sender")),
        ("apns", 413, "PayloadTooLarge", Permanent("PayloadTooLarge", "content")),
        ("apns", 429, "TooManyRequests", Throttled("TooManyRequests")),
        ("apns", 429, "TooManyProviderTokenUpdates", Throttled("TooManyProviderTokenUpdates")),
        ("apns", 503, "Shutdown", Transient("Shutdown")),
        ("apns", 400, "SomethingNew", Transient("SomethingNew")),
        ("apns", 502, "", Unknown("HTTP 502")),
    ],
)
def test_what_follows(service: Service, status: int, reason: str, outcome: Outcome) -> None:
    assert judge(service, status, reason) == outcome


def test_every_row_says_what_it_means_and_from_where() -> None:
    assert all(row.means and row.source for row in CODES.values())
    assert sorted(CODES, key=lambda key: (key[0] != "web", key[1])) == list(CODES)


@pytest.mark.parametrize(
    ("said", "ms"),
    [
        ("", 0),
        ("0", 0),
        ("120", 120_000),
        ("99999999999999", WAIT_MAX_MS),
        ("Sun, 29 Nov 2026 11:01:00 GMT", 60_000),
        ("Sun, 29 Nov 2026 10:59:00 GMT", 0),
        ("soon", 0),
        ("-5", 0),
        ("٣", 0),
    ],
)
def test_how_long_to_wait(said: str, ms: int) -> None:
    assert wait_ms(said, NOW_MS) == ms
    assert judge("web", 429, "", said, NOW_MS) == Throttled("429", ms)
