"""What may change about a recipient after registration, and what each change makes of them.

Two families share one tagged union, since both are journalled as one kind of event::

    Change
     ├── Choice        what a citizen chose: SwitchCategory, SetQuietHours, SetLanguage, SetCaps,
     │                 SetOrder, GiveConsent, WithdrawConsent      -> apply(preferences, choice)
     └── AddressFact   what was learned about a contact point, named by its blind index:
                       SuppressAddress, UnsuppressAddress, LearnCarrier -> mark(contact, fact)
"""

from collections.abc import Collection, Mapping

import msgspec
from msgspec.structs import replace

from preferences.fault import Fault
from preferences.recipient import Consent, ContactPoint, Preferences
from preferences.rules import opted_out

QUIET_MAX_MINUTES = 14 * 60
"""Quiet hours leave ten hours of the day: a notice must have some in which to be sent."""

CAP_MAX = 50
"""No carrier takes more for one number in a day."""

PROOF_MAX = 500
"""A proof names where consent lies (a form, a call, a screen); it is not the document itself."""


class _Tagged(msgspec.Struct, frozen=True, tag_field="kind", forbid_unknown_fields=True):
    """Changes are journalled: each is closed, and tagged by its own name."""


class SwitchCategory(_Tagged, frozen=True, tag="switch_category"):
    """Switch a category on or off in one channel; ``*`` stands for every one of either."""

    category: str
    channel: str
    on: bool


class SetQuietHours(_Tagged, frozen=True, tag="set_quiet_hours"):
    """Minutes of the local day; -1 for both: the policy's own; both equal: none."""

    from_minute: int
    to_minute: int


class SetLanguage(_Tagged, frozen=True, tag="set_language"):
    """ "" is the language registered upstream."""

    language: str


class SetCaps(_Tagged, frozen=True, tag="set_caps"):
    """How many a day, per class; a class left out follows the policy."""

    caps: dict[str, int]


class SetOrder(_Tagged, frozen=True, tag="set_order"):
    """Channels, the preferred one first; those left out come after."""

    order: tuple[str, ...]


class GiveConsent(_Tagged, frozen=True, tag="give_consent"):
    """Consent to a category that needs it, and where the proof lies."""

    category: str
    proof: str


class WithdrawConsent(_Tagged, frozen=True, tag="withdraw_consent"):
    """Consent ends; what was proved stays on record."""

    category: str


class SuppressAddress(_Tagged, frozen=True, tag="suppress_address"):
    """A carrier or mailbox refused this address for good."""

    blind: str
    reason: str


class UnsuppressAddress(_Tagged, frozen=True, tag="unsuppress_address"):
    """The address works again."""

    blind: str


class LearnCarrier(_Tagged, frozen=True, tag="learn_carrier"):
    """The number was ported: this carrier serves it, whatever its prefix says."""

    blind: str
    carrier: str


Choice = (
    SwitchCategory
    | SetQuietHours
    | SetLanguage
    | SetCaps
    | SetOrder
    | GiveConsent
    | WithdrawConsent
)
AddressFact = SuppressAddress | UnsuppressAddress | LearnCarrier
Change = Choice | AddressFact


class Offer(msgspec.Struct, frozen=True):
    """What there is to choose from, by the catalog and the policy.

    ``categories`` maps each category to the channels it may be sent by; of those in ``kept``
    (emergencies, statutory notices) one channel at least stays on. ``capped`` are the classes a
    citizen may cap.
    """

    categories: Mapping[str, tuple[str, ...]]
    kept: Collection[str] = ()
    capped: Collection[str] = ()
    languages: Collection[str] = ()

    @property
    def channels(self) -> frozenset[str]:
        """Every channel that carries any category."""
        return frozenset(channel for channels in self.categories.values() for channel in channels)


def apply(
    preferences: Preferences, choice: Choice, offer: Offer, now_ms: int
) -> Preferences | Fault:
    """The preferences after ``choice``, one version on; the same object when nothing changes.

    The fault names the field of the choice that cannot be.
    """
    match choice:
        case SwitchCategory():
            changed = _switch(preferences, choice, offer)
        case SetQuietHours():
            changed = _quiet_hours(preferences, choice)
        case SetLanguage(language=language):
            if language and language not in offer.languages:
                return Fault("language", _one_of(offer.languages))
            changed = replace(preferences, language=language)
        case SetCaps():
            changed = _caps(preferences, choice, offer)
        case SetOrder(order=order):
            if len(set(order)) != len(order) or not offer.channels.issuperset(order):
                return Fault("order", f"{_one_of(offer.channels)}, each at most once")
            changed = replace(preferences, order=order)
        case GiveConsent() | WithdrawConsent():
            changed = _consent(preferences, choice, offer, now_ms)
    if isinstance(changed, Fault):
        return changed
    if changed == preferences:
        return preferences
    return replace(changed, version=preferences.version + 1)


def mark(contact: ContactPoint, fact: AddressFact) -> ContactPoint:
    """The contact point that ``fact`` is about, after it."""
    match fact:
        case SuppressAddress(reason=reason):
            return replace(contact, suppressed=reason)
        case UnsuppressAddress():
            return replace(contact, suppressed="")
        case LearnCarrier(carrier=carrier):
            return replace(contact, carrier=carrier)


def _switch(preferences: Preferences, choice: SwitchCategory, offer: Offer) -> Preferences | Fault:
    if choice.category != "*" and choice.category not in offer.categories:
        return Fault("category", f"{_one_of(offer.categories)}, or *")
    if choice.channel != "*" and choice.channel not in offer.channels:
        return Fault("channel", f"{_one_of(offer.channels)}, or *")
    pair = f"{choice.category}/{choice.channel}"
    off: set[str] = set()
    for old in preferences.off:
        if choice.on and _meet(pair, old):  # what is still off of it, pair by pair
            off |= {one for one in _spelled_out(old, offer) if not _covers(pair, one)}
        elif choice.on or not _covers(pair, old):
            off.add(old)
    if not choice.on and not any(_covers(old, pair) for old in off):
        off.add(pair)
    changed = replace(preferences, off=tuple(sorted(off)))
    silenced = [
        category
        for category in sorted(offer.kept)
        if _heard(preferences, category, offer) and not _heard(changed, category, offer)
    ]
    if silenced:
        return Fault("channel", f"one channel stays on for {', '.join(silenced)}")
    return changed


def _heard(preferences: Preferences, category: str, offer: Offer) -> bool:
    channels = offer.categories[category]
    return any(not opted_out(preferences, category, channel) for channel in channels)


def _covers(wide: str, narrow: str) -> bool:
    """Whether the pair ``wide`` switches everything that ``narrow`` does."""
    parts = zip(wide.split("/"), narrow.split("/"), strict=True)
    return all(one in ("*", other) for one, other in parts)


def _meet(a: str, b: str) -> bool:
    """Whether two pairs have anything in common."""
    parts = zip(a.split("/"), b.split("/"), strict=True)
    return all("*" in (one, other) or one == other for one, other in parts)


def _spelled_out(pair: str, offer: Offer) -> set[str]:
    """A pair without its wildcards: one for each category and channel there is."""
    return {
        one
        for category, channels in offer.categories.items()
        for channel in channels
        if _covers(pair, one := f"{category}/{channel}")
    }


def _quiet_hours(preferences: Preferences, choice: SetQuietHours) -> Preferences | Fault:
    start, end = choice.from_minute, choice.to_minute
    if (start, end) != (-1, -1):
        for field, minute in (("from_minute", start), ("to_minute", end)):
            if not 0 <= minute < 24 * 60:
                return Fault(field, "a minute of the day, 0 to 1439, or -1 for both")
        if (end - start) % (24 * 60) > QUIET_MAX_MINUTES:
            return Fault("to_minute", f"at most {QUIET_MAX_MINUTES} minutes after from_minute")
    return replace(preferences, quiet_from=start, quiet_to=end)


def _caps(preferences: Preferences, choice: SetCaps, offer: Offer) -> Preferences | Fault:
    for name, cap in choice.caps.items():
        if name not in offer.capped:
            return Fault(f"caps.{name}", f"a class: {_one_of(offer.capped)}")
        if not 0 <= cap <= CAP_MAX:
            return Fault(f"caps.{name}", f"0 to {CAP_MAX} a day")
    return replace(preferences, caps=dict(sorted(choice.caps.items())))


def _consent(
    preferences: Preferences, choice: GiveConsent | WithdrawConsent, offer: Offer, now_ms: int
) -> Preferences | Fault:
    if choice.category not in offer.categories:
        return Fault("category", _one_of(offer.categories))
    known = next((c for c in preferences.consents if c.category == choice.category), None)
    match choice:
        case GiveConsent(proof=proof):
            if not 0 < len(proof) <= PROOF_MAX:
                return Fault("proof", f"where consent is recorded, in 1 to {PROOF_MAX} characters")
            consent = Consent(choice.category, True, now_ms, proof)
        case WithdrawConsent():
            consent = Consent(choice.category, False, now_ms, known.proof if known else "")
    if known and (known.given, known.proof) == (consent.given, consent.proof):
        return preferences
    others = tuple(c for c in preferences.consents if c is not known)
    return replace(preferences, consents=(*others, consent))


def _one_of(names: Collection[str]) -> str:
    return f"one of {', '.join(sorted(names))}"
