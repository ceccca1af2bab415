"""From what is known to the facts of one decision. Pure.

Everything a decision may depend on passes through here and is journalled with it; nothing
personal does.
"""

from typing import NamedTuple

from channels.carriers import carrier_of
from channels.lanes import Lanes, Ways
from channels.push_address import service_of
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
    "wechat": "wechat",
    "inbox": "inbox",
}


class History(NamedTuple):
    """What was found in the journal about this leg's recipient and case."""

    settled_by: str = ""
    superseded_by: str = ""
    duplicate_of: str = ""
    sent_today: int = 0
    tried: frozenset[str] = frozenset()
    avoid: frozenset[str] = frozenset()
    """Lanes that failed this leg: others go before them."""


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
    wording: str = "",
    wanted: str = "",
) -> Facts:
    """The facts of one decision about one leg; ``wording`` names the words it would be sent in, and
    ``wanted`` is as for :func:`contact_for`."""
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
        channels=tuple([_channel(c, notice, who, history, lanes, wording, wanted) for c in order]),
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


def contact_for(channel: ChannelName, who: Recipient, wanted: str = "") -> ContactPoint | None:
    """The contact point a channel would use: the first that nothing speaks against, and before it
    the one with the ``wanted`` address, if it is such a one."""
    kind = CONTACT_OF[channel]
    if kind == "inbox":
        return ContactPoint("inbox", who.profile.ref)
    unusable = usable = None
    for contact in who.profile.contacts:
        if contact.kind != kind:
            continue
        if contact.suppressed or (contact.landline and channel == "sms"):
            unusable = unusable or contact
        elif not wanted or contact.address.casefold() == wanted.casefold():
            return contact
        else:
            usable = usable or contact
    return usable or unusable


def _channel(
    channel: ChannelName, notice: Notice, who: Recipient, history: History, lanes: Lanes,
    wording: str, wanted: str,
) -> ChannelFacts:  # fmt: skip
    switched_off = opted_out(who.preferences, notice.category, channel)
    contact = contact_for(channel, who, wanted)
    if contact is None:
        return ChannelFacts(channel, opted_out=switched_off, tried=channel in history.tried)
    carrier = ""
    if contact.kind == "phone":
        carrier = contact.carrier or carrier_of(contact.address)
    elif contact.kind == "push":
        carrier = service_of(contact.address)
    ways, barred = _ways(channel, carrier, notice, history, lanes, wording)
    return ChannelFacts(
        channel,
        contact=True,
        opted_out=switched_off,
        suppressed=contact.suppressed,
        unfit="landline" if contact.landline and channel == "sms" else "",
        carrier=carrier,
        lanes=ways.lanes,
        tried=channel in history.tried,
        weights=ways.weights,
        barred=barred,
    )


def _ways(
    channel: ChannelName, carrier: str, notice: Notice, history: History, lanes: Lanes,
    wording: str,
) -> tuple[Ways, dict[str, str]]:  # fmt: skip
    """The lanes for this message, and why others of its carrier are none. Lanes that failed it
    are taken again only where there is no other."""
    segments = notice.max_segments if channel == "sms" else 0
    barred = lanes.barred(channel, carrier, notice.id, wording, segments)
    ways = lanes.ways(channel, carrier, frozenset(barred))
    failed = history.avoid.intersection(ways.lanes) if history.avoid else ()
    if failed and len(failed) < len(ways.lanes):
        barred = {**barred, **dict.fromkeys(sorted(failed), "avoided")}
        ways = lanes.ways(channel, carrier, frozenset(barred))
    return ways, barred


def _rank(order: tuple[str, ...], channel: str) -> int:
    return order.index(channel) if channel in order else len(order)
