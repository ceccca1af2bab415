"""Caps, and the next day."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from preferences.limits import next_day_ms
from preferences.rules import CHINA


def ms(text: str, zone: str = CHINA) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


def test_the_next_day_in_china() -> None:
    assert next_day_ms(ms("2026-11-24T23:59"), CHINA, 8 * 60) == ms("2026-11-25T08:00")
    assert next_day_ms(ms("2026-11-25T00:00"), CHINA, 8 * 60) == ms("2026-11-26T08:00")


def test_today_while_it_is_ahead() -> None:
    evening = 21 * 60
    assert next_day_ms(ms("2026-11-24T20:59"), CHINA, evening, today=True) == ms("2026-11-24T21:00")
    assert next_day_ms(ms("2026-11-24T21:00"), CHINA, evening, today=True) == ms("2026-11-25T21:00")


@given(
    st.integers(ms("2026-01-01T00:00"), ms("2028-01-01T00:00")),
    st.sampled_from(["Europe/Berlin", "America/Santiago", "Australia/Lord_Howe", CHINA]),
    st.integers(0, 1439),
)
def test_the_next_day_is_the_next_date(now: int, zone: str, minute: int) -> None:
    def day(at_ms: int) -> int:
        return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(ZoneInfo(zone)).toordinal()

    assert day(next_day_ms(now, zone, minute)) == day(now) + 1
