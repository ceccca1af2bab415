"""Facts to decide on: a reminder that nothing speaks against, and how to make each reason true."""

from typing import Any

from msgspec.structs import replace

from preferences.rules import CHINA, DAY_MS, HOUR_MS, MINUTE_MS, at_local
from streams.core.policy import DEFAULT, Policy
from streams.core.routing_facts import ChannelFacts, Facts

TODAY = "2026-11-24"


def when(text: str, day: str = TODAY) -> int:
    """A time of that day in China (ms)."""
    hours, minutes = text.split(":")
    return at_local(day, int(hours) * 60 + int(minutes), CHINA)


NOON = when("12:00")
SMS = ChannelFacts("sms", contact=True, carrier="cmcc", lanes=("sms-cmcc", "sms-any"))
EMAIL = ChannelFacts("email", contact=True, lanes=("email",))


def facts(**changed: Any) -> Facts:
    """A reminder to one citizen, by text message, valid for two days."""
    plain = Facts(
        notice="licence-renewal-due",
        cls="reminder",
        category="licence",
        event_ms=NOON - HOUR_MS,
        expiry_ms=NOON + 2 * DAY_MS,
        channels=(SMS,),
    )
    return replace(plain, **changed)


def case(at_ms: int = NOON, **changed: Any) -> tuple[Facts, Policy, int]:
    return facts(**changed), DEFAULT, at_ms


EVERY_REASON: dict[str, tuple[Facts, Policy, int]] = {
    "expired": case(expiry_ms=NOON - 90 * MINUTE_MS),
    "duplicate": case(duplicate_of="0199a3f2c40081d28e0a5b7c9d1e2f30"),
    "case_settled": case(settled_by="gov.traffic.licence.renewed.v1"),
    "superseded": case(superseded_by=f"a status of {NOON - 5 * MINUTE_MS}"),
    "recipient_unknown": case(known=False, channels=()),
    "not_due": case(due_ms=when("09:00") + DAY_MS),
    "no_consent": case(needs_consent=True),
    "opted_out": case(
        channels=(replace(SMS, opted_out="licence/sms"), replace(EMAIL, opted_out="licence/*"))
    ),
    "no_contact": case(channels=(ChannelFacts("sms"), ChannelFacts("email"))),
    "no_contact, one switched off": case(
        channels=(replace(SMS, opted_out="licence/sms"), ChannelFacts("email"))
    ),
    "landline": case(channels=(replace(SMS, unfit="landline"),)),
    "address_suppressed": case(channels=(replace(SMS, suppressed="UNDELIV-001"),)),
    "all_channels_tried": case(channels=(replace(SMS, tried=True), replace(EMAIL, tried=True))),
    "quiet_hours": case(when("22:30"), spread=7 * MINUTE_MS),
    "quiet_hours, the recipient's own": case(
        when("13:10"), quiet_from=13 * 60, quiet_to=14 * 60 + 30, spread=0
    ),
    "quiet_hours_past_expiry": case(when("22:30"), expiry_ms=when("07:00") + DAY_MS),
    "quiet_hours_past_expiry, the recipient's own": case(
        when("13:10"), quiet_from=13 * 60, quiet_to=14 * 60 + 30, expiry_ms=when("14:00")
    ),
    "frequency_cap": case(sent_today=3, spread=2 * MINUTE_MS),
    "frequency_cap, the recipient's own": case(sent_today=1, cap=1),
    "frequency_cap_past_expiry": case(sent_today=3, expiry_ms=when("20:00")),
    "frequency_cap_past_expiry, the recipient's own": case(
        sent_today=0, cap=0, expiry_ms=when("20:00")
    ),
    "first_reachable": case(),
    "first_reachable, after others": case(
        channels=(replace(SMS, opted_out="licence/sms"), ChannelFacts("push"), EMAIL)
    ),
    "first_reachable, in New York": case(
        cls="emergency", zone="America/New_York", channels=(replace(SMS, lanes=()), EMAIL)
    ),
    "no_lane": case(channels=(replace(SMS, lanes=()),)),
    "first_reachable, by one lane of several": case(
        channels=(
            replace(
                SMS,
                lanes=("sms-a", "sms-b"),
                weights=(3, 1),
                barred={
                    "sms-c": "paused",
                    "sms-d": "wording",
                    "sms-e": "segments",
                    "sms-f": "avoided",
                },
            ),
        ),
        spread=3 << 4,
    ),
    "first_reachable, where the wording is registered": case(
        channels=(replace(SMS, lanes=(), barred={"sms-cmcc": "wording"}), EMAIL)
    ),
    "wording_unregistered": case(
        channels=(replace(SMS, lanes=(), barred={"sms-cmcc": "wording"}),)
    ),
    "wording_unregistered, and soon expired": case(
        channels=(replace(SMS, lanes=(), barred={"sms-cmcc": "wording"}),),
        expiry_ms=NOON + MINUTE_MS,
    ),
    "no_lane, and soon expired": case(
        channels=(replace(SMS, lanes=()),), expiry_ms=NOON + MINUTE_MS
    ),
}
"""For every reason at least one way to come by it; a name begins with its reason."""
