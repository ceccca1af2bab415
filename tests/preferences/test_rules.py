"""Opt-outs, consent, and local time: against zoneinfo, minute by minute."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from preferences.recipient import Consent, Preferences
from preferences.rules import (
    CHINA,
    MINUTE_MS,
    at_local,
    consented,
    local_day,
    opted_out,
    quiet_until,
)

# Half-hour and quarter-hour zones, half an hour of daylight saving, south and north of the
# equator, a change at local midnight, and a zone that skipped a whole day.
ZONES = st.sampled_from(
    [
        CHINA,
        "Asia/Urumqi",
        "Asia/Kathmandu",
        "Europe/Berlin",
        "America/New_York",
        "America/Santiago",
        "Australia/Lord_Howe",
        "Africa/Casablanca",
        "Pacific/Apia",
        "UTC",
    ]
)
MINUTES = st.integers(0, 1439)


def ms(text: str, zone: str = "UTC") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


MOMENTS = st.integers(ms("2011-12-28T00:00"), ms("2037-01-01T00:00"))
# The week around a change of clocks is where mistakes live.
CHANGES = [
    ms("2026-03-29T01:00"),
    ms("2026-10-25T01:00"),
    ms("2026-11-01T06:00"),
    ms("2026-04-04T15:00"),
    ms("2026-09-06T04:00"),
    ms("2026-02-15T02:00"),
    ms("2011-12-30T10:00"),
]
NEAR_CHANGES = st.builds(
    lambda change, minutes: change + minutes * MINUTE_MS,
    st.sampled_from(CHANGES),
    st.integers(-2000, 2000),
)


def local(at_ms: int, zone: str) -> datetime:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at_ms)).astimezone(
        ZoneInfo(zone)
    )


def is_quiet(at_ms: int, zone: str, from_minute: int, to_minute: int) -> bool:
    minute = local(at_ms, zone).hour * 60 + local(at_ms, zone).minute
    if from_minute <= to_minute:
        return from_minute <= minute < to_minute
    return minute >= from_minute or minute < to_minute


@given(MOMENTS | NEAR_CHANGES, ZONES, MINUTES, MINUTES)
@example(ms("2026-03-29T00:30"), "Europe/Berlin", 22 * 60, 2 * 60 + 30)  # its end is skipped
@example(ms("2026-10-25T00:10"), "Europe/Berlin", 22 * 60, 2 * 60 + 30)  # its end comes twice
@example(ms("2026-10-25T00:50"), "Europe/Berlin", 2 * 60 + 30, 9 * 60)  # clocks leave the window
def test_quiet_until_is_the_first_minute_that_is_not(
    now: int, zone: str, start: int, end: int
) -> None:
    until = quiet_until(now, zone, start, end)
    if not is_quiet(now, zone, start, end):
        assert until == 0
        return
    minute = now // MINUTE_MS * MINUTE_MS + MINUTE_MS
    while is_quiet(minute, zone, start, end):
        minute += MINUTE_MS
    assert until == minute


def test_a_window_over_midnight() -> None:
    evening, morning = 21 * 60, 8 * 60
    assert quiet_until(ms("2026-11-24T22:15", CHINA), CHINA, evening, morning) == ms(
        "2026-11-25T08:00", CHINA
    )
    assert quiet_until(ms("2026-11-25T07:59", CHINA), CHINA, evening, morning) == ms(
        "2026-11-25T08:00", CHINA
    )
    assert quiet_until(ms("2026-11-25T08:00", CHINA), CHINA, evening, morning) == 0


def test_an_empty_window_is_never_quiet() -> None:
    assert quiet_until(ms("2026-11-24T22:15"), CHINA, 0, 0) == 0


@given(MOMENTS | NEAR_CHANGES, ZONES)
def test_local_day_is_the_date_on_the_wall(now: int, zone: str) -> None:
    assert local_day(now, zone) == local(now, zone).date().isoformat()


@given(MOMENTS | NEAR_CHANGES, ZONES, MINUTES)
def test_at_local_shows_that_minute_on_the_wall(now: int, zone: str, minute: int) -> None:
    day = local(now, zone).date()
    at = at_local(day.isoformat(), minute, zone)
    wall = datetime.combine(day, datetime.min.time()) + timedelta(minutes=minute)
    shown = local(at, zone).replace(tzinfo=None)
    if shown == wall:  # and it is the first time that it shows
        assert local(at - 3 * 60 * MINUTE_MS, zone).replace(tzinfo=None) < wall
    else:  # the minute is skipped: as much later
        assert shown > wall
        assert wall.replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000 == at


def test_skipped_and_repeated_minutes() -> None:
    assert at_local("2026-03-29", 150, "Europe/Berlin") == ms("2026-03-29T01:30")
    assert at_local("2026-10-25", 150, "Europe/Berlin") == ms("2026-10-25T00:30")


def test_faults_are_named() -> None:
    with pytest.raises(ZoneInfoNotFoundError):
        local_day(0, "Asia/Nowhere")
    with pytest.raises(ValueError, match="isoformat"):
        at_local("24/11/2026", 0, CHINA)


@pytest.mark.parametrize(
    ("off", "found"),
    [
        ((), ""),
        (("violation/sms",), "violation/sms"),
        (("violation/*",), "violation/*"),
        (("*/sms",), "*/sms"),
        (("*/*",), "*/*"),
        (("violation/email", "licence/sms", "violations/sms"), ""),
    ],
)
def test_opted_out_names_the_pair(off: tuple[str, ...], found: str) -> None:
    assert opted_out(Preferences(off=off), "violation", "sms") == found


def test_the_latest_consent_counts() -> None:
    given_, withdrawn = Consent("survey", True, 10, "web"), Consent("survey", False, 20, "web")
    preferences = Preferences(consents=(withdrawn, given_, Consent("tips", True, 5, "form")))
    assert consented(preferences, "survey", 9) is None
    assert consented(preferences, "survey", 10) == given_
    assert consented(preferences, "survey", 20) is None
    assert consented(preferences, "licence", 20) is None
