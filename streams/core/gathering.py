"""From what is known to the facts of one decision. Pure.

Everything a decision may depend on passes through here and is journalled with it; nothing
personal does.
"""

from typing import NamedTuple

from channels.carriers import carrier_of
from channels.lanes import Lanes
from preferences.recipient import ContactPoint, Recipient
from preferences.rules import consented, opted_out
from streams.core.events import Head
from streams.core.routing_facts import ChannelFacts, Facts
from templates.notice import ChannelName, Notice

CONTACT_OF: dict[ChannelName, str] = {
    "sms": "phone",
    "voice": "phone",
    "email": "email",
    "push": "push",
    "inbox": "inbox",
}


class History(NamedTuple):
    """What was found in the journal about this leg's recipient and case."""

    settled_by: str = ""
    superseded_by: str = ""
    duplicate_of: str = ""
    sent_today: int = 0
    tried: frozenset[str] = frozenset()
    avoid_lane: str = ""


NO_HISTORY = History()


def chain(head: Head, notice: Notice) -> tuple[ChannelName, ...]:
    """The channels a leg may go through, in the notice's order: first its own, then those it
    escalates to. A leg of a class that goes out on all channels has just its own."""
    if head.leg:
        return (head.leg,)  # type: ignore[return-value]  # a leg is named by its channel
    later = notice.escalation.to if notice.escalation else ()
    return notice.channels + tuple(c for c in later if c not in notice.channels)


def gather(
    head: Head,
    notice: Notice,
    who: Recipient | None,
    history: History,
    lanes: Lanes,
    stream: bytes,
    default_language: str,
    now_ms: int,
) -> Facts:
    """The facts of one decision about one leg."""
    if who is None:
        return Facts(
            notice=head.notice,
            cls=head.cls,
            category=head.category,
            event_ms=head.event_ms,
            expiry_ms=head.expiry_ms,
            known=False,
            due_ms=head.due_ms,
            settled_by=history.settled_by,
            superseded_by=history.superseded_by,
            duplicate_of=history.duplicate_of,
            at_ms=now_ms,
        )
    chosen = who.preferences
    order = chain(head, notice)
    if chosen.order:
        order = tuple(sorted(order, key=lambda c: _rank(chosen.order, c)))
    agreed = consented(chosen, head.category, now_ms) if notice.consent else None
    return Facts(
        notice=head.notice,
        cls=head.cls,
        category=head.category,
        event_ms=head.event_ms,
        expiry_ms=head.expiry_ms,
        channels=tuple(_channel(c, head, who, history, lanes) for c in order),
        due_ms=head.due_ms,
        respects_quiet=notice.quiet,
        needs_consent=notice.consent,
        consent_ms=agreed.at_ms if agreed else 0,
        settled_by=history.settled_by,
        superseded_by=history.superseded_by,
        duplicate_of=history.duplicate_of,
        zone=who.profile.zone,
        quiet_from=chosen.quiet_from,
        quiet_to=chosen.quiet_to,
        sent_today=history.sent_today,
        cap=chosen.caps.get(head.cls, -1),
        spread=int.from_bytes(stream[-4:], "big"),
        language=who.language or default_language,
        at_ms=now_ms,
    )


def contact_for(channel: ChannelName, who: Recipient) -> ContactPoint | None:
    """The contact point a channel would use: the first that nothing speaks against."""
    kind = CONTACT_OF[channel]
    if kind == "inbox":
        return ContactPoint("inbox", who.profile.ref)
    usable = [c for c in who.profile.contacts if c.kind == kind]
    for contact in usable:
        if not contact.suppressed and not (contact.landline and channel == "sms"):
            return contact
    return usable[0] if usable else None


def _channel(
    channel: ChannelName, head: Head, who: Recipient, history: History, lanes: Lanes
) -> ChannelFacts:
    switched_off = opted_out(who.preferences, head.category, channel)
    contact = contact_for(channel, who)
    if contact is None:
        return ChannelFacts(channel, opted_out=switched_off, tried=channel in history.tried)
    carrier = ""
    if contact.kind == "phone":
        carrier = contact.carrier or carrier_of(contact.address)
    open_lanes = lanes.open_for(channel, carrier)
    if history.avoid_lane and len(open_lanes) > 1:
        open_lanes = tuple(x for x in open_lanes if x != history.avoid_lane)
    return ChannelFacts(
        channel,
        contact=True,
        opted_out=switched_off,
        suppressed=contact.suppressed,
        unfit="landline" if contact.landline and channel == "sms" else "",
        carrier=carrier,
        lanes=open_lanes,
        tried=channel in history.tried,
    )


def _rank(order: tuple[str, ...], channel: str) -> int:
    return order.index(channel) if channel in order else len(order)
