"""What a citizen adds to their own contact points: browsers that pushes go to. Pure.

Upstream knows nothing of them, so a registration leaves them as they are; nobody but the citizen,
and a push service that says they are gone, takes one away.
"""

import msgspec
from msgspec.structs import replace

from preferences.recipient import ContactPoint, Profile

OWN = "own"
"""The label of a contact point that its owner registered."""

SUBSCRIPTIONS_MAX = 5
"""Browsers of one person. The newest is used, as long as it works; then the one before it."""


class Subscribe(
    msgspec.Struct, frozen=True, tag_field="kind", tag="subscribe", forbid_unknown_fields=True
):
    """Pushes go to this address from now on, first of all."""

    address: str


class Unsubscribe(
    msgspec.Struct, frozen=True, tag_field="kind", tag="unsubscribe", forbid_unknown_fields=True
):
    """And no more; "" stands for every address they registered themselves."""

    address: str = ""


Subscription = Subscribe | Unsubscribe


def with_subscription(profile: Profile, change: Subscription) -> Profile:
    """The profile after it; the same object when nothing changes. One that a service gave up is
    not kept beside a new one."""
    before = own_contacts(profile.contacts)
    match change:
        case Subscribe(address):
            kept = [c for c in before if c.address != address and not c.suppressed]
            after = (ContactPoint("push", address, label=OWN), *kept)[:SUBSCRIPTIONS_MAX]
        case Unsubscribe(""):
            after = ()
        case Unsubscribe(address):
            after = tuple(c for c in before if c.address != address)
    if after == before:
        return profile
    return replace(profile, contacts=with_own(profile.contacts, after))


def own_contacts(contacts: tuple[ContactPoint, ...]) -> tuple[ContactPoint, ...]:
    """Those that their owner registered, the newest first."""
    return tuple(contact for contact in contacts if contact.label == OWN)


def with_own(
    contacts: tuple[ContactPoint, ...], own: tuple[ContactPoint, ...]
) -> tuple[ContactPoint, ...]:
    """Contact points with these as their owner's: they go before upstream's of their kind."""
    return (*own, *(contact for contact in contacts if contact.label != OWN))
