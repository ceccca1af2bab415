"""What a recipient's choices mean at one moment: opt-outs, consent, and the hours of their day.

Local time is the recipient's. Nearly everybody lives in one zone without daylight saving, which
costs an addition; every other zone is taken a UTC day at a time, cut where its clocks change.
"""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from preferences.recipient import Consent, Preferences

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

CHINA = "Asia/Shanghai"
CHINA_MS = 8 * HOUR_MS
"""Ahead of UTC, without daylight saving since 1991: before anything this hub will be asked."""

DAYS_KEPT = 4096
"""Zone days kept at hand: every zone in use, for the days around today and a reminder's."""

_EPOCH = date(1970, 1, 1).toordinal()


def opted_out(preferences: Preferences, category: str, channel: str) -> str:
    """The pair (``violation/sms``, ``*/sms``, …) that switches this off, or ""."""
    if not preferences.off:
        return ""
    for pair in (f"{category}/{channel}", f"{category}/*", f"*/{channel}", "*/*"):
        if pair in preferences.off:
            return pair
    return ""


def consented(preferences: Preferences, category: str, now_ms: int) -> Consent | None:
    """The consent to ``category`` that is in force; None when never given, or withdrawn since."""
    known = [c for c in preferences.consents if c.category == category and c.at_ms <= now_ms]
    if not known:
        return None
    last = max(known, key=lambda consent: consent.at_ms)
    return last if last.given else None


def quiet_until(now_ms: int, zone: str, from_minute: int, to_minute: int) -> int:
    """The first moment (ms) after ``now_ms`` that is not quiet; 0 when it is not quiet now.

    Quiet are the local minutes of the day ``from_minute <= m < to_minute``, over midnight where
    ``from`` is the later one; none where both are equal. Where clocks change, a minute that is
    skipped is not waited for, and one that comes twice counts both times.

    Raises:
        ZoneInfoNotFoundError: no such zone.
    """
    at, offset, until = now_ms, CHINA_MS, 0
    while True:
        if zone != CHINA:
            offset, until = _offset(zone, at)
        minute = (at + offset) % DAY_MS // MINUTE_MS
        if from_minute <= to_minute:
            quiet = from_minute <= minute < to_minute
        else:
            quiet = minute >= from_minute or minute < to_minute
        if not quiet:
            return at if at != now_ms else 0
        to_end = (to_minute * MINUTE_MS - at - offset) % DAY_MS
        if not until or at + to_end < until:
            return at + to_end
        at = until  # the clocks may change here: look again from there


def local_day(now_ms: int, zone: str) -> str:
    """The recipient's date, as ``2026-11-24``."""
    offset = CHINA_MS if zone == CHINA else _offset(zone, now_ms)[0]
    return _iso((now_ms + offset) // DAY_MS)


def at_local(date_iso: str, minute: int, zone: str) -> int:
    """The moment (ms) of a minute of a local date: a reminder's nine o'clock.

    A minute that clocks skip is as much later; of one that comes twice, the first is taken.

    Raises:
        ValueError: not a date.
        ZoneInfoNotFoundError: no such zone.
    """
    day = date.fromisoformat(date_iso)
    if zone == CHINA:
        return (day.toordinal() - _EPOCH) * DAY_MS + minute * MINUTE_MS - CHINA_MS
    local = datetime(day.year, day.month, day.day, minute // 60, minute % 60, tzinfo=ZoneInfo(zone))
    return int(local.timestamp()) * 1000


class _ZoneDay(NamedTuple):
    """One UTC day of a zone: its offset until ``change_ms``, and from there to ``end_ms``."""

    before: int
    change_ms: int
    after: int
    end_ms: int


def _offset(zone: str, at_ms: int) -> tuple[int, int]:
    """Ms ahead of UTC, and until when that is known to hold."""
    day = _zone_day(zone, at_ms // DAY_MS)
    if at_ms < day.change_ms:
        return day.before, day.change_ms
    return day.after, day.end_ms


@lru_cache(DAYS_KEPT)
def _zone_day(zone: str, day: int) -> _ZoneDay:
    """No zone changes its clocks twice in one UTC day, so the change is found by halving."""
    info = ZoneInfo(zone)

    def offset(at_ms: int) -> int:
        ahead = datetime.fromtimestamp(at_ms // 1000, UTC).astimezone(info).utcoffset()
        return (ahead or timedelta()) // timedelta(milliseconds=1)

    low, end = day * DAY_MS, (day + 1) * DAY_MS
    before, after = offset(low), offset(end)
    if before == after:
        return _ZoneDay(before, low, after, end)
    high = end
    while high - low > 1000:
        middle = (low + high) // 2000 * 1000
        low, high = (middle, high) if offset(middle) == before else (low, middle)
    return _ZoneDay(before, high, after, end)


@lru_cache(DAYS_KEPT)
def _iso(day: int) -> str:
    return date.fromordinal(_EPOCH + day).isoformat()
