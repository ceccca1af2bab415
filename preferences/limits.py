"""How often: caps per class and local day."""

from preferences.rules import DAY_MS, at_local, local_day


def next_day_ms(now_ms: int, zone: str, at_minute: int, *, today: bool = False) -> int:
    """That local minute of the next day (ms); with ``today``, of this day if still ahead."""
    day = local_day(now_ms, zone)
    if today and (at_ms := at_local(day, at_minute, zone)) > now_ms:
        return at_ms
    noon_ms = at_local(day, 12 * 60, zone)  # a day later than noon is tomorrow, whatever clocks do
    return at_local(local_day(noon_ms + DAY_MS, zone), at_minute, zone)
