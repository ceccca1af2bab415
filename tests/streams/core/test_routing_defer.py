"""Holding for quiet hours and caps: found by the simulator's first seed."""

import msgspec

from streams.core.policy import DEFAULT
from streams.core.routing import decide
from streams.core.routing_facts import ChannelFacts, Facts

NOON_MS = 1_764_043_200_000  # 2025-11-25, 12:00 in China
DAY_MS = 86_400_000


def facts(**more: object) -> Facts:
    return Facts(
        notice="n",
        cls="status",
        category="c",
        event_ms=NOON_MS,
        expiry_ms=NOON_MS + 2 * DAY_MS,
        channels=(ChannelFacts("inbox", contact=True, lanes=("inbox",)),),
        **more,
    )


def test_quiet_hours_hold_and_say_until_when() -> None:
    night = NOON_MS + 10 * 3_600_000
    verdict = decide(facts(), DEFAULT, night)
    assert (verdict.kind, verdict.reason) == ("hold", "quiet_hours")
    assert verdict.numbers["until_ms"] == verdict.until_ms > night


def test_a_full_cap_holds_until_the_next_day() -> None:
    verdict = decide(facts(sent_today=8), DEFAULT, NOON_MS)
    assert (verdict.kind, verdict.reason) == ("hold", "frequency_cap")
    assert verdict.numbers["until_ms"] == verdict.until_ms


def test_what_cannot_wait_is_suppressed_with_both_moments() -> None:
    soon = msgspec.structs.replace(facts(sent_today=8), expiry_ms=NOON_MS + 3_600_000)
    verdict = decide(soon, DEFAULT, NOON_MS)
    assert (verdict.kind, verdict.reason) == ("suppress", "frequency_cap_past_expiry")
    assert verdict.numbers["until_ms"] > verdict.numbers["expiry_ms"]
